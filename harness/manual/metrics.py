"""The metric reference in the manual of the reports, written from the contract's table of metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from windtunnel.harness.contract.metrics import METRICS, Metric

_POINT: Final = re.compile(r"(\w+?)_(p\d+|max)_s")
_WHERE: Final = {"phase": "run, phase", "overall": "run", "repeats": "all repeats"}


def build_metric_reference() -> str:
    """Return the table of metrics as Markdown; the percentiles of one quantity share a row."""
    rows = ["| name | definition | unit | better | floor | of |", "| --- | --- | --- | --- | --- | --- |"]
    for names, metric, definition in _rows():
        better = metric.better or ""
        floor = metric.floor.text(metric.unit) if better else ""
        rows.append(
            f"| {names} | {definition} | {metric.unit} | {better} | {floor} | {_WHERE[metric.scope]} |"
        )
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
