"""What happened when: a cell's course on an even grid of time, for charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Judged

Floats: TypeAlias = npt.NDArray[np.floating]


def cell_series(judged: Judged, step_s: float = 0.5) -> pd.DataFrame:
    """The course of one cell from t0 to the end of the last phase; a row per bin [t_s, t_s + step_s).

    Per second: `offered` (calls intended), `arrivals` (attempts that reached the server), `retries` (those
    with an ordinal above 0), `good` (good calls, when they ended) and `good_intended` (when they were
    intended). `amplification` is 1 + retries ÷ offered, null where nothing was offered. `in_flight` (being
    served) and `queue_depth` (waiting for a slot) are counts at the middle of the bin. Attempts of the
    warm-up and the tail count where they fall into the phases: the provider feels them too.
    """
    cell = judged.cell
    bins = max(1, int(np.ceil((cell.end_s - cell.start_s) / step_s - 1e-9)))
    edges = cell.start_s + step_s * np.arange(bins + 1)
    served, calls = judged.served, judged.calls
    good = calls[calls["good"]]
    arrived = served["arrived_s"].to_numpy(dtype=float)
    again = served["attempt"].to_numpy(dtype=float) > 0
    offered = _per_bin(calls["intended_s"], edges)
    retries = _per_bin(arrived[again], edges)
    middle = edges[:-1] + step_s / 2
    waiting, working = _occupancy(served, middle)
    return pd.DataFrame(
        {
            "t_s": edges[:-1],
            "offered": offered / step_s,
            "arrivals": _per_bin(arrived, edges) / step_s,
            "retries": retries / step_s,
            "good": _per_bin(good["ended_s"], edges) / step_s,
            "good_intended": _per_bin(good["intended_s"], edges) / step_s,
            "amplification": np.where(offered > 0, 1 + retries / np.maximum(offered, 1), np.nan),
            "in_flight": working,
            "queue_depth": waiting,
        }
    )


def mean_series(repeats: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean course over the repeats of a client: the same columns as `cell_series`."""
    return pd.concat(list(repeats)).groupby("t_s", as_index=False).mean()


def _per_bin(times: npt.ArrayLike | pd.Series[float], edges: Floats) -> Floats:
    """How many of `times` fall into each bin [edge, next edge)."""
    ordered = np.sort(np.asarray(times, dtype=float))
    return np.diff(np.searchsorted(ordered, edges, side="left")).astype(float)


def _occupancy(served: Records, at: Floats) -> tuple[Floats, Floats]:
    """How many requests wait for a slot, and how many are being served, at each moment of `at`.

    A request that never took a slot waited only if it was neither refused (it has a status) nor the victim of
    a fault before the queue; then until it was over.
    """
    started = served["started_s"]
    queued = started.notna() | (served["status"].isna() & (served["faults"] == ""))
    arrived = served["arrived_s"][queued]
    left = started.fillna(served["ended_s"])[queued]
    working = served[started.notna()]
    return _between(arrived, left, at), _between(working["started_s"], working["ended_s"], at)


def _between(begins: pd.Series[float], ends: pd.Series[float], at: Floats) -> Floats:
    """How many intervals [begin, end) hold each moment; one without an end lasts."""
    begun = np.searchsorted(np.sort(begins.to_numpy()), at, side="right")
    over = np.searchsorted(np.sort(ends.dropna().to_numpy()), at, side="right")
    return (begun - over).astype(float)
