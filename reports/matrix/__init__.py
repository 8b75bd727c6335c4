"""The matrix: clients × scenarios, from the reports of several runs in one folder.

runs.json, <scenario>/{plan,metrics}.json ─► read.py: Matrix ─► ranking.py, changes.py (in words)
                                          ─► as_json.py (matrix.json), page.py (index.html, summary.md), picture.py
"""
