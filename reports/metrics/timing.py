"""What a call's time goes into: the client's own holding back, earlier tries, the way to a connection, the answer.

intended ─ held ─► first try ─ earlier ─► the try that delivered ─ pool ─ dns ─ connect ─ tls ─► the request leaves
─ wait ─► head of the answer ─ first_token ─► first content ─ tokens ─► end
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Floats, Judged, keys

PARTS: Final = ("held", "earlier", "pool", "dns", "connect", "tls", "wait", "first_token", "tokens")
"""The parts in their order in time."""

CONNECTING: Final = ("dns", "connect", "tls")
"""Those that a connection which is there already would have saved."""

_DURATIONS: Final = {"pool": "pool_wait_s", "dns": "dns_s", "connect": "connect_s", "tls": "tls_s"}
_READ: Final = ["call", "served_id", "started_s", *_DURATIONS.values(), "headers_s", "region"]


def that_connect(attempts: Records) -> Records:
    """Those of a cell's attempts that connect, well or in vain: of many attempts usually a few."""
    return attempts.part(attempts["connect_s"].notna().to_numpy())


def connecting_s(attempts: Records | pd.DataFrame) -> Floats:
    """How long each attempt connected, look-up and TLS handshake included; null where it did not, or nobody saw it."""
    known = [attempts[_DURATIONS[part]].to_numpy(dtype=float) for part in CONNECTING]
    took = np.nansum(known, axis=0)
    took[np.isnan(known).all(axis=0)] = np.nan
    return np.asarray(took, dtype=float)


def time_parts(judged: Judged) -> pd.DataFrame:
    """The parts of every good call whose delivering attempt was seen, in seconds; their sum is intended to end.

    A row per call, by its position: columns `PARTS`, and `region`, the one that answered. A part that a library does
    not show is in the one behind it: 0. An answer whose first content nobody saw has all of its body in `tokens`.
    """
    calls = judged.calls[(judged.calls["good"] & (judged.calls["answer"] >= 0)).to_numpy()]
    delivered = keys(judged.served, "served_id")[calls["answer"].to_numpy()]
    tried = judged.attempts[_READ]
    tried = tried[(tried["call"] >= 0).to_numpy()]
    first = tried.groupby("call", sort=False)["started_s"].min()
    wanted = pd.DataFrame({"call": calls.index.to_numpy(), "served_id": delivered})
    found = wanted.merge(tried, on=["call", "served_id"]).drop_duplicates("call", keep="last")
    found = found.set_index("call")
    calls = calls.loc[found.index]
    began = first.loc[found.index]
    parts = pd.DataFrame({"held": began - calls["intended_s"], "earlier": found["started_s"] - began})
    for part, column in _DURATIONS.items():
        parts[part] = found[column].fillna(0.0)
    leaves = found["started_s"] + parts[list(_DURATIONS)].sum(axis=1)
    seen = calls["first_token_s"].where(calls["first_token_s"] >= found["headers_s"], found["headers_s"])
    parts["wait"] = found["headers_s"] - leaves
    parts["first_token"] = seen - found["headers_s"]
    parts["tokens"] = calls["ended_s"] - seen
    return parts.clip(lower=0.0).assign(region=found["region"])


def mean_parts(parts: pd.DataFrame) -> dict[str, float]:
    """The mean of each part over the calls of `parts`, in seconds; empty without calls."""
    return {part: float(parts[part].mean()) for part in PARTS} if len(parts) else {}


def around_p95(parts: pd.DataFrame) -> pd.DataFrame:
    """The calls whose time is around the 95th percentile: the twentieth of them that lies nearest to it in rank."""
    total = parts[list(PARTS)].sum(axis=1).to_numpy()
    order = np.argsort(total, kind="stable")
    half = max(1, round(len(order) / 40))
    middle = round(0.95 * (len(order) - 1)) if len(order) else 0
    return parts.iloc[np.sort(order[max(0, middle - half) : middle + half])]
