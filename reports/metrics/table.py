"""The table of metrics: name → definition, unit, which way is better, where it has a value, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from windtunnel.reports.metrics import attempts, calls, connections, times, work
from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result
from windtunnel.reports.metrics.recovery import Recovery, recovery_of

Better = Literal["higher", "lower"]
Scope = Literal["phase", "overall", "repeats"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `unit` is empty for a ratio; `better` is None where neither way is.

    `scope`: `phase` is a figure of the run and of each phase, `overall` of the run alone, `repeats` of all
    repeats of a client together (`compute` is then never asked).
    """

    definition: str
    unit: str
    better: Better | None
    scope: Scope
    compute: Callable[[Cohort], Result]


def _absent(cohort: Cohort) -> Result:
    return ABSENT


def _found(cohort: Cohort) -> Recovery | None:
    return recovery_of(cohort.judged, cohort.scenario)


def _recovery(read: Callable[[Recovery], float | bool | None]) -> Callable[[Cohort], Result]:
    def compute(cohort: Cohort) -> Result:
        recovery = cohort.once(_found)
        return ABSENT if recovery is None else read(recovery)

    return compute


def _percentiles(
    family: str, points: tuple[str, ...], samples: Callable[[Cohort], times.Samples], definition: str
) -> dict[str, Metric]:
    named = {"p999": "99.9th percentile", "max": "Maximum"} | {
        f"p{n}": f"{n}th percentile" for n in (50, 90, 95, 99)
    }
    return {
        f"{family}_{point}_s": Metric(
            f"{named[point]} of {definition}.", "s", "lower", "phase", times.point(samples, point)
        )
        for point in points
    }


_ALL: Final = ("p50", "p90", "p95", "p99", "p999", "max")

METRICS: Final[dict[str, Metric]] = {
    "offered": Metric("Calls intended.", "calls", None, "phase", calls.offered),
    "goodput": Metric(
        "Calls that are ok and ended within the load's deadline (else its objective_wait) of their intended "
        "time ÷ calls offered, also those that were never started.",
        "",
        "higher",
        "phase",
        calls.goodput,
    ),
    "amplification": Metric(
        "Attempts that reached the server ÷ calls with at least one of them.",
        "",
        "lower",
        "phase",
        attempts.amplification,
    ),
    "client_amplification": Metric(
        "Attempts that the client made ÷ calls with at least one of them; it also counts those that never arrived.",
        "",
        "lower",
        "phase",
        attempts.client_amplification,
    ),
    "load_factor": Metric(
        "Attempts arriving in the phase ÷ calls intended in it.", "", "lower", "phase", attempts.load_factor
    ),
    "peak_amplification": Metric(
        "Maximum over windows of 5 s, 1 s apart, of 1 + arrivals that are retries ÷ calls intended in the window.",
        "",
        "lower",
        "overall",
        attempts.peak_amplification,
    ),
    "retry_yield": Metric(
        "Calls that were good after a retry ÷ retries.", "", "higher", "phase", attempts.retry_yield
    ),
    "wasted_work": Metric(
        "1 - tokens billed for the answers delivered to good calls ÷ all tokens billed, prompts included.",
        "",
        "lower",
        "phase",
        work.wasted_work,
    ),
    "time_to_recover_s": Metric(
        "From the end of the last faulty phase until goodput stays at 0.95 of what it was before the first one, "
        "for 10 s; over repeats the median, where never counts as infinite.",
        "s",
        "lower",
        "overall",
        _recovery(lambda recovery: recovery.time_s),
    ),
    "recovered": Metric(
        "Whether that happened before the run ended; over repeats, whether it did in all of them.",
        "",
        "higher",
        "overall",
        _recovery(lambda recovery: recovery.recovered),
    ),
    "recovered_fraction": Metric("Share of the repeats that recovered.", "", "higher", "repeats", _absent),
    "recovery_window_s": Metric(
        "The widest window over which goodput was taken for this: 5 s, or wider until it held 20 calls.",
        "s",
        None,
        "overall",
        _recovery(lambda recovery: recovery.window_s),
    ),
    "recovery_observed_s": Metric(
        "How long was observed after the last faulty phase: where time_to_recover_s is censored.",
        "s",
        None,
        "overall",
        _recovery(lambda recovery: recovery.observed_s),
    ),
    "metastable": Metric(
        "Whether the overload sustains itself: unrecovered at the end, at least two fault lengths observed, the "
        "provider's parameters restored, intended load at most 0.9 of its capacity, and in the last third "
        "load_factor ≥ 1.2 or wasted_work ≥ 0.3 with the queue not falling; null if observed for less.",
        "",
        "lower",
        "overall",
        _recovery(lambda recovery: recovery.metastable),
    ),
    "draining": Metric(
        "Whether a run that is unrecovered and was observed for long enough is not metastable.",
        "",
        "lower",
        "overall",
        _recovery(lambda recovery: recovery.draining),
    ),
    "retry_after_violations": Metric(
        "Retry-After promises broken ÷ promises followed by another attempt of the same call at the same region, "
        "key and model; a promise runs from the last byte of the refusal, 50 ms are tolerated.",
        "",
        "lower",
        "phase",
        attempts.retry_after_violations,
    ),
    "retry_synchrony": Metric(
        "Retry arrivals in bins of 100 ms, over blocks of 2 s with at least 20 of them: sum of the sample variances "
        "÷ sum of the means. 1 is what independent clients give; null below 5 blocks.",
        "",
        "lower",
        "overall",
        attempts.retry_synchrony,
    ),
    **_percentiles("latency", _ALL, times.latency, "intended time to end, calls that are ok"),
    **_percentiles(
        "wait", _ALL, times.wait, "intended time to answer or giving up, all calls: what a user waits"
    ),
    **_percentiles(
        "service",
        _ALL,
        times.service,
        "first request sent to end, calls that are ok: what coordinated omission would show",
    ),
    **_percentiles("ttft", _ALL, times.ttft, "intended time to first content, streamed calls that got one"),
    **_percentiles("inter_token", _ALL, times.inter_token, "the pauses between contents of streamed calls"),
    **_percentiles(
        "hang",
        ("p50", "p99", "max"),
        times.hang,
        "last content (else sending) to giving up, attempts that met a stall and were given up",
    ),
    "deadline_overruns": Metric(
        "Calls whose wait exceeded the client's own declared deadline by more than 250 ms.",
        "calls",
        "lower",
        "phase",
        calls.deadline_overruns,
    ),
    "silent_corruption": Metric(
        "Calls that are corrupt ÷ calls that the client took for success.",
        "",
        "lower",
        "phase",
        calls.silent_corruption,
    ),
    "error_budget_burn": Metric(
        "(1 - goodput) ÷ (1 - the scenario's objective).", "", "lower", "phase", calls.error_budget_burn
    ),
    "connection_churn": Metric(
        "Connections whose first request is among the attempts ÷ attempts, as the server saw them.",
        "",
        "lower",
        "phase",
        connections.connection_churn,
    ),
    "connections_peak": Metric(
        "Connections open at the same time, at most.",
        "connections",
        "lower",
        "overall",
        connections.connections_peak,
    ),
    "connections_leaked": Metric(
        "Connections still open 2 s after the last call ended.",
        "connections",
        "lower",
        "overall",
        connections.connections_leaked,
    ),
    **_percentiles(
        "stop_lag", ("p50", "p99"), times.stop_lag, "the client stopping an attempt to the server seeing it"
    ),
    "tokens_after_stop": Metric(
        "Output tokens billed for attempts that the client left, beyond those already sent to it.",
        "tokens",
        "lower",
        "phase",
        work.tokens_after_stop,
    ),
    "duplicate_effects": Metric(
        "Calls whose side effect was executed more than once.",
        "calls",
        "lower",
        "phase",
        work.duplicate_effects,
    ),
    "cost_usd": Metric("All tokens billed × the scenario's prices.", "USD", "lower", "phase", work.cost_usd),
    "cost_useful_usd": Metric(
        "Tokens billed for the answers delivered to good calls × the scenario's prices.",
        "USD",
        None,
        "phase",
        work.cost_useful_usd,
    ),
}
"""Every metric that metrics.json can hold, in the order in which it is shown."""


def describe() -> list[dict[str, str | None]]:
    """The table as data, for listings: name, about (the definition), unit, better, scope."""
    return [
        {
            "name": name,
            "about": metric.definition,
            "unit": metric.unit,
            "better": metric.better,
            "scope": metric.scope,
        }
        for name, metric in METRICS.items()
    ]


def measure(cohort: Cohort) -> dict[str, float | int | bool | None]:
    """The metrics that apply to a cohort; those without a value are None, those that do not apply are missing."""
    scopes = ("phase", "overall") if cohort.phase is None else ("phase",)
    found = {name: metric.compute(cohort) for name, metric in METRICS.items() if metric.scope in scopes}
    return {name: value for name, value in found.items() if value is not ABSENT}
