"""What to change in a client: findings from its records, each with evidence, the setting that cures it, and calls to
replay.

    records of a cell ─► Seen ─► each rule of `table.py`, one file a rule ─► ClientFinding ─► metrics.json, pages
"""
