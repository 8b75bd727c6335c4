"""What a rule found, and what a rule looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from windtunnel.reports.metrics.cohort import Cohort
from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.read.outcomes import call_ids

Severity: TypeAlias = int
SEVERITIES: Final[Mapping[Severity, str]] = {3: "severe", 2: "costly", 1: "minor"}
"""3: users get wrong answers, or the provider does not come back; 2: calls are lost, or held; 1: it costs."""
NAMED: Final = 3
"""Calls that a finding names."""


@dataclass(frozen=True, slots=True)
class ClientFinding:
    """One thing to change. `sentence` says it with its numbers: `count` of `of` that it is about.

    `calls` are ids of calls that show it, the clearest first. `key` is the key path of the profile that cures it (None:
    no setting does), `setting` what to write there as YAML, and `cure` the same in words.
    """

    rule: str
    severity: Severity
    sentence: str
    count: int
    of: int
    calls: tuple[str, ...]
    cure: str
    key: str | None = None
    setting: str = ""
    repeat: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A cell as rules look at it: all of its calls, its figures, and the client's profile."""

    cohort: Cohort
    figures: Figures
    profile: Mapping[str, Any] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """How many calls were judged."""
        return len(self.cohort.calls)

    @property
    def patience_s(self) -> float:
        """How long a user is willing to wait; may be infinite."""
        return self.cohort.judged.cell.deadline_s

    def number(self, metric: str) -> float | None:
        """The value of a metric over all phases; None without one."""
        value = self.figures.get(metric, Figure(None)).value
        return None if value is None else float(value)

    def truth(self, metric: str) -> bool | None:
        """The same of a metric that is true or false."""
        value = self.figures.get(metric, Figure(None)).value
        return None if value is None else bool(value)

    def setting(self, path: str) -> Any:
        """What the profile says at a key path; None where it says nothing."""
        found: Any = self.profile
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def ids(self, positions: Sequence[int] | npt.NDArray[Any]) -> tuple[str, ...]:
        """Ids of calls by their position, the first few of them that differ."""
        first = list(dict.fromkeys(int(position) for position in positions))[:NAMED]
        return tuple(call_ids(self.cohort.judged.cell, first)) if first else ()


Rule: TypeAlias = Callable[[Seen], ClientFinding | None]


def attempts_of(seen: Seen) -> npt.NDArray[np.int64]:
    """How many attempts each call made, by position: as the client counts them, or else as they arrived."""
    judged = seen.cohort.judged
    made = np.zeros(len(judged.calls), dtype=np.int64)
    for table in (seen.cohort.attempts, seen.cohort.served):
        counts = np.bincount(table["call"].to_numpy(dtype=np.int64), minlength=len(made))
        made = np.maximum(made, counts[: len(made)])
    return made


def seconds(value: float) -> str:
    """A time as a finding says it: `600 s`, `2.4 s`, `40 ms`."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def share(part: int, whole: int) -> str:
    """`38 of 40`, and `all 40`."""
    return f"all {whole:,}" if part == whole and whole > 1 else f"{part:,} of {whole:,}"
