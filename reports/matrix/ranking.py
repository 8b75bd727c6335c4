"""Who did best over all scenarios, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from windtunnel.reports.matrix.model import COUNTS, Matrix, MatrixCell
from windtunnel.reports.matrix.shades import WORDS
from windtunnel.reports.page.labels import say

SAME: Final = 0.0005
HOW: Final = (
    "Harm in a scenario: the share of the calls that were not good, plus the share of the answers that were taken for "
    "good and were broken (nobody notices those), plus 1 if its calls did not become good again after the fault. "
    "Ranked by the mean over all scenarios, then by attempts per call. Who has no valid figures in one of them is not "
    "ranked."
)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A client's place; None where it cannot be compared with the others. `harm` is the mean over its scenarios."""

    client: str
    place: int | None
    harm: float | None
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The reasons as one sentence."""
        return "; ".join(self.reasons) + "."


def rank(matrix: Matrix) -> tuple[Ranked, ...]:
    """All clients, the least harmful first; those that cannot be ranked last. Equal ones share a place."""
    ranked: list[tuple[float, float, str]] = []
    others = []
    for client in matrix.clients:
        cells = matrix.of_client(client)
        why = _not_ranked(matrix, cells)
        if why:
            others.append(Ranked(client, None, None, (f"not ranked: {why}",)))
            continue
        amplification = _mean([cell.number("amplification") or 1.0 for cell in cells])
        ranked.append((_mean([_harm(cell) for cell in cells]), amplification, client))
    ranked.sort()
    found: list[Ranked] = []
    for number, (harm, amplification, client) in enumerate(ranked):
        place = number + 1
        if number:
            before = ranked[number - 1]
            if harm - before[0] < SAME and amplification - before[1] < SAME:
                place = found[-1].place or place
        found.append(Ranked(client, place, harm, _reasons(matrix.of_client(client))))
    return (*found, *others)


def _harm(cell: MatrixCell) -> float:
    good, corrupt = cell.number("goodput"), cell.number("silent_corruption")
    return 1 - (good or 0.0) + (corrupt or 0.0) + (1.0 if cell.never_recovered else 0.0)


def _not_ranked(matrix: Matrix, cells: Sequence[MatrixCell]) -> str:
    if len(cells) < len(matrix.scenarios):
        there = {cell.scenario for cell in cells}
        lacking = [one.name for one in matrix.scenarios if one.name not in there]
        return f"not played in {', '.join(lacking)}"
    for cell in cells:
        if cell.state not in COUNTS:
            return f"{cell.scenario}: {WORDS[cell.state].lstrip('✗!? ')}"
        if cell.number("goodput") is None:
            return (
                f"{cell.scenario}: {cell.figure('goodput').reason or 'the share of good calls is not known'}"
            )
    return ""


def _reasons(cells: Sequence[MatrixCell]) -> tuple[str, ...]:
    """What made its place, the worst first."""
    reasons = []
    stuck = [cell.scenario for cell in cells if cell.never_recovered]
    if stuck:
        reasons.append(f"its calls never became good again in {', '.join(stuck)}")
    broken = _most(cells, lambda cell: cell.number("silent_corruption"))
    if broken is not None and (broken.number("silent_corruption") or 0) > SAME:
        share = say(broken.number("silent_corruption"), "share")
        reasons.append(f"{share} of its answers were broken, unnoticed, in {broken.scenario}")
    good = [cell.number("goodput") or 0.0 for cell in cells]
    worst = min(cells, key=lambda cell: cell.number("goodput") or 0.0)
    reasons.append(
        f"{say(_mean(good), 'share')} of its calls were good in the mean"
        + (f", {say(min(good), 'share')} in {worst.scenario}" if len(cells) > 1 else "")
    )
    own = _most(cells, lambda cell: cell.number("own_model_answers"))
    if own is not None:
        share = say(own.number("own_model_answers"), "share")
        reasons.append(f"its own model answered up to {share} of them ({own.scenario})")
    most = _most(cells, lambda cell: cell.number("amplification"))
    if most is not None and (most.number("amplification") or 1.0) >= 1.2:
        reasons.append(
            f"up to {say(most.number('amplification'), 'ratio')} attempts per call ({most.scenario})"
        )
    return tuple(reasons)


def _most(cells: Sequence[MatrixCell], value: Callable[[MatrixCell], float | None]) -> MatrixCell | None:
    known = [cell for cell in cells if value(cell) is not None]
    return max(known, key=lambda cell: value(cell) or 0.0) if known else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
