"""The grid: the cells of a run whose scenario varies settings, side by side.

records ─► sample.py: CellSample, a cell each ┐
plan.json, figures ───────────────────────┴─► build.py: Grid (best.py: which is best, and how sure) ─► timeouts.py
                                               ─► files.py: grid.csv, metrics.json
                                               ─► page/grid_words.py, page/grid_tables.py: report.html, summary.md
"""
