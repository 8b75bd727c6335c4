"""A load process: it plays its share of a cell's schedule, inside a stock Locust process.

CellPlan ─► Worker ─► dispatch (one greenlet per arrival) ─► instances ─► rows ─► Recorder ─► segments
              └─► ready-*.json, start.json, progress-*.json: how it talks with the supervisor
"""
