"""How a value is shown in a heatmap: its text, and how bad it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from windtunnel.reports.matrix.model import COUNTS, Matrix, MatrixCell
from windtunnel.reports.page.labels import label, say

WORDS: Final[Mapping[str, str]] = {
    "invalid": "✗ not valid",
    "partial": "! cut off",
    "not_measured": "? not measured",
    "not_played": "not played",
}
"""What a cell says that has no figures."""
FEW_ANSWERS: Final = 0.9
"""Below this share of good calls, times of answered calls are those of survivors, and no sign of a good client."""

_BADNESS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "goodput": lambda value, patience: 2 * (1 - value),
    "wait_p99_s": lambda value, patience: value / (2 * patience),
    "ttft_p99_s": lambda value, patience: value / (2 * patience),
    "amplification": lambda value, patience: math.log2(max(value, 1)) / 3,
    "silent_corruption": lambda value, patience: value / 0.1,
    "time_to_recover_s": lambda value, patience: value / 20,
}
SCALES: Final[Mapping[str, str]] = {
    "goodput": "blue: all calls good; orange: half of them, or fewer",
    "wait_p99_s": "blue: no wait; orange: twice as long as a user waits, or longer",
    "ttft_p99_s": "blue: no wait; orange: twice as long as a user waits, or longer",
    "amplification": "blue: 1 attempt per call; orange: 8 or more",
    "silent_corruption": "blue: none; orange: 10 % of the answers that it took for good, or more",
    "time_to_recover_s": "blue: at once; orange: after 20 s, or never",
}
"""What the ends of each scale mean."""


@dataclass(frozen=True, slots=True)
class Shade:
    """One field of a heatmap. `bad` is 0 (best) to 1; None: not coloured, and hatched where nothing is known.

    `why` says more where the text does not.
    """

    text: str
    bad: float | None
    hatched: bool = False
    why: str = ""


def shade(matrix: Matrix, cell: MatrixCell | None, metric: str) -> Shade:
    """How a cell is shown in the heatmap of a metric. What is not known is never shown as good."""
    if cell is None:
        return Shade("not asked", None, why="the scenario was not played with this client")
    if cell.state not in COUNTS:
        return Shade(WORDS[cell.state], None, hatched=True)
    figure = cell.figures.get(metric)
    if figure is None:
        return Shade("–", None, why="does not apply")
    kind = label(metric).kind
    if metric == "time_to_recover_s" and cell.never_recovered:
        return Shade("✗ never", 1.0, why=f"not within {say(figure.value, kind)}")
    if figure.value is None:
        return Shade("? unknown", None, hatched=True, why=figure.reason)
    value = float(figure.value)
    text = ("≥ " if figure.censored else "") + say(figure.value, kind)
    if metric == "ttft_p99_s" and (cell.number("goodput") or 0.0) < FEW_ANSWERS:
        return Shade(text, None, why="of the few calls that were answered")
    patience = next(one.patience_s for one in matrix.scenarios if one.name == cell.scenario) or 60.0
    bad = min(1.0, max(0.0, _BADNESS[metric](value, patience)))
    if figure.censored and bad < 0.5:
        return Shade(text, None, hatched=True, why="a lower bound, which does not tell that it is good")
    noisy = "the measurement is noisy" if cell.state == "noisy" else ""
    return Shade(("~ " if noisy else "") + text, bad, why=noisy or figure.reason)
