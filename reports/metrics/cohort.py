"""What a metric looks at: the judged calls of a phase, or of all phases, and everything that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.figure import Figure, Value
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Bools, Judged
from windtunnel.reports.read.run_dir import RecordedPhase


class Absent(Enum):
    """The type of ABSENT, which a metric returns where it does not apply or its data do not exist."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
Result: TypeAlias = Value | Figure | Literal[Absent.ABSENT]


class Held:
    """Base of what is large: of these a cohort remembers one at a time."""

    __slots__ = ()


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """The calls intended in `phase` (None: in any phase), with their attempts: by cohort, not by clock.

    `calls` are the judged ones, `attempts` and `served` theirs (column `call`: index of `calls`). `offered` counts the
    judged and the not yet judged.
    """

    judged: Judged
    scenario: Mapping[str, Any]
    phase: RecordedPhase | None
    calls: pd.DataFrame
    attempts: Records
    served: Records
    offered: int
    _memo: dict[Any, Any] = field(default_factory=dict)

    def once(self, compute: Callable[[Cohort], _T]) -> _T:
        """What `compute` gives for this cohort; asked again, the same without computing."""
        if compute in self._memo:
            found: _T = self._memo[compute]
            return found
        found = compute(self)
        if isinstance(found, Held):  # the samples of one family at a time: they are asked for in turn
            for other in [key for key, value in self._memo.items() if isinstance(value, Held)]:
                del self._memo[other]
        self._memo[compute] = found
        return found

    @property
    def start_s(self) -> float:
        return self.judged.cell.start_s if self.phase is None else self.phase.start_s

    @property
    def end_s(self) -> float:
        """End of the phase, or of the last one; earlier where the run was cut off."""
        end = self.judged.cell.end_s if self.phase is None else self.phase.end_s
        return max(self.start_s, min(end, self.judged.cell.observed_s))

    @property
    def load(self) -> Mapping[str, Any]:
        load: Mapping[str, Any] = self.judged.cell.plan["load"]
        return load

    @property
    def good(self) -> pd.DataFrame:
        return self.calls[self.calls["good"]]


def cohort_of(judged: Judged, scenario: Mapping[str, Any], phase: RecordedPhase | None = None) -> Cohort:
    """The cohort of one phase, or of all of them."""
    calls = judged.calls
    if phase is None:
        return _cohort(judged, scenario, None, np.ones(len(calls), dtype=bool))
    return _cohort(judged, scenario, phase, (calls["phase_i"] == phase.index).to_numpy())


def window_of(judged: Judged, scenario: Mapping[str, Any], start_s: float, end_s: float) -> Cohort:
    """The cohort of the calls intended in [start_s, end_s), as if that were a phase."""
    inside = judged.calls["intended_s"].between(start_s, end_s, inclusive="left").to_numpy()
    return _cohort(judged, scenario, RecordedPhase(-1, "", start_s, end_s, faulty=False), inside)


def _cohort(
    judged: Judged, scenario: Mapping[str, Any], phase: RecordedPhase | None, offered: Bools
) -> Cohort:
    counted = offered & judged.calls["judged"].to_numpy()
    mask = np.append(counted, False)  # position -1, no call of the phases, is never counted
    return Cohort(
        judged=judged,
        scenario=scenario,
        phase=phase,
        calls=_rows(judged.calls, counted),
        attempts=judged.attempts.part(mask[judged.attempts["call"].to_numpy()]),
        served=judged.served.part(mask[judged.served["call"].to_numpy()]),
        offered=int(offered.sum()),
    )


def _rows(frame: pd.DataFrame, chosen: Bools) -> pd.DataFrame:
    """Those rows of a frame; if they lie side by side, without a copy."""
    where = np.flatnonzero(chosen)
    if len(where) and where[-1] - where[0] + 1 == len(where):
        return frame.iloc[where[0] : where[-1] + 1]
    return frame[chosen]


def ratio(part: float, whole: float) -> float | None:
    """part ÷ whole, null where there is no whole."""
    return float(part) / float(whole) if whole else None
