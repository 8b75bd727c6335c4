"""What a gateway between client and provider adds and loses: attempts before it against requests behind it.

    call ─► client's attempts (the attempts table) ─► gateway ─► requests of that call (the served table)

Both are tied by the call's id. Within a call an attempt and a request belong together by time: a request that arrives
while an attempt is open was made for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.read.outcomes import Bools

CERTAIN: Final = 0.9
"""Below this share of requests that are tied to calls, no figure of the gateway is known."""
NOTICED_S: Final = 0.25
"""How soon a gateway is expected to notice that its client has left."""
SAME_WAIT_S: Final = 1.0
"""A wait may be told so much longer or shorter: whole seconds are usual."""
CUT: Final = ("abort", "close", "cut", "failed")
"""Endings of an answer that the mock broke off."""

_EPSILON_S: Final = 0.02


def certainty(cohort: Cohort) -> Result:
    if not _has_gateway(cohort):
        return ABSENT
    return cohort.once(_tied)


def _has_gateway(cohort: Cohort) -> bool:
    return bool(cohort.judged.cell.plan.get("gateway"))


def _tied(cohort: Cohort) -> float | None:
    """The share of requests of the cohort's time that named their call."""
    served = cohort.judged.served[["arrived_s", "identity"]]
    inside = served[served["arrived_s"].between(cohort.start_s, cohort.end_s, inclusive="left")]
    return ratio(int((inside["identity"] == "header").sum()), len(inside))


def _unknown(cohort: Cohort) -> Result:
    """ABSENT, or a figure without a value, where nothing can be said; otherwise None."""
    if not _has_gateway(cohort) or (cohort.judged.attempts.empty and not cohort.judged.served.empty):
        return ABSENT
    tied = cohort.once(_tied)
    if tied is not None and tied < CERTAIN:
        reason = f"only {tied:.0%} of the requests behind the gateway say which call they are of"
        return Figure(None, reason=reason)
    return None


def amplification(cohort: Cohort) -> Result:
    unknown = _unknown(cohort)
    if unknown is not None:
        return unknown
    sent = int(cohort.attempts["sent_s"].notna().sum())
    return ratio(len(cohort.served), sent)


def orphans(cohort: Cohort) -> Result:
    unknown = _unknown(cohort)
    return len(cohort.served) - int(cohort.once(_wanted).sum()) if unknown is None else unknown


def _requests(cohort: Cohort) -> pd.DataFrame:
    """The requests of the cohort, with when the mock's side of the wire was over."""
    names = ["call", "arrived_s", "last_byte_s", "ended_s", "abandoned", "abandoned_at_s", "status"]
    names += ["ending", "retry_after_promised_s"]
    found = cohort.served[names].reset_index(drop=True)
    left = found["abandoned_at_s"].where(found["abandoned"])
    found["over_s"] = left.fillna(found["last_byte_s"]).fillna(found["ended_s"])
    return found


def _attempts(cohort: Cohort) -> pd.DataFrame:
    """The client's attempts of the cohort. One that never ended is open for ever."""
    found = cohort.attempts[["call", "started_s", "ended_s", "status", "retry_after_s"]].reset_index(
        drop=True
    )
    found["ended_s"] = found["ended_s"].fillna(np.inf)
    return found


def _wanted(cohort: Cohort) -> Bools:
    """Which requests somebody waited for to their end, and whose answer, if it is whole, somebody got."""
    requests, attempts = cohort.once(_requests), cohort.once(_attempts)
    pairs = requests[["call", "arrived_s", "over_s"]].reset_index().merge(attempts, on="call")
    open_ = (pairs["started_s"] <= pairs["arrived_s"] + _EPSILON_S) & (
        pairs["ended_s"] >= pairs["over_s"] - NOTICED_S
    )
    wanted = np.zeros(len(requests), dtype=bool)
    wanted[pairs["index"][open_].unique()] = True
    whole = (
        wanted & requests["status"].between(200, 299).to_numpy() & (requests["ending"] == "end").to_numpy()
    )
    heard = attempts[attempts["status"].between(200, 299)].groupby("call").size()
    rank = requests[whole].groupby("call").cumcount()
    known = requests["call"][whole].map(heard).fillna(0)
    wanted[rank.index[(rank >= known).to_numpy()]] = False
    return wanted


def retry_after_kept(cohort: Cohort) -> Result:
    unknown = _unknown(cohort)
    if unknown is not None:
        return unknown
    requests, attempts = cohort.once(_requests), cohort.once(_attempts)
    refused = attempts[attempts["status"] >= 400].reset_index()
    pairs = refused.merge(requests, on="call", suffixes=("", "_behind"))
    inside = (pairs["arrived_s"] >= pairs["started_s"] - _EPSILON_S) & (
        pairs["arrived_s"] <= pairs["ended_s"] + _EPSILON_S
    )
    last = pairs[inside].sort_values("over_s", kind="stable").groupby("index").tail(1)
    promised = last[last["retry_after_promised_s"].notna()]
    if promised.empty:
        return Figure(None, reason="no attempt was refused whose request had been promised a wait")
    same = (promised["retry_after_s"] - promised["retry_after_promised_s"]).abs() <= SAME_WAIT_S
    return ratio(int(same.sum()), len(promised))


def corruption(cohort: Cohort) -> Result:
    unknown = _unknown(cohort)
    if unknown is not None:
        return unknown
    bad = cohort.calls[(cohort.calls["outcome"] == "corrupt") & (cohort.calls["answer"] >= 0)]
    answers = cohort.judged.served[["faults", "ending", "abandoned"]].iloc[bad["answer"].to_numpy()]
    healthy = (answers["faults"] == "").to_numpy() & (answers["ending"] == "end").to_numpy()
    left = answers["abandoned"].to_numpy(dtype=bool)
    cut = answers["ending"].isin(CUT).to_numpy()
    read = cohort.attempts[["call", "status", "error_type"]]
    unbroken = read["status"].between(200, 299) & (read["error_type"].fillna("") == "")
    framed = bad.index.isin(read["call"][unbroken].unique())
    return int((healthy | left | (cut & framed)).sum())


def failover(cohort: Cohort) -> Result:
    """The longest over the faulty phases in which a region that was in use goes down; ABSENT if none does."""
    unknown = _unknown(cohort)
    if unknown is not None:
        return unknown
    found = [_until_another(cohort, *down) for down in _downs(cohort)]
    waits = [one for one in found if one is not None]
    if not waits:
        return ABSENT
    return max(waits, key=lambda one: (one.censored, one.value or 0.0))


def _downs(cohort: Cohort) -> Iterator[tuple[frozenset[str], float, float]]:
    """Which regions go down when, and until when, by the plan: those that the rules of a faulty phase name."""
    cell = cohort.judged.cell
    plan: Mapping[str, Any] = cell.plan.get("server_plan") or {}
    for phase, about in zip(cell.phases, plan.get("phases") or [], strict=False):
        rules = [rule for rule in about.get("rules") or [] if rule]
        regions = {(rule.get("match") or {}).get("region") for rule in rules}
        overrides = (about.get("provider") or {}).get("regions") or {}
        named = frozenset(str(name) for name in (*regions, *overrides) if name)
        if phase.faulty and named and None not in regions:
            yield named, phase.start_s, phase.end_s


def _until_another(cohort: Cohort, regions: frozenset[str], start_s: float, end_s: float) -> Figure | None:
    """From `start_s` to the end of the first good call that another region answered; None if none of these was used."""
    served, calls = cohort.judged.served, cohort.calls
    before = served[["region", "arrived_s"]]
    used = before["region"].isin(regions) & before["arrived_s"].between(start_s - (end_s - start_s), start_s)
    if not used.any():
        return None
    good = calls[calls["good"] & (calls["answer"] >= 0)]
    answers = served[["region", "arrived_s"]].iloc[good["answer"].to_numpy()]
    another = ~answers["region"].isin(regions).to_numpy() & (answers["arrived_s"] >= start_s).to_numpy()
    another &= (good["ended_s"] <= end_s).to_numpy()
    if not another.any():
        return Figure(end_s - start_s, censored=True)
    return Figure(float(good["ended_s"][another].min() - start_s))
