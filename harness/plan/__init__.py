"""A run, resolved: what each cell (client by repeat) plays, complete enough to be played again.

scenario, clients, gateway, options
    │  resolution.py   in this order: does it go together, what is left open, the cells
    ├─ clock.py        virtual or real, and what is possible on it
    ├─ repeats.py      the seed of each repeat
    ├─ varied.py       clients, at every point of `vary`
    ├─ regions.py      who may choose a region, and where names of hosts lead
    └─ cells.py        a client and a repeat to what is played, with the mock's part of it
    ▼
RunPlan (run.py) of CellPlans (cell.py): files (plan_file.py)
"""

from windtunnel.harness.plan.cell import API_KEY, CellPlan, PhaseSpan
from windtunnel.harness.plan.resolution import resolve
from windtunnel.harness.plan.run import RunPlan

__all__ = ["API_KEY", "CellPlan", "PhaseSpan", "RunPlan", "resolve"]
