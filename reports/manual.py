"""The metric reference in README.md, written from the table of metrics: `python -m windtunnel.reports.manual` renews
it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from windtunnel.reports.metrics import METRICS, Metric

README: Final = Path(__file__).with_name("README.md")
_BEGIN: Final = "<!-- metrics: written by `python -m windtunnel.reports.manual` -->"
_END: Final = "<!-- end of metrics -->"
_POINT: Final = re.compile(r"(\w+?)_(p\d+|max)_s")
_WHERE: Final = {"phase": "run, phase", "overall": "run", "repeats": "all repeats"}


def metrics_reference() -> str:
    """The table of metrics as Markdown; the percentiles of one quantity share a row."""
    rows = ["| name | definition | unit | better | of |", "| --- | --- | --- | --- | --- |"]
    for names, metric, definition in _rows():
        better = metric.better or ""
        rows.append(f"| {names} | {definition} | {metric.unit} | {better} | {_WHERE[metric.scope]} |")
    return "\n".join(rows)


def _rows() -> Iterator[tuple[str, Metric, str]]:
    families: dict[str, list[str]] = {}
    for name in METRICS:
        point = _POINT.fullmatch(name)
        families.setdefault(point[1] if point else name, []).append(point[2] if point else name)
    for family, points in families.items():
        if points == [family]:
            yield f"`{family}`", METRICS[family], METRICS[family].definition
        else:
            metric = METRICS[f"{family}_{points[0]}_s"]
            quantity = metric.definition.partition(" of ")[2]
            yield f"`{family}_{{{','.join(points)}}}_s`", metric, quantity[0].upper() + quantity[1:]


def renewed(text: str) -> str:
    """`text` with what stands between the marks replaced by today's table. Raises ValueError without marks."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"found no marks, expected the lines '{_BEGIN}' and '{_END}'")
    return f"{before}{begin}\n{metrics_reference()}\n{end}{after}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
