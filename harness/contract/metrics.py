"""The metrics: a row for each, which says all about it but how it is computed.

    row here ──► harness: what a scenario may expect     ──► list metrics, the manual
             └─► reports: a function of the same name in reports/metrics/table.py, and its words on the page

A test holds rows and functions together, so a metric is one row and one function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Kind = Literal["share", "ratio", "seconds", "count", "truth", "usd"]
Better = Literal["higher", "lower"]
Scope = Literal["phase", "overall", "repeats"]
Needs = Literal["", "faults", "stream", "prices", "gateway"]


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest difference of a metric that matters: `absolute`, in its unit, or `share` of the older value.

    The larger of the two counts. What is not beyond it is no regression, however sure it is.
    """

    absolute: float = 0.0
    share: float = 0.0

    def at(self, value: float) -> float:
        """The floor where the older value is `value`."""
        return max(self.absolute, self.share * abs(value))

    def text(self, unit: str = "") -> str:
        """As people write it: `0.02 s or 5 %`."""
        absolute = f"{self.absolute:g} {unit}".rstrip()
        parts = [absolute] if self.absolute or not self.share else []
        return " or ".join([*parts, f"{100 * self.share:g} %"] if self.share else parts)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of metrics.json.

    `label` is its name on the page and `kind` how its values are written there. `unit` is empty for a ratio;
    `better` is None where neither way is. `scope`: `phase` is a figure of the run and of each phase, `overall`
    of the run alone, `repeats` of all repeats of a client together. `needs` is what a scenario must have, or
    the metric is absent: a faulty phase between healthy ones, streamed answers, prices, or a gateway. `floor`: the
    smallest difference that `ab` and a baseline call better or worse; of a truth, in shares of the seeds.
    """

    name: str
    label: str
    kind: Kind
    definition: str
    unit: str = ""
    better: Better | None = None
    scope: Scope = "phase"
    needs: Needs = ""
    floor: Floor = Floor()


_ALL: Final = ("p50", "p90", "p95", "p99", "p999", "max")
_POINTS: Final = {
    "p50": ("50th percentile", "median"),
    "p90": ("90th percentile", "90th percentile"),
    "p95": ("95th percentile", "95th percentile"),
    "p99": ("99th percentile", "99th percentile"),
    "p999": ("99.9th percentile", "99.9th percentile"),
    "max": ("Maximum", "longest"),
}
"""By point of a distribution: its name in a definition, and on the page."""


_WAIT: Final = Floor(0.02, 0.05)
"""Of what somebody waits for: 20 ms, or a twentieth."""


def _percentiles(
    family: str, points: tuple[str, ...], label: str, quantity: str, floor: Floor, *, needs: Needs = ""
) -> Iterator[Metric]:
    for point in points:
        defined, shown = _POINTS[point]
        yield Metric(
            f"{family}_{point}_s",
            f"{label}: {shown}",
            "seconds",
            f"{defined} of {quantity}.",
            unit="s",
            better="lower",
            needs=needs,
            floor=floor,
        )


ROWS: Final = (
    Metric(
        "offered",
        "Calls offered",
        "count",
        "Calls intended.",
        unit="calls",
    ),
    Metric(
        "goodput",
        "Good calls",
        "share",
        "Calls that are ok and ended within the load's deadline (else its objective_wait) of their "
        "intended time ÷ calls offered, also those that were never started.",
        better="higher",
        floor=Floor(0.02),
    ),
    Metric(
        "amplification",
        "Attempts per call",
        "ratio",
        "Attempts that reached the server ÷ steps with at least one of them; a call has one step, unless it makes "
        "several different requests.",
        better="lower",
        floor=Floor(0.05),
    ),
    Metric(
        "client_amplification",
        "Attempts per call, as the client counts",
        "ratio",
        "Attempts that the client made ÷ steps with at least one of them; it also counts those that never arrived.",
        better="lower",
        floor=Floor(0.05),
    ),
    Metric(
        "steps_per_call",
        "Different requests per call (steps)",
        "ratio",
        "Steps ÷ calls with at least one: requests of one call with different bodies, as an agent makes them.",
    ),
    Metric(
        "load_factor",
        "Attempts arriving per call due",
        "ratio",
        "Attempts arriving in the phase ÷ calls intended in it (times steps per call, where calls have several).",
        better="lower",
        floor=Floor(0.05),
    ),
    Metric(
        "peak_amplification",
        "Attempts per call, worst 5 s",
        "ratio",
        "Maximum over windows of 5 s, 1 s apart, of 1 + arrivals that are retries ÷ calls intended in "
        "the window.",
        better="lower",
        scope="overall",
        floor=Floor(0.1, 0.05),
    ),
    Metric(
        "retry_yield",
        "Retries that led to a good call",
        "share",
        "Calls that were good after a retry ÷ retries.",
        better="higher",
        floor=Floor(0.05),
    ),
    Metric(
        "wasted_work",
        "Provider's work wasted",
        "share",
        "1 - tokens billed for the answers delivered to good calls ÷ all tokens billed, prompts included.",
        better="lower",
        floor=Floor(0.02),
    ),
    Metric(
        "time_to_recover_s",
        "Time to recover after the fault",
        "seconds",
        "From the end of the last faulty phase to the change point from which on calls are as good as before "
        "the first one; a lower bound where it never came; over repeats the median, where never is infinite.",
        better="lower",
        unit="s",
        scope="overall",
        needs="faults",
        floor=Floor(1.0, 0.05),
    ),
    Metric(
        "recovered",
        "Recovered",
        "truth",
        "Whether the goodput from there on is that of before: at least 0.9 of it, and not below 0.95 of it at 1 % "
        "(exact binomial test); null where too few calls tell; over repeats, whether it did in all of them.",
        better="higher",
        scope="overall",
        needs="faults",
        floor=Floor(0.05),
    ),
    Metric(
        "recovered_fraction",
        "Repeats that recovered",
        "share",
        "Share of the repeats that recovered.",
        better="higher",
        scope="repeats",
        needs="faults",
        floor=Floor(0.05),
    ),
    Metric(
        "recovery_window_s",
        "Window over which recovery was judged",
        "seconds",
        "From the change point to the end of the phases: at least 15 s and 20 calls.",
        unit="s",
        scope="overall",
        needs="faults",
    ),
    Metric(
        "recovery_observed_s",
        "Observed after the fault",
        "seconds",
        "How long was observed after the last faulty phase: where time_to_recover_s is censored.",
        unit="s",
        scope="overall",
        needs="faults",
    ),
    Metric(
        "metastable",
        "Overload sustains itself (metastable)",
        "truth",
        "Whether the overload sustains itself: unrecovered at the end, at least two fault lengths "
        "observed, the provider's parameters restored, intended load at most 0.9 of its capacity, and in "
        "the last third load_factor ≥ 1.2 or wasted_work ≥ 0.3 with the queue not falling; null if "
        "observed for less.",
        better="lower",
        scope="overall",
        needs="faults",
        floor=Floor(0.05),
    ),
    Metric(
        "draining",
        "Still draining at the end",
        "truth",
        "Whether a run that is unrecovered and was observed for long enough is not metastable.",
        better="lower",
        scope="overall",
        needs="faults",
        floor=Floor(0.05),
    ),
    Metric(
        "retry_after_violations",
        "Retry-After promises broken",
        "share",
        "Retry-After promises broken ÷ promises followed by another attempt of the same call at the same "
        "region, key and model; a promise runs from the last byte of the refusal, 50 ms are tolerated.",
        better="lower",
        floor=Floor(0.02),
    ),
    Metric(
        "retry_synchrony",
        "Retries coming in crowds (1 is chance)",
        "ratio",
        "Retry arrivals in bins of 100 ms, over blocks of 2 s with at least 20 of them: sum of the "
        "sample variances ÷ sum of the means. 1 is what independent clients give; null below 5 blocks.",
        better="lower",
        scope="overall",
        floor=Floor(0.5, 0.1),
    ),
    *_percentiles(
        "latency", _ALL, "Latency of answered calls", "intended time to end, calls that are ok", _WAIT
    ),
    *_percentiles(
        "wait",
        _ALL,
        "Wait of users, answered or not",
        "intended time to answer or giving up, all calls: what a user waits",
        _WAIT,
    ),
    *_percentiles(
        "service",
        _ALL,
        "Service time alone (not what users wait)",
        "first request sent to end, calls that are ok: what coordinated omission would show",
        _WAIT,
    ),
    *_percentiles(
        "ttft",
        _ALL,
        "Wait for the first content",
        "intended time to first content, streamed calls that got one",
        _WAIT,
        needs="stream",
    ),
    *_percentiles(
        "inter_token",
        _ALL,
        "Pause between contents",
        "the pauses between contents of streamed calls",
        Floor(0.005, 0.05),
        needs="stream",
    ),
    *_percentiles(
        "hang",
        ("p50", "p99", "max"),
        "Hanging in a stall before giving up",
        "last content (else sending) to giving up, attempts that met a stall and were given up",
        _WAIT,
    ),
    *(
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
    ),
    Metric(
        "slots_used",
        "Provider's slots in use",
        "share",
        "Mean number of calls that the provider answers at the same time ÷ its slots.",
    ),
    Metric(
        "deadline_overruns",
        "Calls over the client's own deadline",
        "count",
        "Calls whose wait exceeded the client's own declared deadline by more than 250 ms.",
        better="lower",
        unit="calls",
        floor=Floor(1.0, 0.05),
    ),
    Metric(
        "own_model_answers",
        "Calls that the application's own model answered",
        "share",
        "Calls that fell back to a model of the application's own and were answered by it ÷ calls offered. They count "
        "as good, whatever that model's answers are worth; absent where there are none.",
    ),
    Metric(
        "silent_corruption",
        "Broken answers taken for success",
        "share",
        "Calls that are corrupt ÷ calls that the client took for success.",
        better="lower",
        floor=Floor(0.002),
    ),
    Metric(
        "error_budget_burn",
        "Error budget burnt",
        "ratio",
        "(1 - goodput) ÷ (1 - the scenario's objective).",
        better="lower",
        floor=Floor(0.5, 0.05),
    ),
    Metric(
        "connection_churn",
        "New connections per attempt",
        "ratio",
        "Connections whose first request is among the attempts ÷ attempts, as the server saw them.",
        better="lower",
        floor=Floor(0.02),
    ),
    Metric(
        "connections_peak",
        "Connections open at most",
        "count",
        "Connections open at the same time, at most.",
        better="lower",
        unit="connections",
        scope="overall",
        floor=Floor(1.0, 0.05),
    ),
    Metric(
        "connections_leaked",
        "Connections lost to the client",
        "count",
        "Open connections with an answer that was not read to its end, which can neither be used again nor return to "
        "their pool: by the client's pools, 2 s after the last call ended, after a garbage collection. In cells of ten "
        "minutes or more also those that a client holds for longer than its longest call, looked at every minute: the "
        "most at once. By the server's view "
        "alone null.",
        better="lower",
        unit="connections",
        scope="overall",
        floor=Floor(0.5),
    ),
    Metric(
        "connections_idle",
        "Connections kept for reuse",
        "count",
        "Open connections that are idle and whole in the client's pools, at the same moment.",
        unit="connections",
        scope="overall",
    ),
    Metric(
        "connecting_share",
        "Time spent on connecting",
        "share",
        "DNS, connecting and TLS handshakes of all attempts ÷ time from beginning to end of all attempts. Null where "
        "the client's library does not show when it connects.",
        better="lower",
        floor=Floor(0.02),
    ),
    Metric(
        "stale_connections",
        "Attempts lost with a dead connection",
        "share",
        "Attempts that were sent on a connection that was there already, met its end or a reset before any answer, and "
        "of which the server has no record ÷ attempts. Null where the client's library does not show when it connects.",
        better="lower",
        floor=Floor(0.002),
    ),
    *_percentiles(
        "pool_wait",
        ("p50", "p95", "p99"),
        "Wait for a connection of the own pool",
        "beginning of an attempt to a connection, or to giving up, attempts",
        _WAIT,
    ),
    *_percentiles(
        "stop_lag",
        ("p50", "p99"),
        "From stopping to the server noticing",
        "the client stopping an attempt to the server seeing it",
        Floor(0.01, 0.05),
    ),
    Metric(
        "tokens_after_stop",
        "Tokens billed after stopping",
        "count",
        "Output tokens billed for attempts that the client left, beyond those generated until then.",
        better="lower",
        unit="tokens",
        floor=Floor(50.0, 0.05),
    ),
    Metric(
        "false_timeouts",
        "Timeouts that were too early",
        "count",
        "Attempts that a timeout of the client ended although it would have had more of its answer within the load's "
        "deadline.",
        better="lower",
        unit="attempts",
        floor=Floor(1.0, 0.05),
    ),
    Metric(
        "false_timeout_cost_usd",
        "Cost of timeouts that were too early",
        "usd",
        "Tokens billed for such attempts × the scenario's prices.",
        better="lower",
        unit="USD",
        needs="prices",
        floor=Floor(share=0.05),
    ),
    Metric(
        "duplicate_effects",
        "Side effects executed twice",
        "count",
        "Calls whose side effect was executed more than once.",
        better="lower",
        unit="calls",
        floor=Floor(0.5),
    ),
    Metric(
        "cost_usd",
        "Cost",
        "usd",
        "All tokens billed × the scenario's prices.",
        better="lower",
        unit="USD",
        needs="prices",
        floor=Floor(share=0.05),
    ),
    Metric(
        "cost_useful_usd",
        "Cost of the good calls",
        "usd",
        "Tokens billed for the answers delivered to good calls × the scenario's prices.",
        unit="USD",
        needs="prices",
    ),
    Metric(
        "gateway_certainty",
        "Requests behind the gateway that are tied to their call",
        "share",
        "Requests that reached the provider and named their call ÷ all of them. Below 90 % the other figures of the "
        "gateway are not known.",
        needs="gateway",
    ),
    Metric(
        "gateway_amplification",
        "Requests behind the gateway per attempt of the client",
        "ratio",
        "Requests that reached the provider ÷ attempts that the client sent to the gateway. Times client_amplification "
        "it is what the provider sees of a call.",
        better="lower",
        needs="gateway",
        floor=Floor(0.05),
    ),
    Metric(
        "gateway_orphans",
        "Requests behind the gateway that nobody waited for",
        "count",
        "Requests that went on for over 0.25 s when no attempt of their call was open any more, or that began then; "
        "and whole answers that no attempt of their call received.",
        unit="requests",
        better="lower",
        needs="gateway",
        floor=Floor(0.5),
    ),
    Metric(
        "gateway_retry_after_kept",
        "Retry-After that came through the gateway",
        "share",
        "Attempts that were refused and told the wait that the provider had promised (within 1 s) ÷ attempts refused "
        "where the last request behind them was promised one.",
        better="higher",
        needs="gateway",
        floor=Floor(0.02),
    ),
    Metric(
        "gateway_failover_s",
        "Time to failover",
        "seconds",
        "From the start of a faulty phase whose rules name regions, one of them in use before, to the end of the first "
        "good call that another region answered; the longest, where there are several. If there is none, at least the "
        "phase.",
        unit="s",
        better="lower",
        scope="overall",
        needs="gateway",
        floor=Floor(0.5, 0.05),
    ),
    Metric(
        "gateway_corruption",
        "Answers that the gateway spoilt",
        "count",
        "Calls that took a wrong answer for a success although the provider's was whole and without a fault, or the "
        "gateway left it, or the provider broke it off and the gateway ended it as a whole one.",
        unit="calls",
        better="lower",
        needs="gateway",
        floor=Floor(0.5),
    ),
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
