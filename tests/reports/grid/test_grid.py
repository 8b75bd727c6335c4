"""The grid: which cell of a column is best, how sure that is, and what timeouts would have cut."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tests.reports.tables import attempt, call, make_cell, served
from windtunnel.reports.figures.cell import figures_of
from windtunnel.reports.grid.best import best_of
from windtunnel.reports.grid.files import grid_csv, grid_json
from windtunnel.reports.grid.model import Best, CellSample, Grid, GridCell, Setting
from windtunnel.reports.grid.sample import grid_metric, sample
from windtunnel.reports.grid.timeouts import Cut, LayerTimes, times_of
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.page.grid_tables import grid_text
from windtunnel.reports.read.outcomes import judge

POOLS: tuple[Setting, ...] = (5, 10, None)
METRIC = "wait_p95_s"


def cell(pool: Setting, value: float, *, noise: float = 0.0, seed: int = 0, **more: Any) -> GridCell:
    """A cell whose metric is `value` in every stretch, give or take `noise`."""
    series = value + noise * np.random.default_rng(seed).standard_normal(12)
    parts = {"pool": more.pop("waited", 0.0), "opening": 0.0, "headers": 0.1, "body": 0.2}
    facts = {"goodput": 1.0, "sample": CellSample(tuple(series), parts, 0.01), **more}
    at = {"region": "near", "pool": pool}
    name = f"c~region=near,pool={'none' if pool is None else pool}"
    return GridCell(name, "c", at, Figure(value), series=tuple(series), **facts)


def best(*cells: GridCell, metric: str = METRIC) -> Best:
    return best_of("c", "near", cells, metric, {"pool": POOLS})


def grid(*cells: GridCell) -> Grid:
    values: Mapping[str, tuple[Setting, ...]] = {"region": ("near",), "pool": POOLS}
    return Grid(METRIC, "region", "pool", (), values, ("c",), cells, (best(*cells),), "stretches")


def said(
    *cells: GridCell, times: Mapping[str, LayerTimes] | None = None, timeouts: Sequence[float] = ()
) -> str:
    return grid_text(grid(*cells), times or {}, timeouts).answers[0].text


def test_a_clear_winner_has_its_margin_over_the_next() -> None:
    """One cell that is better in every stretch is the best, and the next one says by how much."""
    found = best(
        cell(5, 2.0, noise=0.1), cell(10, 1.0, noise=0.1, seed=1), cell(None, 1.5, noise=0.1, seed=2)
    )
    assert found.best is found.chosen is not None
    assert found.best.at["pool"] == 10
    assert found.alike == ()
    assert found.next_best is not None
    assert found.next_best.at["pool"] is None
    assert found.margin == pytest.approx(1 / 3)


def test_of_equals_the_smallest_is_chosen() -> None:
    """Cells that differ by chance alone are alike; no limit is the largest of sizes."""
    noisy = [cell(pool, 1.0 + i / 20, noise=0.5, seed=i) for i, pool in enumerate((None, 10, 5))]
    found = best(*noisy)
    assert found.best is noisy[0]
    assert found.chosen is noisy[2]
    assert {one.name for one in found.alike} == {one.name for one in noisy[1:]}
    assert found.next_best is None
    text = said(*noisy)
    told = "near: pool 5: 1.10 s; 2 others are as good within chance, 20 ms or 5 %, the best pool without a limit: 1 s."
    assert text.startswith(told)


def test_what_is_sure_and_too_small_to_matter_is_alike() -> None:
    """A difference of one per cent in every stretch is real, and no reason for a larger pool."""
    found = best(cell(10, 1.01), cell(None, 1.0))
    assert found.chosen is not None
    assert found.chosen.at["pool"] == 10


def test_a_difference_that_nothing_is_known_of_is_no_equality() -> None:
    """Without stretches or repeats nobody can say that two cells are alike."""
    found = best(cell(5, 2.0), GridCell("x", "c", {"pool": 10}, Figure(1.0), 1.0))
    assert found.alike == ()
    assert found.margin == pytest.approx(0.5)


def test_cells_with_fewer_good_calls_are_no_candidates() -> None:
    """Of the few calls that are answered times look short: such a cell is never the best, nor is a broken one."""
    few = cell(5, 0.1, goodput=0.5)
    late = cell(10, 0.2, trouble="not valid")
    fine = cell(None, 1.0)
    found = best(few, late, fine)
    assert found.best is fine
    assert found.able == (fine,)
    assert "2 of its 3 cells had fewer good calls, or no valid figure" in said(few, late, fine)
    nobody = best(few, late)
    assert (nobody.best, nobody.chosen) == (None, None)
    assert said(few, late).startswith("near: no cell can be recommended")
    assert best(few, fine, metric="goodput").best is not None


def test_the_worst_cell_says_what_its_time_went_into() -> None:
    """The part of an attempt's time that makes most of the difference is the reason."""
    text = said(cell(5, 3.0, waited=2.0, goodput=0.93), cell(10, 1.0))
    assert "With pool 5 an attempt took 2 s longer (mean), 2 s of it waiting for a connection" in text


def test_timeouts_are_judged_by_times() -> None:
    """The smallest timeout that cuts at most one in a thousand is told, and where too few were seen, how many."""
    took = np.linspace(0.001, 1.0, 1000)
    times = LayerTimes({"read": took, "connect": np.array([0.1] * 20), "pool": np.zeros(1000)})
    cuts = {(cut.layer, cut.seconds): cut for cut in times.cuts([1.0, 0.5])}
    assert cuts["read", 0.5] == Cut("read", 0.5, 500, 1000)
    assert ("pool", 0.5) not in cuts, "nobody ever waited for it"
    # Clopper and Pearson's upper end for none of 20: 1 - (0.025)^(1/20)
    assert cuts["connect", 0.5].most == pytest.approx(1 - 0.025 ** (1 / 20))
    assert {layer: cut.seconds for layer, cut in times.safe([0.5, 1.0]).items()} == {
        "read": 1.0,
        "connect": 0.5,
    }
    assert times.with_openings([0.1] * 1000).safe([0.5])["connect"].seconds == 0.5
    one = cell(10, 1.0)
    assert "cut at most 0.1 %: read 1 s, connect 500 ms (of only 20)." in said(
        one, times={one.name: times}, timeouts=[0.5, 1.0]
    )
    assert "None of the timeouts" in said(one, times={one.name: times}, timeouts=[0.01])


def test_files() -> None:
    """grid.csv has a row for each cell with its coordinates, metrics.json what is best."""
    found = grid(cell(5, 2.0, goodput=0.4), cell(None, 1.0))
    rows = list(csv.DictReader(io.StringIO(grid_csv(found))))
    assert [(row["pool"], row[METRIC], row["candidate"], row["best"]) for row in rows] == [
        ("5", "2", "false", "false"),
        ("null", "1", "true", "true"),
    ]
    assert grid_json(found)["best"] == [
        {
            "client": "c",
            "column": "near",
            "best": "c~region=near,pool=none",
            "chosen": "c~region=near,pool=none",
            "alike": [],
            "next": None,
            "margin": None,
        }
    ]


def test_heatmap() -> None:
    """Each field has its value; the best is blue, what is twice as bad orange, what is no candidate hatched."""
    text = grid_text(grid(cell(5, 0.5, goodput=0.1), cell(10, 1.0), cell(None, 2.0)), {}, ())
    ((five,), (ten,), (no_limit,)) = [fields for _, fields in text.panels[0].rows]
    assert (five.text, five.style) == ("500 ms", "")
    assert ten.text == "✓ ★ 1 s"
    assert "--wt-good" in ten.style
    assert "--wt-bad" in no_limit.style
    assert [row for row, _ in text.panels[0].rows] == ["pool 5", "pool 10", "pool without a limit"]


def answered(at_s: float) -> dict[str, float]:
    """Headers after 0.2 s, the body 0.3 s later."""
    return {"headers_s": at_s + 0.4, "first_byte_s": at_s + 0.7}


def test_a_sample_of_a_cell() -> None:
    """The metric in stretches of time, and the mean of what an attempt's time went into."""
    calls = [call(f"c{i}", i / 10, i / 10 + 0.5 + (i >= 50)) for i in range(100)]
    tries = [
        attempt(f"c{i}", 1, i / 10 + 0.2, i / 10 + 0.9, pool_wait_s=0.1, **answered(i / 10))
        for i in range(100)
    ]
    judged = judge(make_cell(calls, [served(f"c{i}", 0, i / 10) for i in range(100)], tries))
    scenario = {"load": {"stream": False}, "grid": {"metric": None}}
    assert grid_metric(scenario) == METRIC
    found = sample(judged, figures_of(judged, scenario), scenario)
    assert found.stretches == pytest.approx((0.5, 0.5, 1.5, 1.5, 1.5), abs=1e-6)
    assert found.parts["pool"] == pytest.approx(0.1)
    assert found.parts["headers"] == pytest.approx(0.2)
    assert found.parts["body"] == pytest.approx(0.5)
    times = times_of(judged, figures_of(judged, scenario), scenario)
    assert times.by_layer["read"] == pytest.approx(np.full(100, 0.3), abs=1e-6)
    assert times.by_layer["total"][0] == pytest.approx(0.5)
