"""Metrics of time. Every percentile is taken from the raw samples, with linear interpolation between ranks.

A wait that the end of the run cut off is entered at its bound. A percentile is exact if no such value lies at or below
it, else it is a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.cohort import ABSENT, Absent, Cohort, Held, Result
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Bools, Floats, Judged

POINTS: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
STALLS: Final = frozenset(
    {"hang", "slow_headers", "slow_first_token", "stall", "stall_with_heartbeats", "open_after_done"}
)
"""The faults that are silence: an attempt that met one of them has met a stall."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples(Held):
    """Durations in seconds, none of them null; those that are `cut` were longer, nobody knows how much."""

    seconds: Floats
    cut: Bools

    @classmethod
    def of(cls, seconds: pd.Series[float], cut: pd.Series[bool] | None = None) -> Samples:
        """From columns of a frame; nulls are left out."""
        known = seconds.notna().to_numpy()
        marks = np.zeros(len(seconds), dtype=bool) if cut is None else cut.to_numpy(dtype=bool)
        return cls(seconds.to_numpy(dtype=float)[known], marks[known])


@dataclass(frozen=True, slots=True, eq=False)
class Counted(Held):
    """Durations in seconds that are too many to be held: the value at each point of POINTS; none without any."""

    at: Mapping[float, float]


_ATTEMPTS_PER_CALL = 1 << 20


def point(samples: Callable[[Cohort], Samples | Counted | Absent], name: str) -> Callable[[Cohort], Result]:
    """The metric that takes the percentile `name` (a key of POINTS) of what `samples` gives."""

    def percentile(cohort: Cohort) -> Result:
        values = cohort.once(samples)
        if isinstance(values, Absent):
            return ABSENT
        if isinstance(values, Counted):
            return Figure(values.at[POINTS[name]]) if values.at else None
        return percentile_of(values, POINTS[name])

    return percentile


def percentile_of(samples: Samples, q: float) -> Figure | None:
    """The quantile `q`, a lower bound if a cut-off value lies at or below it; null without any sample."""
    if not len(samples.seconds):
        return None
    value = float(np.quantile(samples.seconds, q))
    if not samples.cut.any():
        return Figure(value)
    upper = np.quantile(samples.seconds, q, method="higher")  # the greater of the two between which it lies
    return Figure(value, censored=bool((samples.seconds[samples.cut] <= upper).any()))


def quantile(values: Floats, q: float) -> float | None:
    """The quantile `q` of raw samples; null without any."""
    known = values[~np.isnan(values)]
    return float(np.quantile(known, q)) if len(known) else None


def latency(cohort: Cohort) -> Samples:
    ok = cohort.calls[cohort.calls["outcome"] == "ok"]
    return Samples.of(ok["ended_s"] - ok["intended_s"])


def wait(cohort: Cohort) -> Samples:
    return Samples.of(cohort.calls["wait_s"], cohort.calls["outcome"] == "unfinished")


def service(cohort: Cohort) -> Samples:
    ok = cohort.calls[cohort.calls["outcome"] == "ok"]
    first_sent = np.full(len(cohort.judged.calls), np.nan)
    np.fmin.at(
        first_sent, cohort.attempts["call"].to_numpy(), cohort.attempts["sent_s"].to_numpy(dtype=float)
    )
    sent = pd.Series(first_sent[ok.index.to_numpy()], index=ok.index, copy=False)
    return Samples.of(ok["ended_s"] - sent.fillna(ok["started_s"]))


def ttft(cohort: Cohort) -> Samples | Absent:
    if not cohort.load.get("stream"):
        return ABSENT
    if has_whole_answers_alone(cohort.judged):
        return ABSENT
    streamed = cohort.calls[cohort.calls["stream"]]
    return Samples.of(streamed["first_token_s"] - streamed["intended_s"])


def has_whole_answers_alone(judged: Judged) -> bool:
    """Whether nobody saw the first content of any call that succeeded: a callable that returns whole text, say."""
    done = judged.calls[judged.calls["client_outcome"] == "ok"]
    return not done.empty and bool(done["first_token_s"].isna().all())


def inter_token(cohort: Cohort) -> Counted | Absent:
    if not cohort.load.get("stream"):
        return ABSENT
    if has_whole_answers_alone(cohort.judged):
        return ABSENT
    phase = None if cohort.phase is None else cohort.phase.index
    return Counted(cohort.judged.gaps.quantiles(tuple(POINTS.values()), phase))


def hang(cohort: Cohort) -> Samples | Absent:
    plan = cohort.judged.cell.plan.get("server_plan", {})
    rules = [plan.get("rules"), *(phase.get("rules") for phase in plan.get("phases") or [])]
    if STALLS.isdisjoint(_words(rules)) and not _stalled(cohort.judged.served).any():
        return ABSENT
    silent = silences(cohort)
    return Samples.of(silent["silent_s"], silent["cut"])


def silences(cohort: Cohort) -> pd.DataFrame:
    """The attempts that met a stall and were given up, by `both_sides`; `silent_s` is from the last content, or from
    sending, to that."""
    pairs = cohort.once(both_sides)
    gave_up = pairs["error_type"].notna() | pairs["abandoned"]
    pairs = pairs[_stalled(pairs) & gave_up]
    last_sign = pairs["last_content_s"].fillna(pairs["sent_s"]).fillna(pairs["started_s"])
    return pairs.assign(silent_s=pairs["ended_s"] - last_sign)


def stop_lag(cohort: Cohort) -> Samples:
    pairs = cohort.once(both_sides)
    pairs = pairs[pairs["abandoned"] & ~pairs["cut"]]
    return Samples.of((pairs["abandoned_at_s"] - pairs["ended_s"]).clip(lower=0))


def both_sides(cohort: Cohort) -> pd.DataFrame:
    """The client's attempts with what the server saw of them, of calls that met a stall or left: matched by call and
    the client's own number.

    A served row without that number is matched by its ordinal. `cut`: the end of the run ended the attempt.
    """
    attempts, served = cohort.attempts, cohort.served
    told = np.zeros(len(cohort.judged.calls), dtype=bool)
    told[served["call"][served["abandoned"] | _stalled(served)].to_numpy()] = True
    served, attempts = (one.part(told[one["call"].to_numpy()]) for one in (served, attempts))
    seen = served[["faults", "abandoned", "abandoned_at_s"]]
    numbers = served["client_attempt"].fillna(served["attempt"]).astype("int64")
    seen = seen.assign(pair=served["call"].astype("int64") * _ATTEMPTS_PER_CALL + numbers)
    own = attempts[["call", "attempt", "sent_s", "started_s", "ended_s", "last_content_s", "error_type"]]
    own = own.assign(pair=own["call"].astype("int64") * _ATTEMPTS_PER_CALL + own["attempt"].astype("int64"))
    unfinished = cohort.calls.index[cohort.calls["outcome"] == "unfinished"]
    last = own["attempt"] == own.groupby("call")["attempt"].transform("max")
    own["cut"] = own["call"].isin(unfinished) & last
    return own.merge(seen.drop_duplicates("pair"), on="pair")


def _stalled(served: pd.DataFrame | Records) -> pd.Series[bool]:
    stalls = [names for names in served["faults"].unique() if not STALLS.isdisjoint(names.split(","))]
    return served["faults"].isin(stalls)


def _words(part: Any) -> Iterator[str]:
    """Every string inside lists and mappings."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for element in part.values() if isinstance(part, dict) else part:
            yield from _words(element)
