"""Metrics of calls: how many there are, which are good, and what kept the others."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

OFFERED = Metric(
    "offered",
    "Calls offered",
    "count",
    "Calls intended.",
    unit="calls",
)

GOODPUT = Metric(
    "goodput",
    "Good calls",
    "share",
    "Calls that are ok and ended within the load's deadline (else its objective_wait) of their "
    "intended time ÷ calls offered, also those that were never started.",
    better="higher",
    floor=Floor(0.02),
)

HELD_BY = tuple(
    Metric(
        f"held_by_{what}",
        f"Failed while held up by their own {shown}",
        "share",
        f"Calls that were not good and spent more than half of their wait {waiting} ÷ calls.",
        better="lower",
        floor=Floor(0.02),
    )
    for what, shown, waiting in (
        ("pool", "connection pool", "in the client's own pool, until a connection was free"),
        ("limiter", "limiter", "until the client's own limiter let them go, or that it refused at once"),
        ("workers", "workers", "until a worker of the client was free (`load.concurrency`)"),
    )
)

DEADLINE_OVERRUNS = Metric(
    "deadline_overruns",
    "Calls over the client's own deadline",
    "count",
    "Calls whose wait exceeded the client's own declared deadline by more than 250 ms.",
    better="lower",
    unit="calls",
    floor=Floor(1.0, 0.05),
)

OWN_MODEL_ANSWERS = Metric(
    "own_model_answers",
    "Calls that the application's own model answered",
    "share",
    "Calls that fell back to a model of the application's own and were answered by it ÷ calls offered. They count "
    "as good, whatever that model's answers are worth; absent where there are none.",
)

SILENT_CORRUPTION = Metric(
    "silent_corruption",
    "Broken answers taken for success",
    "share",
    "Calls that are corrupt ÷ calls that the client took for success.",
    better="lower",
    floor=Floor(0.002),
)

ERROR_BUDGET_BURN = Metric(
    "error_budget_burn",
    "Error budget burnt",
    "ratio",
    "(1 - goodput) ÷ (1 - the scenario's objective).",
    better="lower",
    floor=Floor(0.5, 0.05),
)
