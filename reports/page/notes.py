"""Footnotes of a page: why a figure has no value."""

from __future__ import annotations

from dataclasses import dataclass, field

from windtunnel.reports.metrics.figure import Figure

NOT_KNOWN = "not known"


@dataclass(slots=True)
class Notes:
    """Collects reasons while a page is written; each reason has one number."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def unknown(self, figure: Figure) -> str:
        """What stands in place of a figure without a value: `not known [1]`, with a number if there is a reason."""
        if not figure.reason:
            return NOT_KNOWN
        return f"{NOT_KNOWN} [{self._numbers.setdefault(figure.reason, len(self._numbers) + 1)}]"

    def lines(self) -> tuple[str, ...]:
        """The footnotes, in the order of their numbers."""
        return tuple(f"[{number}] {reason}" for reason, number in self._numbers.items())
