"""The grid: the cells of a run whose scenario varies settings, side by side.

records ─► sample.py: Sample, a cell each ┐
plan.json, figures ───────────────────────┴─► build.py: Grid (best.py: which is best, and how sure) ─► timeouts.py
                                               ─► words.py, tables.py ─► report.html, summary.md, grid.csv, metrics.json
"""
