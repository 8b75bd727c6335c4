"""All metrics in one table, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from windtunnel.harness.contract.metrics import (
    attempts,
    calls,
    connections,
    false_timeouts,
    gateway,
    recovery,
    times,
    work,
)
from windtunnel.harness.contract.metrics.metric import Metric

ROWS: Final = (
    calls.OFFERED,
    calls.GOODPUT,
    attempts.AMPLIFICATION,
    attempts.CLIENT_AMPLIFICATION,
    attempts.STEPS_PER_CALL,
    attempts.LOAD_FACTOR,
    attempts.PEAK_AMPLIFICATION,
    attempts.RETRY_YIELD,
    work.WASTED_WORK,
    recovery.TIME_TO_RECOVER,
    recovery.RECOVERED,
    recovery.RECOVERED_FRACTION,
    recovery.RECOVERY_WINDOW,
    recovery.RECOVERY_OBSERVED,
    recovery.METASTABLE,
    recovery.DRAINING,
    attempts.RETRY_AFTER_VIOLATIONS,
    attempts.RETRY_SYNCHRONY,
    *times.LATENCY,
    *times.WAIT,
    *times.SERVICE,
    *times.TTFT,
    *times.INTER_TOKEN,
    *times.HANG,
    *calls.HELD_BY,
    work.SLOTS_USED,
    calls.DEADLINE_OVERRUNS,
    calls.OWN_MODEL_ANSWERS,
    calls.SILENT_CORRUPTION,
    calls.ERROR_BUDGET_BURN,
    connections.CONNECTION_CHURN,
    connections.CONNECTIONS_PEAK,
    connections.CONNECTIONS_LEAKED,
    connections.CONNECTIONS_IDLE,
    connections.CONNECTING_SHARE,
    connections.STALE_CONNECTIONS,
    *connections.POOL_WAIT,
    *times.STOP_LAG,
    work.TOKENS_AFTER_STOP,
    false_timeouts.FALSE_TIMEOUTS,
    false_timeouts.FALSE_TIMEOUT_COST,
    work.DUPLICATE_EFFECTS,
    work.COST,
    work.COST_USEFUL,
    gateway.CERTAINTY,
    gateway.AMPLIFICATION,
    gateway.ORPHANS,
    gateway.RETRY_AFTER_KEPT,
    gateway.FAILOVER,
    gateway.CORRUPTION,
)

METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in ROWS}
"""Every metric that metrics.json can hold, by name, in the order in which it is shown."""


def describe() -> list[dict[str, Any]]:
    """Return the table as data, for listings: name, about (the definition), unit, better, scope, floor.

    `floor` has `absolute`, in the metric's unit, and `share`, of the older value; it is null where neither way is
    better.
    """
    return [
        {
            "name": metric.name,
            "about": metric.definition,
            "unit": metric.unit,
            "better": metric.better,
            "scope": metric.scope,
            "floor": None if metric.better is None else asdict(metric.floor),
        }
        for metric in METRICS.values()
    ]
