"""index.html and summary.md of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.charts.svg import slug
from windtunnel.reports.matrix.changes import changes
from windtunnel.reports.matrix.model import HEADLINES, Matrix
from windtunnel.reports.matrix.picture import BROKEN, marks
from windtunnel.reports.matrix.ranking import HOW, rank
from windtunnel.reports.matrix.shades import SCALES, Shade, shade
from windtunnel.reports.page.html import rendered
from windtunnel.reports.page.labels import label
from windtunnel.reports.page.markdown import table, text

STRONGEST = 70
"""Per cent of the colour in the surface's: text on it stays legible."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a heatmap on the page: its link (empty: none), its style, and its signs."""

    shade: Shade
    href: str
    style: str
    signs: str

    @property
    def words(self) -> str:
        """Signs and value."""
        return " ".join(part for part in (self.signs, self.shade.text) if part)


@dataclass(frozen=True, slots=True)
class Heatmap:
    """The heatmap of one metric: a row per client."""

    name: str
    title: str
    direction: str
    scale: str
    definition: str
    rows: tuple[tuple[str, tuple[Field, ...]], ...]


def matrix_page(matrix: Matrix) -> str:
    """The page."""
    ranking = rank(matrix)
    return rendered(
        "matrix.html.j2",
        m=matrix,
        heatmaps=_heatmaps(matrix),
        ranking=ranking,
        how=HOW,
        changes={one.client: found for one in ranking if (found := changes(matrix)[one.client])},
        headline=headline(matrix),
    )


def matrix_summary(matrix: Matrix) -> str:
    """The same in Markdown, short enough for a pull request."""
    parts = [
        f"# windtunnel: {len(matrix.clients)} clients × {len(matrix.scenarios)} scenarios",
        text(headline(matrix)),
    ]
    for one in _heatmaps(matrix):
        rows = [
            [text(client), *(f"[{text(f.words)}]({f.href})" if f.href else text(f.words) for f in fields)]
            for client, fields in one.rows
        ]
        head = ["Client", *(text(scenario.name) for scenario in matrix.scenarios)]
        parts += [f"## {text(one.title)}: {one.direction}", table(head, rows)]
    lines = [
        f"{'–' if one.place is None else one.place}. **{text(one.client)}**: {text(one.sentence)}"
        for one in rank(matrix)
    ]
    parts += ["## Ranking", HOW, "\n".join(f"- {line}" for line in lines), "## What to change"]
    for client, found in changes(matrix).items():
        if found:
            told = [
                f"- {one.mark} {text(one.finding['sentence'])} {text(one.finding['cure'])}"
                + (f" `{one.setting}`" if one.setting else "")
                + f" ({text(', '.join((one.scenario, *one.finding['calls'])))})"
                for one in found
            ]
            parts += [f"### {text(client)}", "\n".join(told)]
    if matrix.left_out:
        parts += ["## Left out", "\n".join(f"- {text(_left_out(one))}" for one in matrix.left_out)]
    return "\n\n".join(parts) + "\n"


def headline(matrix: Matrix) -> str:
    """One sentence over all: who does not recover from a fault, and who takes broken answers for good."""
    cells = matrix.cells.values()
    stuck = sorted({cell.client for cell in cells if cell.never_recovered})
    broken = sorted({cell.client for cell in cells if (cell.number("silent_corruption") or 0.0) > BROKEN})
    count = len(matrix.clients)
    parts = []
    if stuck:
        verb = "does" if len(stuck) == 1 else "do"
        parts.append(f"{len(stuck)} of {count} clients {verb} not recover after a fault ({', '.join(stuck)})")
    if broken:
        verb = "takes" if len(broken) == 1 else "take"
        parts.append(f"{len(broken)} of {count} {verb} broken answers for good ones")
    said = (
        ", and ".join(parts)
        or f"All of {count} clients recover after a fault, and none takes a broken answer for good"
    )
    return f"{said}."


def _left_out(one: Mapping[str, str]) -> str:
    where = f" in {one['scenario']}" if one.get("scenario") else ""
    return f"{one['client']}{where}: {one['reason']}"


def _heatmaps(matrix: Matrix) -> list[Heatmap]:
    there = [name for name in HEADLINES if any(name in cell.figures for cell in matrix.cells.values())]
    return [_heatmap(matrix, name) for name in there or HEADLINES[:1]]


def _heatmap(matrix: Matrix, name: str) -> Heatmap:
    metric = METRICS[name]
    rows = []
    for ranked in rank(matrix):
        fields = []
        for scenario in matrix.scenarios:
            cell = matrix.cells.get((scenario.name, ranked.client))
            one = shade(matrix, cell, name)
            href = ""
            if cell is not None and cell.state != "not_played" and scenario.has_report:
                href = f"{quote(scenario.name)}/report.html#{slug(f'timeline-{ranked.client}')}"
            signs = marks(cell) if name == "goodput" else ""
            fields.append(Field(one, href, _style(one), signs))
        rows.append((ranked.client, tuple(fields)))
    direction = "more is better" if metric.better == "higher" else "less is better"
    return Heatmap(name, label(name).whole, direction, SCALES[name], metric.definition, tuple(rows))


def _style(one: Shade) -> str:
    """Blue for good and orange for bad, pale in the middle; hatched where nothing is known."""
    if one.bad is None:
        return "hatched" if one.hatched else "plain"
    name, share = ("good", 1 - 2 * one.bad) if one.bad < 0.5 else ("bad", 2 * one.bad - 1)
    return f"background:color-mix(in srgb,var(--wt-{name}) {share * STRONGEST:.0f}%,var(--wt-surface))"
