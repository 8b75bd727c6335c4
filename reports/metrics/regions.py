"""What one client had of each region: how long connecting and answers took, and how its requests fared there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.times import Samples, quantile
from windtunnel.reports.metrics.timing import connecting_s
from windtunnel.reports.read.columns import marked
from windtunnel.reports.read.outcomes import Bools, Judged

GIVEN_UP = "Timeout|Cancelled|GreenletExit"
"""In the names of errors of an attempt that its client gave up."""

REFUSED = 400
"""The least status that is a refusal."""


@dataclass(frozen=True, slots=True)
class RegionCounts:
    """How a client fared with a region, within the phases.

    `requests` arrived there, so many per second on the mean; `refused` of them had an error status, `broken` no whole
    answer otherwise. `unsent` attempts got no connection. Of `calls` that the region answered, or that were tried there
    last, `good` were good; `p95_s` is the 95th percentile of what those waited. `connections` were opened (None: not
    recorded).
    """

    requests: int
    per_second: float
    refused: int
    broken: int
    unsent: int
    calls: int
    good: int
    p95_s: float | None
    connections: int | None


@dataclass(frozen=True, slots=True, eq=False)
class RegionTimes:
    """Durations in seconds; those that were given up are `cut`: they would have been longer.

    `connect` is of new connections (look-up, TCP and TLS), `answer` from the request's last byte to the head of the
    answer, `call` from the planned start of a call to its good end (cut: it had none). What was refused or broken off
    before anybody gave it up is in neither of the first two.
    """

    connect: Samples
    answer: Samples
    call: Samples


def regions_of(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """The regions of a cell's provider, in order; none unless there are several of them, or links to them."""
    provider = plan.get("server_plan", {}).get("provider") or {}
    regions: Mapping[str, Any] = provider.get("regions") or {}
    several = len(regions) > 1 or any((region or {}).get("link") for region in regions.values())
    return tuple(regions) if several else ()


def region_counts(judged: Judged, regions: Sequence[str]) -> tuple[RegionCounts, ...]:
    """How the client of a cell fared with each of `regions`."""
    served = judged.served[["call", "region", "status", "last_byte_s", "abandoned"]]
    served = served[(served["call"] >= 0).to_numpy()]
    attempts = judged.attempts[["call", "region", "sent_s"]]
    attempts = attempts[(attempts["call"] >= 0).to_numpy()]
    calls = judged.calls[judged.calls["judged"]]
    length = max(judged.end_s - judged.cell.start_s, 1e-9)
    return tuple(_counts(judged, name, served, attempts, calls, length) for name in regions)


def _counts(
    judged: Judged,
    name: str,
    served: pd.DataFrame,
    attempts: pd.DataFrame,
    calls: pd.DataFrame,
    length: float,
) -> RegionCounts:
    here = served[(served["region"] == name).to_numpy()]
    refused = (here["status"] >= REFUSED).to_numpy()
    whole = (here["status"].notna() & here["last_byte_s"].notna() & ~here["abandoned"]).to_numpy()
    own = calls[(calls["region"] == name).to_numpy()]
    good = own[own["good"]]
    tried = attempts[(attempts["region"] == name).to_numpy()]
    return RegionCounts(
        requests=len(here),
        per_second=len(here) / length,
        refused=int(refused.sum()),
        broken=int((~whole & ~refused).sum()),
        unsent=int(tried["sent_s"].isna().sum()),
        calls=len(own),
        good=len(good),
        p95_s=quantile(good["wait_s"].to_numpy(dtype=float), 0.95),
        connections=_opened(judged, name),
    )


def _opened(judged: Judged, name: str) -> int | None:
    connections = judged.cell.connections
    if connections is None or "region" not in connections:
        return None
    here = connections[(connections["region"] == name).to_numpy()]
    return int(here["opened_s"].between(judged.cell.start_s, judged.cell.end_s, inclusive="left").sum())


def region_times(judged: Judged, regions: Sequence[str]) -> tuple[RegionTimes, ...]:
    """How long the parts of calls took that depend on the region, for each of `regions`."""
    names = ["call", "region", "connected_s", "dns_s", "connect_s", "tls_s", "sent_s", "headers_s", "ended_s"]
    names += ["error_type", "error_cause"]
    attempts = judged.attempts[names]
    attempts = attempts[(attempts["call"] >= 0).to_numpy()]
    calls = judged.calls[judged.calls["judged"]]
    return tuple(
        _times(attempts[(attempts["region"] == name).to_numpy()], calls[(calls["region"] == name).to_numpy()])
        for name in regions
    )


def _times(attempts: pd.DataFrame, calls: pd.DataFrame) -> RegionTimes:
    given_up = gave_up(attempts)
    connecting = pd.Series(connecting_s(attempts), index=attempts.index)
    unsent, silent = attempts["sent_s"].isna(), attempts["headers_s"].isna()
    headers = attempts["headers_s"].fillna(attempts["ended_s"])
    return RegionTimes(
        connect=Samples.of(connecting[~unsent | given_up], unsent[~unsent | given_up]),
        answer=Samples.of((headers - attempts["sent_s"])[~silent | given_up], silent[~silent | given_up]),
        call=Samples.of(calls["wait_s"].fillna(np.inf), ~calls["good"]),
    )


def gave_up(attempts: pd.DataFrame) -> Bools:
    """Which attempts ended because their client did not wait any longer, by the names of their errors."""
    marks = [marked(attempts[name].array, GIVEN_UP) for name in ("error_type", "error_cause")]
    return np.logical_or(*marks)
