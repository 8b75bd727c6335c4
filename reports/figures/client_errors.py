"""What went wrong in a client, by its own words: how many calls ended with the same error at the same place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from windtunnel.reports.read.outcomes import Judged

MOST: Final = 10
"""Different errors of a client that are listed, the most frequent first."""

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_ID: Final = re.compile(r"\b(?=\w*\d)[\w-]{12,}\b")


@dataclass(frozen=True, slots=True)
class ClientError:
    """An error that ended `count` of `calls` offered calls; `place` is file:line in the user's own code, if it is that.

    Messages that differ in numbers and ids alone are one error, and `message` is the first of them.
    """

    type: str
    message: str | None
    place: str | None
    count: int
    calls: int

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        where = f" in {self.place}" if self.place else ""
        return f"{self.count:,} of {self.calls:,} calls: {self.type}{said}{where}"


def errors_of(judged: Judged) -> tuple[ClientError, ...]:
    """The errors of a cell's judged calls."""
    calls = judged.calls[judged.calls["judged"]]
    failed = calls[calls["error_message"].notna() & calls["error_type"].notna()]
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], ClientError] = {}
    columns = (failed[name] for name in ("error_type", "error_message", "error_place"))
    for kind, message, place in zip(*columns, strict=True):
        one = ClientError(kind, message or None, place if isinstance(place, str) else None, 0, len(calls))
        first.setdefault(_key(one), one)
        counts[_key(one)] += 1
    return tuple(replace(first[key], count=count) for key, count in counts.most_common())


def over_cells(cells: Sequence[Iterable[ClientError]], calls: int) -> tuple[ClientError, ...]:
    """The most frequent errors of a client over its cells, of `calls` calls in all."""
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], ClientError] = {}
    for one in (error for cell in cells for error in cell):
        first.setdefault(_key(one), one)
        counts[_key(one)] += one.count
    return tuple(replace(first[key], count=n, calls=calls) for key, n in counts.most_common(MOST))


def _key(error: ClientError) -> tuple[str, str, str]:
    message = _NUMBER.sub("#", _ID.sub("#", error.message or ""))
    return error.type, message, error.place or ""
