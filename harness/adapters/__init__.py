"""Programs for `driver: exec`, ready to use: each makes calls with one library, and stands by itself.

They run in environments without windtunnel, so they import nothing of it but their neighbour `speaking.py`.
"""
