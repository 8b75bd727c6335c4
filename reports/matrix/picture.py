"""heatmap.svg: the share of good calls, clients × scenarios, for a slide or a README."""

from __future__ import annotations

from html import escape
from typing import Final

from windtunnel.reports.charts.palette import AXIS, BAD, FONT, GOOD, GRID, INK, MUTED, SURFACE
from windtunnel.reports.matrix.model import COUNTS, Matrix, MatrixCell
from windtunnel.reports.matrix.shades import Shade, shade

NAME_PX: Final = 170
WIDE_PX: Final = 118
HIGH_PX: Final = 30
TOP_PX: Final = 64
STRONGEST: Final = 0.7
BROKEN: Final = 0.0005


def heatmap(matrix: Matrix, clients: tuple[str, ...]) -> str:
    """The picture; rows are in the order of `clients`."""
    width = NAME_PX + WIDE_PX * len(matrix.scenarios) + 12
    bottom = TOP_PX + HIGH_PX * len(clients)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 34}" width="{width}" '
        f'height="{bottom + 34}" font-family="{escape(FONT)}" font-size="13" fill="{INK.light}">',
        "<title>Share of good calls, clients by scenarios</title>",
        f'<rect width="100%" height="100%" fill="{SURFACE.light}"/>'
        f'<defs><pattern id="h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="{SURFACE.light}"/><rect width="2" height="6" fill="{GRID.light}"/>'
        "</pattern></defs>",
        '<text x="12" y="22" font-size="15" font-weight="700">Good calls (%, more is better)</text>',
    ]
    for column, scenario in enumerate(matrix.scenarios):
        at = NAME_PX + WIDE_PX * column + WIDE_PX / 2
        parts.append(
            f'<text x="{at}" y="{TOP_PX - 10}" text-anchor="middle" fill="{MUTED.light}">{escape(scenario.name)}</text>'
        )
    for row, client in enumerate(clients):
        y = TOP_PX + HIGH_PX * row
        parts.append(f'<text x="12" y="{y + 20}">{escape(client)}</text>')
        for column, scenario in enumerate(matrix.scenarios):
            cell = matrix.cells.get((scenario.name, client))
            parts.append(_field(shade(matrix, cell, "goodput"), cell, NAME_PX + WIDE_PX * column, y))
    parts.append(
        f'<text x="12" y="{bottom + 22}" fill="{MUTED.light}">✗ calls were not good again after the fault'
        " · ! broken answers were taken for good · hatched: not known</text></svg>"
    )
    return "\n".join(parts) + "\n"


def marks(cell: MatrixCell | None) -> str:
    """✗ where calls did not become good again after the fault, ! where broken answers went unnoticed."""
    if cell is None or cell.state not in COUNTS:
        return ""
    broken = (cell.number("silent_corruption") or 0.0) > BROKEN
    return " ".join(sign for sign, there in (("✗", cell.never_recovered), ("!", broken)) if there)


def colour(bad: float) -> str:
    """Blue for good and orange for bad, pale in the middle: told apart with any common colour blindness."""
    strongest, share = (GOOD, 1 - 2 * bad) if bad < 0.5 else (BAD, 2 * bad - 1)
    base, end = _channels(SURFACE.light), _channels(strongest.light)
    mixed = (round(b + (e - b) * share * STRONGEST) for b, e in zip(base, end, strict=True))
    return "#" + "".join(f"{one:02x}" for one in mixed)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _field(one: Shade, cell: MatrixCell | None, x: float, y: float) -> str:
    fill = "url(#h)" if one.hatched else SURFACE.light if one.bad is None else colour(one.bad)
    words = " ".join(part for part in (marks(cell), one.text) if part)
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{WIDE_PX - 2}" height="{HIGH_PX - 2}" fill="{fill}" '
        f'stroke="{AXIS.light}" stroke-width="0.5"/><text x="{x + WIDE_PX / 2}" y="{y + 20}" text-anchor="middle">'
        f"{escape(words)}</text>"
    )
