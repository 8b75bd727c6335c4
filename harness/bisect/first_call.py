"""The first call that two releases treat differently, from the records of two runs of the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from windtunnel.harness.plan import CellPlan, RunPlan
from windtunnel.harness.virtual.digests import NAMING, UNSTEADY

PLAIN = {
    "calls": ("outcome", "error_type", "status", "attempts_seen", "digest", "finish_reason"),
    "attempts": ("status", "error_type"),
}
"""Columns in which a difference is one of kind: another end, another status, more attempts. Times are not."""

CallRows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class FirstCall:
    """A call, in a repeat; what it came to with the older and with the newer release. `times`: only times differ."""

    call_id: str
    repeat: int
    older: str
    newer: str
    times: bool


def first_differing_call(older: Path, newer: Path) -> FirstCall | None:
    """The first call, by its intended time, that ends or goes another way; if there is none, that differs at all.

    None where all are alike.
    """
    plans = [RunPlan.read_json(folder / "plan.json") for folder in (older, newer)]
    in_time_only: FirstCall | None = None
    for cells in zip(plans[0].cells, plans[1].cells, strict=True):
        rows = [_rows(folder / cell.dir) for folder, cell in zip((older, newer), cells, strict=True)]
        found = _first(cells[0], rows[0], rows[1])
        if found is not None and not found.times:
            return found
        in_time_only = in_time_only or found
    return in_time_only


def _first(cell: CellPlan, older: dict[str, CallRows], newer: dict[str, CallRows]) -> FirstCall | None:
    in_time_only = None
    for arrival in cell.schedule():
        one, other = (side.get(arrival.call_id, {}) for side in (older, newer))
        if one == other:
            continue
        found = FirstCall(
            arrival.call_id, cell.repeat, _told(one), _told(other), times=_kind(one) == _kind(other)
        )
        if not found.times:
            return found
        in_time_only = in_time_only or found
    return in_time_only


def _rows(folder: Path) -> dict[str, CallRows]:
    """The rows of each call, without what only names the client."""
    found: dict[str, CallRows] = {}
    for table in PLAIN:
        path = folder / f"{table}.parquet"
        if not path.exists():
            continue
        records = pq.read_table(path)
        columns = [name for name in records.column_names if name not in (*UNSTEADY, *NAMING)]
        for row in records.select(columns).to_pylist():
            found.setdefault(row["call_id"], {}).setdefault(table, []).append(row)
    return found


def _kind(rows: CallRows) -> list[Any]:
    """What of a call is no time."""
    return [
        [row.get(name) for name in names] for table, names in PLAIN.items() for row in rows.get(table, [])
    ]


def _told(rows: CallRows) -> str:
    """`ok at +3.2 s, statuses 503, 200`."""
    call = (rows.get("calls") or [{}])[0]
    if not call:
        return "it was never made"
    told = str(call.get("outcome"))
    if call.get("error_type"):
        told += f" ({call['error_type']})"
    ended, intended = call.get("ended_s"), call.get("intended_s")
    if ended is not None and intended is not None:
        told += f" after {ended - intended:.3f} s"
    statuses = [str(row.get("status") or row.get("error_type") or "none") for row in rows.get("attempts", [])]
    return f"{told}; {len(statuses)} attempt{'s' * (len(statuses) != 1)}: {', '.join(statuses)}"
