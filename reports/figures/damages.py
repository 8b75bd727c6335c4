"""What a damaged table means for a cell: what is lost with it is not known, and that is null, not zero.

- A damaged table may lack any of its rows, so that every figure that is counted over them is null (`without_lost`).
- A call whose row may be what was lost is `unknown`, where it would else be `unfinished` (`reports/read/outcomes.py`,
  which knows each call). It may have been started, so it is not a dropped arrival (`may_have_started`).
- The cell is damaged then, not partial: it was played to its end. Where no table is damaged, an `unknown` call says
  that the server's side of it is missing, and the cell counts as cut off (`is_partial`).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

import pandas as pd

from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.read.outcomes import Judged
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


def is_partial(judged: Judged) -> bool:
    """Whether a cell was cut off: by its status or, unless a damage explains it, by calls that nobody knows about."""
    cell = judged.cell
    return cell.partial or (not cell.damages and bool((judged.calls["outcome"] == "unknown").any()))


def may_have_started(calls: pd.DataFrame) -> pd.Series[bool]:
    """Which calls were started, or may have been: the row that would tell may be lost."""
    return calls["started_s"].notna() | (calls["outcome"] == "unknown")


def _is_lost(name: str, damaged: Set[str]) -> bool:
    if name == "offered":
        return "schedule" in damaged
    return (
        bool(damaged & {"schedule", "calls", "served"})
        or ("connections" in damaged and name.startswith("connections_"))
        or ("attempts" in damaged and name.startswith(OF_THE_ATTEMPTS))
    )
