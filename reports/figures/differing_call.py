"""The call that shows best how B differs from A: the same arrival, played by both with one seed.

cell of A ─► judged ┐
                    ├─► calls, one beside the other by their place in the schedule ─► the one that differs most
cell of B ─► judged ┘
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import load_cell, open_run

WAITS: Final = frozenset({"recovered", "recovered_fraction", "metastable", "draining", "time_to_recover_s"})
GOOD: Final = frozenset({"goodput", "error_budget_burn", "silent_corruption", "retry_yield"})
ANSWERED: Final = ("latency_", "service_", "ttft_", "inter_token_")
"""Families over calls that were answered: a call that shows one was answered by both."""
FAR: Final = 1e6
"""More than any wait: so much more does a lost call weigh than a long one."""


@dataclass(frozen=True, slots=True)
class CallSide:
    """What a call came to with one client: outcome, seconds from its intended time to answer or giving up, attempts."""

    outcome: str
    wait_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class DifferingCall:
    """A call with both clients."""

    call_id: str
    a: CallSide
    b: CallSide


class TwoCells:
    """The cells of A and B with one seed. Their schedules are one: both have every call at the same place."""

    def __init__(self, run_dir: Path, a: str, b: str, repeat: int) -> None:
        plan = open_run(run_dir)
        cells = {entry["client"]: entry for entry in plan["cells"] if entry["repeat"] == repeat}
        self._judged = tuple(judge(load_cell(run_dir, plan, cells[client])) for client in (a, b))
        self._names = [phase.name for phase in self._judged[0].cell.phases]
        self._folder = run_dir / cells[a]["dir"]
        self._tries = tuple(_tries(judged) for judged in self._judged)

    def most(self, metric: str, phase: str | None, *, sign: float) -> DifferingCall | None:
        """The call that differs most in what `metric` is about. `sign`: 1 where B has more of it, -1 where less.

        None where there is no such call, or the cells do not have the same calls.
        """
        a, b = self._judged[0].calls, self._judged[1].calls
        if len(a) != len(b) or a.empty:
            return None
        more = self._more(metric, sign)
        both = ((a["outcome"] == "ok") & (b["outcome"] == "ok")).to_numpy()
        if metric.startswith(ANSWERED) and both.any():
            more = np.where(both, more, -np.inf)
        if phase is not None:
            more = np.where((a["phase_i"] == self._names.index(phase)).to_numpy(), more, -np.inf)
        place = int(np.argmax(more))
        return None if not np.isfinite(more[place]) else DifferingCall(self._id(place), *self._sides(place))

    def _more(self, metric: str, sign: float) -> npt.NDArray[np.float64]:
        """By how much each call differs, in the direction in which the metric does."""
        a, b = self._judged[0].calls, self._judged[1].calls
        wait = np.asarray(b["wait_s"] - a["wait_s"], dtype=float)
        if metric in GOOD:
            worse = -sign if METRICS[metric].better == "higher" else sign
            kind = "corrupt" if metric == "silent_corruption" else ""
            bad_a, bad_b = (_bad(calls, kind) for calls in (a, b))
            return np.asarray(worse * (FAR * (bad_b - bad_a) + np.nan_to_num(wait)))
        if METRICS[metric].kind == "seconds" or metric in WAITS:
            return np.asarray(np.nan_to_num(wait if metric in WAITS else sign * wait, nan=-np.inf))
        tries = (self._tries[1] - self._tries[0]).astype(float)
        return np.asarray(sign * (FAR * tries + np.nan_to_num(wait)))

    def _sides(self, place: int) -> tuple[CallSide, CallSide]:
        one, other = (
            CallSide(
                outcome=str(judged.calls["outcome"].iloc[place]),
                wait_s=float(judged.calls["wait_s"].iloc[place]),
                attempts=int(tries[place]),
            )
            for judged, tries in zip(self._judged, self._tries, strict=True)
        )
        return one, other

    def _id(self, place: int) -> str:
        """The id of the call at a place: judged calls keep numbers in place of ids."""
        schedule = pd.read_parquet(self._folder / "schedule.parquet", columns=["call_id", "intended_s"])
        cell = self._judged[0].cell
        inside = schedule["intended_s"].between(cell.start_s, cell.end_s, inclusive="left")
        return str(schedule[inside].sort_values("intended_s", kind="stable")["call_id"].iloc[place])


def _tries(judged: Judged) -> npt.NDArray[np.int64]:
    """Attempts of each call: as the client counts, or, of a client that nobody can look into, as the server does."""
    table = judged.served if judged.attempts.empty else judged.attempts
    call = np.asarray(table.array("call"), dtype=np.int64)
    return np.bincount(call[call >= 0], minlength=len(judged.calls))


def _bad(calls: pd.DataFrame, kind: str) -> npt.NDArray[Any]:
    bad = (calls["outcome"] == kind) if kind else ~calls["good"]
    return bad.to_numpy(dtype=float)
