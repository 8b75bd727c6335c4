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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from windtunnel.reports.read.columns import Ints, Keys, Records, positions, taken
from windtunnel.reports.read.gaps import Gaps
from windtunnel.reports.read.run_dir import CellRecords

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

READ: Final = (
    "stream",
    "started_s",
    "first_token_s",
    "ended_s",
    "outcome",
    "error_type",
    "error_message",
    "error_place",
    "finish_reason",
    "wait_budget_s",
    "lateness_cause",
    "limiter_wait_s",
    "region",
)
"""Columns of calls that figures read: what is left out costs no memory."""

SMALL: Final = 1 << 20
"""Rows below which a position has the usual 64 bits."""

_ROUNDING_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell with its calls judged.

    `calls` has one row per offered call, in the order of intended time: the columns of the calls table that figures
    read, and

    - `phase_i`: index of the phase of the intended time;
    - `outcome`: one of OUTCOMES; `client_outcome`: what the client took it for (null: no row);
    - `judged`: whether metrics may count it (always, unless the run was cut off);
    - `good`: ok, and ended within the deadline of its intended time;
    - `wait_s`: intended to answer or giving up (a lower bound where the run was cut off first);
    - `answer`: position in `served` of the answer delivered, -1 if none.

    `attempts` and `served` are the whole tables with a column `call`: the position of their call in `calls`,
    -1 for those of the warm-up, the tail and of calls that were not offered; their rows are by the phase of that.
    `gaps` are the pauses between the contents of judged calls, by phase.
    """

    cell: CellRecords
    calls: pd.DataFrame
    attempts: Records
    served: Records
    gaps: Gaps

    @property
    def end_s(self) -> float:
        """Up to where intended times are judged: the last phase's end, or what the cut-off allows."""
        cell = self.cell
        patience = cell.deadline_s if math.isfinite(cell.deadline_s) else 0.0
        return max(cell.start_s, min(cell.end_s, cell.observed_s - patience))


def judge(cell: CellRecords) -> Judged:
    """Resolve every offered call of a cell against the server's truth."""
    offered = _offered(cell)
    phase_i = offered["phase_i"]
    ids = pd.Index(offered.pop("call_id"))
    where = _last_of_each(keys(cell.calls, "call_id"))
    row_of = where[1][positions(np.asarray(ids), where[0])]
    calls = _joined(offered, cell.calls, row_of)
    calls.loc[_ended_by_the_harness(cell, calls), "client_outcome"] = "unfinished"
    served = _by_phase(cell.served, ids, phase_i)
    attempts = _by_phase(cell.attempts, ids, phase_i)
    del ids, where
    answer = _answers(calls, cell.calls, row_of, served)
    own = _answered_by_its_own_model(calls, cell.calls, row_of)
    outcome = _outcomes(calls, cell.calls, row_of, served, answer, own, without_row=_without_row(cell))
    calls["answer"], calls["outcome"], calls["own_model"] = answer, outcome, own
    del calls["finish_reason"]
    cell.calls.store.forget()
    late = calls["ended_s"] - calls["intended_s"] > cell.deadline_s + _ROUNDING_S
    ended = calls["ended_s"].fillna(cell.observed_s if math.isfinite(cell.observed_s) else math.nan)
    calls["wait_s"] = ended - calls["intended_s"]
    calls["judged"] = _judged(cell, calls)
    calls["good"] = (calls["outcome"] == "ok") & ~late & calls["judged"]
    gaps = Gaps(cell.calls, row_of, np.where(calls["judged"], phase_i, np.int16(-1)))
    return Judged(cell=cell, calls=calls, attempts=attempts, served=served, gaps=gaps)


def keys(records: Records, name: str) -> Keys:
    """A column of ids, a number each."""
    return np.asarray(records.array(name), dtype=np.uint64)


def _last_of_each(ids: Keys) -> tuple[pd.Index[Any], Ints]:
    """Each id once, and the row of its last occurrence; the last of these rows is -1, for an id that is not there."""
    index = pd.Index(ids)
    if index.is_unique:
        return index, np.append(np.arange(len(ids), dtype=np.int32), np.int32(-1))
    last = ~index.duplicated(keep="last")
    return index[last], np.append(np.flatnonzero(last).astype(np.int32), np.int32(-1))


def call_ids(cell: CellRecords, positions: Sequence[int]) -> list[str]:
    """The ids, as they are recorded, of the calls at these positions of `Judged.calls`."""
    rows = _rows_offered(cell)[list(positions)]
    found: dict[int, str] = {}
    begin = 0
    for piece in cell.schedule.store.pieces("call_id"):
        here = rows[(rows >= begin) & (rows < begin + len(piece))]
        found |= {int(row): str(piece[int(row) - begin]) for row in here}
        begin += len(piece)
    cell.schedule.store.forget()
    return [found[int(row)] for row in rows]


def _rows_offered(cell: CellRecords) -> Ints:
    """The rows of the schedule that are offered: intended inside the phases, up to the last heartbeat, in time."""
    at = np.asarray(cell.schedule.array("intended_s"), dtype=float)
    inside = (at >= cell.start_s) & (at < cell.end_s) & (at <= cell.observed_s)
    order = np.flatnonzero(inside)
    if (np.diff(at[order]) < 0).any():
        order = order[np.argsort(at[order], kind="stable")]
    return order


def _offered(cell: CellRecords) -> dict[str, npt.NDArray[Any]]:
    """The scheduled calls that are offered, by intended time."""
    order = _rows_offered(cell)
    starts = np.array([phase.start_s for phase in cell.phases])
    due = np.asarray(cell.schedule.array("intended_s"), dtype=float)[order]
    phase_i = np.searchsorted(starts, due, side="right") - 1
    offered = {
        "call_id": keys(cell.schedule, "call_id")[order],
        "intended_s": due,
        "phase_i": phase_i.astype(np.int16),
    }
    cell.schedule.store.forget()
    return offered


def _joined(offered: Mapping[str, npt.NDArray[Any]], rows: Records, row_of: Ints) -> pd.DataFrame:
    """The offered calls with the columns of their rows (null where there is none)."""
    columns: dict[str, Any] = dict(offered)
    for name in READ:
        columns[name] = taken(rows.array(name), row_of)
    if columns["stream"].dtype != bool:  # a column without any value
        columns["stream"] = np.zeros(len(row_of), dtype=bool)
    said = columns.pop("outcome")
    names = [] if not isinstance(said, pd.Categorical) else [str(name) for name in said.categories if name]
    every = pd.Index([*OUTCOMES, *(name for name in names if name not in OUTCOMES)])
    codes = np.full(len(row_of), -1, dtype=np.int8)
    if isinstance(said, pd.Categorical):
        by_code = [every.get_loc(name) if name else -1 for name in said.categories]
        codes = np.array([*by_code, -1], dtype=np.int8)[said.codes]
    columns["client_outcome"] = pd.Categorical.from_codes(codes, every)
    return pd.DataFrame(columns, copy=False)


def _by_phase(table: Records, ids: pd.Index[Any], phase_i: npt.NDArray[Any]) -> Records:
    """The table with a column `call`, the position of a row's call, and its rows by the phase of that (none: last)."""
    call = positions(keys(table, "call_id"), ids)
    phase = np.append(phase_i, np.int16(np.iinfo(np.int16).max))[call]
    order = None if (np.diff(phase) >= 0).all() else np.argsort(phase, kind="stable").astype(np.int32)
    call = call.astype(np.int64) if len(call) < SMALL else call
    return Records(table.store.ordered(order, {"call": call if order is None else call[order]}))


def _answers(calls: pd.DataFrame, rows: Records, row_of: Ints, served: Records) -> Ints:
    """Position of the answer delivered: by the served_id that came with it, else the last one delivered."""
    index, where = _last_of_each(keys(served, "served_id"))
    wanted = taken(rows.array("served_id"), row_of)
    answers = where[positions(np.asarray(wanted, dtype=np.uint64), index)]
    took = calls["client_outcome"].isin(("ok", "incomplete")).to_numpy(dtype=bool)
    if not (took & (answers < 0)).any():
        return answers
    delivered = served[["call", "last_byte_s", "abandoned", "status"]]
    delivered = delivered[
        (delivered["call"] >= 0) & delivered["last_byte_s"].notna() & ~delivered["abandoned"]
    ]
    delivered = delivered[delivered["status"].between(200, 299)].sort_values("last_byte_s", kind="stable")
    last = np.full(len(calls), -1, dtype=answers.dtype)
    last[delivered["call"].to_numpy()] = delivered.index.to_numpy()
    return np.where(took & (answers < 0), last, answers)


def _without_row(cell: CellRecords) -> str:
    """The outcome of a call that has no row: it did not end, unless its row may be what was lost."""
    return "unknown" if any(damage.table == "calls" for damage in cell.damages) else "unfinished"


def _outcomes(
    calls: pd.DataFrame,
    rows: Records,
    row_of: Ints,
    served: Records,
    answer: Ints,
    own: Bools,
    *,
    without_row: str,
) -> pd.Categorical:
    """What each call came to, where the server's truth decides what the client took for a success."""
    said = calls["client_outcome"].cat
    every = list(said.categories)
    codes = said.codes.to_numpy().astype(np.int8)
    codes[codes < 0] = every.index(without_row)
    truth = np.append(keys(served, "truth_digest"), np.uint64(0))[answer]
    got = np.asarray(taken(rows.array("digest"), row_of), dtype=np.uint64)
    known, same = (answer >= 0) & (got != 0), (truth == got) & (truth != 0)
    took = (codes == every.index("ok")) & ~own
    codes[took & ~same] = every.index("corrupt")
    codes[took & ~known] = every.index("unknown")
    # The truth itself may be cut by the request's own max_tokens: who delivers all of it, and does not raise, is ok.
    whole = (codes == every.index("incomplete")) & known & same & calls["error_type"].isna().to_numpy()
    codes[whole] = every.index("ok")
    codes[_raised_on_a_cut_truth(calls, served, answer)] = every.index("incomplete")
    return pd.Categorical.from_codes(codes, pd.Index(every, dtype=object))


def _answered_by_its_own_model(calls: pd.DataFrame, rows: Records, row_of: Ints) -> Bools:
    """Calls that fell back to a model of the application's own: no provider knows what they were told."""
    regions = pd.Series(taken(rows.array("region"), row_of))
    return np.asarray((regions == "") & (calls["client_outcome"] == "ok").to_numpy(), dtype=bool)


def _raised_on_a_cut_truth(calls: pd.DataFrame, served: Records, answer: Ints) -> Bools:
    """Calls whose own code raised because the request's max_tokens cut the answer: no fault had a part in it."""
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


def outcome_shares(judged: Judged, phases: Sequence[int] | None = None) -> pd.Series[float]:
    """Share of each outcome among the judged calls of `phases` (all of them if None), by name."""
    calls = judged.calls[judged.calls["judged"]]
    if phases is not None:
        calls = calls[calls["phase_i"].isin(list(phases))]
    counts = calls["outcome"].value_counts().reindex(list(OUTCOMES), fill_value=0)
    return counts / max(1, len(calls))
