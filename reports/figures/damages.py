"""Which figures are lost with a damaged table: what is not known is null, not zero."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.read.tables import Damage

OF_THE_ATTEMPTS: Final = ("client_amplification", "service_", "hang_", "stop_lag_", "false_timeout")
"""Beginnings of the names of those figures that are lost with the attempts table."""


def without_lost(figures: Figures, damages: Sequence[Damage]) -> Figures:
    """The figures, those null that a damaged table may have made wrong."""
    lost = {damage.table for damage in damages}
    if not lost:
        return figures
    reason = f"records are damaged: {', '.join(sorted(lost))}"
    return {
        name: Figure(None, reason=reason) if _is_lost(name, lost) else figure
        for name, figure in figures.items()
    }


def _is_lost(name: str, damaged: Set[str]) -> bool:
    if name == "offered":
        return "schedule" in damaged
    return (
        bool(damaged & {"schedule", "calls", "served"})
        or ("connections" in damaged and name.startswith("connections_"))
        or ("attempts" in damaged and name.startswith(OF_THE_ATTEMPTS))
    )
