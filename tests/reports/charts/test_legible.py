"""That every chart can be read: nothing leaves the picture, no label covers another, no two ticks say the same."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from windtunnel.reports.charts import ClientView, RunView, Span, draw
from windtunnel.reports.charts.durations import moment, tick_step, unit_of

SLACK = 1.0
TWO = ("one", "another-client-whose-name-is-rather-long-and-goes-on-and-on")


def client(name: str, length: float, *, waits: tuple[float, float], recover_s: float | None) -> ClientView:
    """A client with 200 calls over `length`, each followed by a retry, whose waits are between `waits`."""
    due = np.linspace(0, length, 200, endpoint=False)
    rows = pd.DataFrame(
        {
            "intended_s": due,
            "phase": np.where(due < length / 2, "before", "after"),
            "outcome": "ok",
            "good": True,
        }
    )
    served = pd.DataFrame(
        {
            "arrived_s": np.concatenate([due, due + length / 400]),
            "attempt": [0] * 200 + [1] * 200,
            "queue_depth": 3.0,
            "in_flight": 2.0,
            "delay_s": [0.0] * 200 + [length / 400] * 200,
        }
    )
    spread = np.geomspace(*waits, 200)
    return ClientView(
        name, rows, served, spread, spread, recovered=recover_s is not None, recover_s=recover_s
    )


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is rendered while the test runs."""
    seen: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *args: Any, **options: Any) -> None:
        seen.append(self)
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return seen


@pytest.mark.parametrize(
    ("names", "length", "deadline", "waits", "recover_s"),
    [
        (TWO, 3.0, 0.5, (0.05, 0.6), 1.4),
        (TWO, 50.0, 10.0, (0.2, 9.5), 24.0),
        (TWO[:1], 60.0, 11.5, (0.9, 11.4), None),
        (TWO, 1200.0, 30.0, (0.002, 550.0), 0.0),
        (TWO[:1], 86_400.0, 20.0, (0.3, 19.0), 43_000.0),
        (TWO, 14 * 86_400.0, 20.0, (0.3, 4000.0), None),
    ],
)
def test_charts_of_any_length_are_legible(
    figures: list[Figure],
    names: tuple[str, ...],
    length: float,
    deadline: float,
    waits: tuple[float, float],
    recover_s: float | None,
) -> None:
    """From seconds to weeks, with one client or two, every text is whole, and ticks differ and do not touch."""
    spans = (Span("before", 0.0, length / 2, True), Span("after", length / 2, length, False))
    views = tuple(client(name, length, waits=waits, recover_s=recover_s) for name in names)
    drawn = draw(RunView(spans, views, deadline)).all()
    assert len(figures) == len(drawn)
    for figure, chart in zip(figures, drawn, strict=True):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        assert cut(figure, renderer) == [], chart.name
        for axes in figure.axes:
            assert muddled(axes, renderer) == [], chart.name


def cut(figure: Figure, renderer: RendererAgg) -> list[str]:
    """The texts that reach beyond the picture."""
    width, height = figure.canvas.get_width_height()
    found = []
    undrawn = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    for text in set(figure.findobj(Text)) - undrawn:
        assert isinstance(text, Text)
        if not text.get_visible() or not text.get_text():
            continue
        box = text.get_window_extent(renderer)
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK:
            found.append(f"{text.get_text()} at {box.extents.round()} in {width} × {height}")
    return found


def muddled(axes: Axes, renderer: RendererAgg) -> list[str]:
    """The tick labels that touch the next one, or say the same as another."""
    found = []
    for axis, along in ((axes.xaxis, 0), (axes.yaxis, 1)):
        low, high = sorted(axis.get_view_interval())
        labels = [
            tick.label1
            for tick in axis.get_major_ticks()
            if low <= tick.get_loc() <= high and tick.label1.get_visible() and tick.label1.get_text()
        ]
        boxes = [label.get_window_extent(renderer) for label in labels]
        found += [f"twice {a.get_text()}" for a, b in combinations(labels, 2) if a.get_text() == b.get_text()]
        for (one, first), (other, second) in pairwise(zip(labels, boxes, strict=True)):
            if first.max[along] > second.min[along] + SLACK and second.max[along] > first.min[along]:
                found.append(f"{one.get_text()} touches {other.get_text()}")
    return found


@pytest.mark.parametrize(
    ("length", "unit", "step", "end"),
    [
        (50, "seconds", 10, "50"),
        (300, "seconds", 60, "300"),
        (1200, "minutes", 300, "20"),
        (3 * 3600, "hours", 1800, "3"),
        (86_400, "hours", 3 * 3600, "24"),
        (10 * 86_400, "days", 2 * 86_400, "10"),
    ],
)
def test_a_long_run_is_counted_in_hours(length: float, unit: str, step: float, end: str) -> None:
    """The axis is in the unit that a person would use, with few and round ticks."""
    assert unit_of(length).name == unit
    assert tick_step(length) == step
    assert moment(length, length) == end
