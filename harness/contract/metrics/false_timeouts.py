"""Metrics of timeouts that were too early."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

FALSE_TIMEOUTS = Metric(
    "false_timeouts",
    "Timeouts that were too early",
    "count",
    "Attempts that a timeout of the client ended although it would have had more of its answer within the load's "
    "deadline.",
    better="lower",
    unit="attempts",
    floor=Floor(1.0, 0.05),
)

FALSE_TIMEOUT_COST = Metric(
    "false_timeout_cost_usd",
    "Cost of timeouts that were too early",
    "usd",
    "Tokens billed for such attempts × the scenario's prices.",
    better="lower",
    unit="USD",
    needs="prices",
    floor=Floor(share=0.05),
)
