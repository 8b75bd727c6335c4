"""A figure: the value of one metric, and how sure it is; and figures by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Value: TypeAlias = float | int | bool | None


@dataclass(frozen=True, slots=True)
class Figure:
    """The value of a metric; `low` and `high` are the ends of its interval over repeats.

    Where `value` is None the metric applies and has no value: `reason` says why. A `censored` value is a lower bound,
    because something that it is taken from was cut off.
    """

    value: Value
    low: float | None = None
    high: float | None = None
    censored: bool = False
    reason: str = ""


NO_FIGURE: Final = Figure(None)
"""Nothing measured."""

Figures: TypeAlias = Mapping[str, Figure]
"""By metric; one that does not apply is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresByPhase:
    """Figures of the whole run, and of each of its phases."""

    overall: Figures = field(default_factory=dict)
    phases: Mapping[str, Figures] = field(default_factory=dict)

    def of(self, phase: str | None) -> Figures:
        """The figures of a phase, or of the whole run (None); empty for a phase that there is not."""
        return self.overall if phase is None else self.phases.get(phase, {})

    def value(self, metric: str, phase: str | None = None) -> Value:
        """The value of a metric; None if it is absent or has none."""
        figure = self.of(phase).get(metric)
        return None if figure is None else figure.value

    def number(self, metric: str, phase: str | None = None) -> float | None:
        """The same of a metric whose values are numbers."""
        value = self.value(metric, phase)
        return None if value is None else float(value)
