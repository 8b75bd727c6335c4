"""How each metric of `harness/contract/metrics/` is computed: name → function of a cohort."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.contract.metrics.metric import ALL_POINTS
from windtunnel.reports.metrics import attempts, calls, connections, false_timeouts, gateway, times, work
from windtunnel.reports.metrics.cohort import ABSENT, Absent, Cohort, Result
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.metrics.recovery import Recovery, recovery_of
from windtunnel.reports.metrics.unknown import Compute, over_known_good, over_known_outcomes


def _absent(cohort: Cohort) -> Result:
    """Return nothing: a figure of all repeats together has no value in one cell."""
    return ABSENT


def _found(cohort: Cohort) -> Recovery | None:
    return recovery_of(cohort.judged, cohort.scenario)


def _time_to_recover(recovery: Recovery) -> Result:
    """The time; where it never came, at least as long as was observed."""
    if recovery.recovered is False:
        return Figure(recovery.observed_s, censored=True)
    return recovery.time_s


def _recovery(read: Callable[[Recovery], Result]) -> Compute:
    def compute(cohort: Cohort) -> Result:
        recovery = cohort.once(_found)
        if recovery is None:
            return ABSENT
        found = read(recovery)
        return Figure(None, reason=recovery.reason) if found is None else found

    return compute


def _points(
    family: str, points: tuple[str, ...], samples: Callable[[Cohort], times.Samples | times.Counted | Absent]
) -> dict[str, Compute]:
    return {f"{family}_{point}_s": times.point(samples, point) for point in points}


def _known(table: Mapping[str, Compute]) -> dict[str, Compute]:
    return {name: over_known_outcomes(compute) for name, compute in table.items()}


COMPUTE: Final[dict[str, Compute]] = {
    "offered": calls.offered,
    "goodput": over_known_good(calls.goodput),
    "amplification": over_known_outcomes(attempts.amplification),
    "client_amplification": attempts.client_amplification,
    "steps_per_call": over_known_outcomes(attempts.steps_per_call),
    "load_factor": over_known_outcomes(attempts.load_factor),
    "peak_amplification": over_known_outcomes(attempts.peak_amplification),
    "retry_yield": over_known_good(attempts.retry_yield),
    "wasted_work": over_known_outcomes(work.wasted_work),
    "time_to_recover_s": over_known_good(_recovery(_time_to_recover)),
    "recovered": over_known_good(_recovery(lambda recovery: recovery.recovered)),
    "recovered_fraction": _absent,
    "recovery_window_s": _recovery(lambda recovery: recovery.window_s),
    "recovery_observed_s": _recovery(lambda recovery: recovery.observed_s),
    "metastable": over_known_good(_recovery(lambda recovery: recovery.metastable)),
    "draining": over_known_good(_recovery(lambda recovery: recovery.draining)),
    "retry_after_violations": over_known_outcomes(attempts.retry_after_violations),
    "retry_synchrony": over_known_outcomes(attempts.retry_synchrony),
    **_known(_points("latency", ALL_POINTS, times.latency)),
    **_points("wait", ALL_POINTS, times.wait),
    **_known(_points("service", ALL_POINTS, times.service)),
    **_points("ttft", ALL_POINTS, times.ttft),
    **_points("inter_token", ALL_POINTS, times.inter_token),
    **_points("hang", ("p50", "p99", "max"), times.hang),
    "held_by_pool": over_known_good(calls.held_by_pool),
    "held_by_limiter": over_known_good(calls.held_by_limiter),
    "held_by_workers": over_known_good(calls.held_by_workers),
    "slots_used": work.slots_used,
    "deadline_overruns": calls.deadline_overruns,
    "own_model_answers": calls.own_model_answers,
    "silent_corruption": over_known_outcomes(calls.silent_corruption),
    "error_budget_burn": over_known_good(calls.error_budget_burn),
    "connection_churn": over_known_outcomes(connections.connection_churn),
    "connections_peak": connections.connections_peak,
    "connections_leaked": connections.connections_leaked,
    "connections_idle": connections.connections_idle,
    "connecting_share": connections.connecting_share,
    "stale_connections": over_known_outcomes(connections.stale_connections),
    **_points("pool_wait", ("p50", "p95", "p99"), connections.pool_wait),
    **_known(_points("stop_lag", ("p50", "p99"), times.stop_lag)),
    "tokens_after_stop": over_known_outcomes(work.tokens_after_stop),
    "false_timeouts": over_known_outcomes(false_timeouts.false_timeouts),
    "false_timeout_cost_usd": over_known_outcomes(false_timeouts.false_timeout_cost_usd),
    "duplicate_effects": over_known_outcomes(work.duplicate_effects),
    "cost_usd": over_known_outcomes(work.cost_usd),
    "cost_useful_usd": over_known_outcomes(work.cost_useful_usd),
    "gateway_certainty": gateway.certainty,
    "gateway_amplification": over_known_outcomes(gateway.amplification),
    "gateway_orphans": over_known_outcomes(gateway.orphans),
    "gateway_retry_after_kept": over_known_outcomes(gateway.retry_after_kept),
    "gateway_failover_s": over_known_good(gateway.failover),
    "gateway_corruption": over_known_outcomes(gateway.corruption),
}
"""A function for each row of the contract's table."""


def measure(cohort: Cohort, only: Collection[str] | None = None) -> dict[str, Figure]:
    """The metrics (`only` these, if given) that apply to a cohort.

    Those without a value are null, those that do not apply are missing.
    """
    scopes = ("phase", "overall") if cohort.phase is None else ("phase",)
    found = {
        name: COMPUTE[name](cohort)
        for name, metric in METRICS.items()
        if metric.scope in scopes and (only is None or name in only)
    }
    return {
        name: value if isinstance(value, Figure) else Figure(value)
        for name, value in found.items()
        if not isinstance(value, Absent)
    }
