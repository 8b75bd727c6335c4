"""Where two clients first did otherwise with one seed: for what no metric shows, such as another exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": (
        *("outcome", "error_type", "error_cause", "status", "attempts_seen", "finish_reason", "digest"),
        *("started_s", "first_token_s", "ended_s"),
    ),
    "attempts": ("status", "error_type", "error_cause", "started_s", "headers_s", "ended_s"),
    "served": ("status", "arrived_s", "ended_s", "ending", "abandoned"),
}
"""By table, the columns that are held against each other: what happened, and last when."""
LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first call, by its row, that is not alike: `column` of its row in `table` is `a` with A, `b` with B."""

    call_id: str
    table: str
    column: str
    a: str
    b: str


def first_difference(a: Path, b: Path) -> FirstDifference | None:
    """The first difference between two cells' folders; None if the columns above are alike."""
    for table, columns in COLUMNS.items():
        one, other = (_rows(folder / f"{table}.parquet", columns) for folder in (a, b))
        for call, rows in one.items():
            found = _differing(call, table, rows, other.get(call, []))
            if found is not None:
                return found
        more = next((call for call in other if call not in one), None)
        if more is not None:
            return FirstDifference(more, table, "rows", "0", str(len(other[more])))
    return None


def _rows(path: Path, columns: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each call, in the order in which calls come in the table."""
    if not path.is_file():
        return {}
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in pq.read_table(path, columns=["call_id", *columns]).to_pylist():
        rows.setdefault(row["call_id"], []).append(row)
    return rows


def _differing(
    call: str, table: str, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]
) -> FirstDifference | None:
    for one, other in zip(a, b, strict=False):
        for column in COLUMNS[table]:
            if one[column] != other[column]:
                return FirstDifference(call, table, column, _short(one[column]), _short(other[column]))
    return None if len(a) == len(b) else FirstDifference(call, table, "rows", str(len(a)), str(len(b)))


def _short(value: Any) -> str:
    text = "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
