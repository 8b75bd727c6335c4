"""The table of regions: how each client fared with each of them."""

from __future__ import annotations

from typing import Final, TypeAlias

from windtunnel.reports.charts.view import RunView
from windtunnel.reports.metrics.regions import RegionCounts
from windtunnel.reports.page.labels import say

HEADS: Final = (
    "requests",
    "per second",
    "refused",
    "no whole answer",
    "never sent",
    "calls",
    "good calls",
    "95 % of the good ones within",
    "connections opened",
)
"""The columns, in the order of `cells`."""

RegionRows: TypeAlias = tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]
"""(Region, ((client, what its row says), …)), in the order of the provider and of the run."""


def region_rows(run: RunView) -> RegionRows:
    """A row for each client that had to do with a region, region by region."""
    return tuple(
        (
            name,
            tuple(
                (view.client, cells(one.counts))
                for view in run.clients
                for one in view.regions
                if one.name == name and (one.counts.requests or one.counts.unsent or one.counts.calls)
            ),
        )
        for name in run.regions
    )


def cells(counts: RegionCounts) -> tuple[str, ...]:
    """What a row says; a dot where there is nothing to count, a dash where nothing is known."""
    return (
        f"{counts.requests:,}",
        f"{counts.per_second:.1f}",
        _share(counts.refused, counts.requests),
        _share(counts.broken, counts.requests),
        f"{counts.unsent:,}" if counts.unsent else "·",
        f"{counts.calls:,}" if counts.calls else "·",
        _share(counts.good, counts.calls, zero="0 %"),
        "–" if counts.p95_s is None else say(counts.p95_s, "seconds"),
        "–" if counts.connections is None else f"{counts.connections:,}",
    )


def _share(part: int, whole: int, zero: str = "·") -> str:
    """A share of `whole`; a dot where there is no whole, `zero` for no part of it."""
    if not whole:
        return "·"
    return say(part / whole, "share") if part else zero
