"""Writes the matrix of several runs: index.html, summary.md, matrix.json and heatmap.svg."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.reports.matrix.as_json import matrix_json
from windtunnel.reports.matrix.model import Matrix
from windtunnel.reports.matrix.page import matrix_page, matrix_summary
from windtunnel.reports.matrix.picture import heatmap
from windtunnel.reports.matrix.ranking import Ranked, rank
from windtunnel.reports.matrix.read import read_matrix


@dataclass(frozen=True, slots=True)
class WrittenMatrix:
    """What was written, and the ranking in it."""

    matrix: Matrix
    ranking: tuple[Ranked, ...]

    def lines(self) -> list[str]:
        """The ranking for a terminal, a line each."""
        return [
            f"{'–' if one.place is None else one.place}. {one.client}: {one.sentence}" for one in self.ranking
        ]


def write_matrix(folder: Path) -> WrittenMatrix:
    """Write the matrix of the runs in `folder` into it. Raises `RunDirectoryError` if it is no such folder."""
    matrix = read_matrix(folder)
    ranking = rank(matrix)
    write_json(folder / "matrix.json", matrix_json(matrix), indent=1)
    write_whole(folder / "index.html", matrix_page(matrix))
    write_whole(folder / "summary.md", matrix_summary(matrix))
    write_whole(folder / "heatmap.svg", heatmap(matrix, tuple(one.client for one in ranking)))
    return WrittenMatrix(matrix, ranking)
