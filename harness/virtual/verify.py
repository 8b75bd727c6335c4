"""Whether user code does the same when it is played again: if not, nothing that was measured of it can be claimed.

cell ─► played ─► behaviour.json ┐
   └──► played again, in another process, at another time ─► verify/behaviour.json ─► the first call that differs
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windtunnel.harness.contract.files import read_json
from windtunnel.harness.contract.records import ATTEMPTS_SCHEMA, CALLS_SCHEMA
from windtunnel.harness.virtual.behaviour import BEHAVIOUR
from windtunnel.mock_server.journal.segments import read_segments

AGAIN = "verify"
"""The folder in a cell's directory that has the records of the second play; it stays only if they differ."""

MAYBE = (
    "it may read addresses of objects, process ids, files, or state that outlives a run: "
    "these are not replaced on the virtual clock"
)
LONGEST_VALUE = 60


def difference(cell: Path) -> str:
    """Name the first call that was not the same again, and where; '' if there is none."""
    first: dict[str, Any] = read_json(cell / BEHAVIOUR)
    again: dict[str, Any] = read_json(cell / AGAIN / BEHAVIOUR)
    for call in [*first, *(name for name in again if name not in first)]:
        one, two = first.get(call), again.get(call)
        if one is None or two is None:
            return _told(call, f"it did nothing in the {'first' if one is None else 'second'} play")
        if one[0] != two[0]:
            where = _part(one[1], two[1]) or _column(cell, call) or "it sent the same at other times"
            return _told(call, where)
    return ""


def _told(call: str, where: str) -> str:
    who = "what runs outside of all calls"
    if call:
        who = f"{'the warm-up call' if call.startswith('first') else 'call'} {call}"
    return f"played twice with one seed, {who} was not the same: {where}. Nothing is claimed of this client; {MAYBE}"


def _part(one: list[Any], two: list[Any]) -> str:
    """The first part of its requests that differs."""
    for number, (a, b) in enumerate(zip(one, two, strict=False)):
        if a != b:
            name = a[0] if a[0] == b[0] else f"{a[0]} / {b[0]}"
            nth = sum(part == "request line" for part, _ in one[: number + 1])
            return f"it sent another {name}" + (f" in request {nth}" if nth > 1 else "")
    if len(one) != len(two):
        return f"it sent {len(one)} / {len(two)} parts of requests"
    return ""


def _column(cell: Path, call: str) -> str:
    """The first column of its records that differs, with both values."""
    for table, schema in (("attempts", ATTEMPTS_SCHEMA), ("calls", CALLS_SCHEMA)):
        rows = [
            [
                row
                for row in read_segments(sorted(folder.glob(f"{table}-*.arrows")), schema).to_pylist()
                if row["call_id"] == call
            ]
            for folder in (cell, cell / AGAIN)
        ]
        if len(rows[0]) != len(rows[1]):
            return f"it made {len(rows[0])} / {len(rows[1])} {table}"
        for a, b in zip(*rows, strict=True):
            for name in schema.names:
                if a[name] != b[name]:
                    return f"{name} of its {table} is {_short(a[name])} / {_short(b[name])}"
    return ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
