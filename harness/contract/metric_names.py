"""The metrics that an expectation may name, and of what kind each is.

The definitions live with the metrics themselves; this table is what a scenario can be checked against
before anything is measured.
"""

from __future__ import annotations

_LATENCIES = ("p50", "p90", "p95", "p99", "p999", "max")
_FAMILIES = ("latency", "wait", "service", "ttft", "inter_token")

OF_TRUTH = frozenset({"recovered", "metastable", "draining"})
"""Metrics that are true or false."""

OF_RECOVERY = frozenset(
    {"time_to_recover_s", "recovered", "recovered_fraction", "recovery_window_s", "recovery_observed_s"}
    | {"metastable", "draining"}
)
"""Metrics that need a faulty phase, one before it and one after it."""

OF_STREAMS = frozenset(f"{family}_{point}_s" for family in ("ttft", "inter_token") for point in _LATENCIES)
"""Metrics that streamed answers alone have."""

OF_PRICES = frozenset({"cost_usd", "cost_useful_usd"})
"""Metrics that need a price list."""

OF_RUN = frozenset(
    OF_RECOVERY | {"peak_amplification", "retry_synchrony", "connections_peak", "connections_leaked"}
)
"""Metrics of a run as a whole, which have no value in a single phase."""

OF_PHASE = frozenset(
    {
        "offered",
        "goodput",
        "amplification",
        "client_amplification",
        "load_factor",
        "retry_yield",
        "wasted_work",
        "retry_after_violations",
        *(f"{family}_{point}_s" for family in _FAMILIES for point in _LATENCIES),
        *(f"hang_{point}_s" for point in ("p50", "p99", "max")),
        "deadline_overruns",
        "silent_corruption",
        "error_budget_burn",
        "connection_churn",
        *(f"stop_lag_{point}_s" for point in ("p50", "p99")),
        "tokens_after_stop",
        "duplicate_effects",
        "cost_usd",
        "cost_useful_usd",
    }
)
"""Metrics of a run and of each of its phases."""

METRIC_NAMES = tuple(sorted(OF_RUN | OF_PHASE))
