"""A matrix as objects: what each client came to in each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from windtunnel.reports.metrics.figure import NO_FIGURE, Figure, Figures

CellState = Literal["valid", "noisy", "invalid", "partial", "not_measured", "not_played"]
"""`invalid`: windtunnel itself was late; `partial`: cut off; `not_measured`: no request reached the mock."""
COUNTS: Final = ("valid", "noisy")
"""States in which figures say something of the client."""

HEADLINES: Final = (
    "goodput",
    "wait_p99_s",
    "ttft_p99_s",
    "amplification",
    "silent_corruption",
    "time_to_recover_s",
)
"""The metrics that have a heatmap, in order."""


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One client in one scenario. `figures` is empty unless its state counts."""

    scenario: str
    client: str
    state: CellState
    figures: Figures = field(default_factory=dict)
    digest: str | None = None
    findings: tuple[Mapping[str, Any], ...] = ()

    def figure(self, metric: str) -> Figure:
        """A figure; one without a value if there is none."""
        return self.figures.get(metric, NO_FIGURE)

    def number(self, metric: str) -> float | None:
        """The value of a figure."""
        value = self.figure(metric).value
        return None if value is None else float(value)

    @property
    def never_recovered(self) -> bool:
        """Whether calls did not become good again after the fault."""
        return self.figure("recovered").value is False


@dataclass(frozen=True, slots=True)
class MatrixScenario:
    """A column. `patience_s` is how long a user waits there; None: for ever."""

    name: str
    about: str
    seed: int
    clock: str
    patience_s: float | None
    has_report: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """Several runs, side by side. `cells` are by (scenario, client); what was not asked for is missing."""

    folder: Path
    scenarios: tuple[MatrixScenario, ...]
    clients: tuple[str, ...]
    cells: Mapping[tuple[str, str], MatrixCell]
    left_out: tuple[Mapping[str, str], ...] = ()

    def of_client(self, client: str) -> list[MatrixCell]:
        """The cells of a client, in the order of the scenarios."""
        found = (self.cells.get((scenario.name, client)) for scenario in self.scenarios)
        return [cell for cell in found if cell is not None]
