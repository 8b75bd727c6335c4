"""What really became of each call, decided when the report is made.

    schedule (what was offered) ─┐
    calls (what the client saw) ─┼─► Judged: one row per offered call, with outcome and good
    served (what was meant)     ─┘            attempts and served rows point to their call

A client's `ok` is compared with the server's truth: same digest → `ok`, other digest → `corrupt`, no served
row to compare with → `unknown`. A call without a row is `unfinished`, or `unknown` where the table is damaged.
In a run that was cut off, the schedule counts up to the last heartbeat, and only calls whose deadline had passed
by then are judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from windtunnel.reports.read.run_dir import CellRecords

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.floating]
Bools: TypeAlias = npt.NDArray[np.bool_]

OUTCOMES: Final = (
    "ok",
    "corrupt",
    "incomplete",
    "error",
    "timeout",
    "deadline",
    "cancelled",
    "shed",
    "unfinished",
    "unknown",
)
"""Every outcome a call can have, from best to least known."""

CUT_ERROR: Final = "LengthFinishReasonError"
"""What the SDK's parse helpers raise on an answer that max_tokens cut."""

_ROUNDING_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell with its calls judged.

    `calls` has one row per offered call, in the order of intended time: the columns of the calls table and

    - `phase_i`: index of the phase of the intended time;
    - `outcome`: one of OUTCOMES; `client_outcome`: what the client took it for (null: no row);
    - `judged`: whether metrics may count it (always, unless the run was cut off);
    - `good`: ok, and ended within the deadline of its intended time;
    - `wait_s`: intended to answer or giving up (a lower bound where the run was cut off first);
    - `answer`: position in `served` of the answer delivered, -1 if none.

    `attempts` and `served` are the whole tables with a column `call`: the position of their call in `calls`,
    -1 for those of the warm-up, the tail and of calls that were not offered. `gaps` has columns call, gap_s.
    """

    cell: CellRecords
    calls: pd.DataFrame
    attempts: pd.DataFrame
    served: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def end_s(self) -> float:
        """Up to where intended times are judged: the last phase's end, or what the cut-off allows."""
        cell = self.cell
        patience = cell.deadline_s if math.isfinite(cell.deadline_s) else 0.0
        return max(cell.start_s, min(cell.end_s, cell.observed_s - patience))


def judge(cell: CellRecords) -> Judged:
    """Resolve every offered call of a cell against the server's truth."""
    offered = _offered(cell)
    rows = cell.calls.drop_duplicates("call_id", keep="last") if _repeats(cell.calls) else cell.calls
    row_of = positions(offered["call_id"], rows["call_id"])
    served = cell.served.assign(call=positions(cell.served["call_id"], offered["call_id"]))
    calls = _joined(offered, rows, row_of)
    calls["answer"] = _answers(calls, served)
    calls.loc[_ended_by_the_harness(cell, calls), "client_outcome"] = "unfinished"
    calls["outcome"] = _outcomes(calls, served, without_row=_without_row(cell))
    late = calls["ended_s"] - calls["intended_s"] > cell.deadline_s + _ROUNDING_S
    ended = calls["ended_s"].fillna(cell.observed_s if math.isfinite(cell.observed_s) else math.nan)
    calls["wait_s"] = ended - calls["intended_s"]
    calls["judged"] = _judged(cell, calls)
    calls["good"] = (calls["outcome"] == "ok") & ~late & calls["judged"]
    return Judged(
        cell=cell,
        calls=calls,
        attempts=cell.attempts.assign(call=positions(cell.attempts["call_id"], offered["call_id"])),
        served=served,
        gaps=_gaps(cell, rows, row_of),
    )


def positions(of: pd.Series[Any], within: pd.Series[Any]) -> Ints:
    """For each element of `of` its position in `within`, -1 where it is null or not there."""
    found = pc.index_in(_strings(of), value_set=_strings(within), skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _strings(column: pd.Series[Any]) -> pa.Array:
    array = pa.array(column, type=pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _repeats(calls: pd.DataFrame) -> bool:
    return bool(calls["call_id"].duplicated().any())


def _offered(cell: CellRecords) -> pd.DataFrame:
    """The scheduled calls intended inside the phases, up to the last heartbeat, by intended time."""
    schedule = cell.schedule[["call_id", "intended_s", "instance"]]
    at = schedule["intended_s"]
    inside = (at >= cell.start_s) & (at < cell.end_s) & (at <= cell.observed_s)
    offered = schedule[inside].sort_values("intended_s", kind="stable").reset_index(drop=True)
    starts = np.array([phase.start_s for phase in cell.phases])
    offered["phase_i"] = np.searchsorted(starts, offered["intended_s"].to_numpy(), side="right") - 1
    return offered


def _joined(offered: pd.DataFrame, rows: pd.DataFrame, row_of: Ints) -> pd.DataFrame:
    """The offered calls with the columns of their rows (null where there is none)."""
    kept = rows.drop(columns=["call_id", "intended_s", "instance", "phase"])
    joined = kept.reset_index(drop=True).reindex(row_of).reset_index(drop=True)
    for flag in ("stream", "saw_done", "declared_incomplete", "warmup"):
        joined[flag] = joined[flag].eq(True)
    return pd.concat([offered, joined.rename(columns={"outcome": "client_outcome"})], axis=1)


def _answers(calls: pd.DataFrame, served: pd.DataFrame) -> Ints:
    """Position of the answer delivered: by the served_id that came with it, else the last one delivered."""
    answers = positions(calls["served_id"], served["served_id"])
    took = calls["client_outcome"].isin(("ok", "incomplete")).to_numpy(dtype=bool)
    if not (took & (answers < 0)).any():
        return answers
    delivered = served[(served["call"] >= 0) & served["last_byte_s"].notna() & ~served["abandoned"]]
    delivered = delivered[delivered["status"].between(200, 299)].sort_values("last_byte_s", kind="stable")
    last = np.full(len(calls), -1, dtype=np.int64)
    last[delivered["call"].to_numpy()] = delivered.index.to_numpy()
    return np.where(took & (answers < 0), last, answers)


def _without_row(cell: CellRecords) -> str:
    """The outcome of a call that has no row: it did not end, unless its row may be what was lost."""
    return "unknown" if any(damage.table == "calls" for damage in cell.damages) else "unfinished"


def _outcomes(calls: pd.DataFrame, served: pd.DataFrame, *, without_row: str) -> npt.NDArray[np.object_]:
    outcomes = calls["client_outcome"].fillna(without_row).to_numpy(dtype=object)
    answer = calls["answer"].to_numpy()
    truth = pc.take(_strings(served["truth_digest"]), pa.array(answer, mask=answer < 0))
    known = calls["digest"].notna().to_numpy() & (answer >= 0)
    same = pc.fill_null(pc.equal(truth, _strings(calls["digest"])), False).to_numpy(zero_copy_only=False)
    verdict = np.where(~known, "unknown", np.where(same, "ok", "corrupt"))
    # The truth itself may be cut by the request's own max_tokens: who delivers all of it, and does not raise, is ok.
    whole = (outcomes == "incomplete") & same & calls["error_type"].isna().to_numpy()
    outcomes = np.where(_raised_on_a_cut_truth(calls, served), "incomplete", outcomes)
    return np.where((outcomes == "ok") | whole, verdict, outcomes)


def _raised_on_a_cut_truth(calls: pd.DataFrame, served: pd.DataFrame) -> Bools:
    """Calls whose own code raised because the request's max_tokens cut the answer: no fault had a part in it."""
    answer = calls["answer"].to_numpy()
    healthy = np.append((served["faults"] == "").to_numpy(), False)[answer]
    raised = (calls["client_outcome"] == "error").to_numpy()
    cut = (calls["finish_reason"] == "length") | (calls["error_type"] == CUT_ERROR)
    return np.asarray(raised & healthy & cut.to_numpy(dtype=bool))


def _ended_by_the_harness(cell: CellRecords, calls: pd.DataFrame) -> pd.Series[bool]:
    """Calls that still ran when the cell was over: their end is no decision of the application."""
    over = cell.end_s + float(cell.plan.get("tail_s", math.inf))
    return (calls["client_outcome"] == "cancelled") & (calls["ended_s"] >= over - _ROUNDING_S)


def _judged(cell: CellRecords, calls: pd.DataFrame) -> Bools:
    if math.isinf(cell.observed_s):
        return np.full(len(calls), cell.observed_s > 0)
    if math.isinf(cell.deadline_s):
        return calls["ended_s"].notna().to_numpy()
    return np.asarray(calls["intended_s"] + cell.deadline_s <= cell.observed_s + _ROUNDING_S)


def _gaps(cell: CellRecords, rows: pd.DataFrame, row_of: Ints) -> pd.DataFrame:
    """The pauses between contents, by position of the offered call."""
    call_of = np.full(len(cell.calls) + 1, -1, dtype=np.int64)
    found = row_of >= 0
    call_of[rows.index.to_numpy()[row_of[found]]] = np.flatnonzero(found)
    call = call_of[cell.gaps["row"].to_numpy()]
    gaps = pd.DataFrame({"call": call, "gap_s": cell.gaps["gap_s"].to_numpy()})
    kept: pd.DataFrame = gaps.loc[call >= 0].reset_index(drop=True)
    return kept


def outcome_shares(judged: Judged, phases: Sequence[int] | None = None) -> pd.Series[float]:
    """Share of each outcome among the judged calls of `phases` (all of them if None), by name."""
    calls = judged.calls[judged.calls["judged"]]
    if phases is not None:
        calls = calls[calls["phase_i"].isin(list(phases))]
    counts = calls["outcome"].value_counts().reindex(list(OUTCOMES), fill_value=0)
    return counts / max(1, len(calls))
