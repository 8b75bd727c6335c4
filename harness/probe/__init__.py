"""What an unmodified program does to a misbehaving provider, told from the server's side alone.

play.py ─► served, connections ─► arrived.py ─► sequences.py ─► calls.py ─► figures.py ─► report.py
(the mock, the program)           (requests)    (one SDK call)  (one call)   (numbers)     (probe.json, words)
"""
