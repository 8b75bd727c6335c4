"""What many seeds say together: quantiles, extremes with their seeds, shares, and how that is put."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import pytest

from tests.reports.tables import STORM, attempt, cell_plan, even_calls, quiet_lags, write_run
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.build import write_report
from windtunnel.reports.charts.spread import Picture, spread
from windtunnel.reports.charts.svg import settings
from windtunnel.reports.figures.metrics_json import as_json
from windtunnel.reports.figures.model import (
    CellFigures,
    ClientFigures,
    Extreme,
    NumberSpread,
    RunFigures,
    Spread,
    TruthSpread,
)
from windtunnel.reports.figures.schema import metrics_schema
from windtunnel.reports.figures.seeds import held_over_seeds, median_repeat, over_seeds
from windtunnel.reports.gate.expectations import HeldSeeds, parse
from windtunnel.reports.metrics.figure import Figure, Value
from windtunnel.reports.page.seeds import _groups

FIRST = 100


def cell(n: int, client: str = "x", **overall: Value) -> CellFigures:
    """The figures of the cell of seed FIRST + n."""
    figures = {name: Figure(value) for name, value in overall.items()}
    return CellFigures(client=client, repeat=n, seed=FIRST + n, overall=figures, phases={"after": figures})


def numbers(spread: Spread) -> NumberSpread:
    assert isinstance(spread, NumberSpread)
    return spread


def test_quantiles_are_values_of_seeds_and_extremes_name_theirs() -> None:
    """Of 1 to 100 the 5th percentile is 5, the median 50, the 95th 95; least and most carry their seed."""
    cells = [cell(n, wasted_work=float((37 * n) % 100 + 1)) for n in range(100)]
    found = over_seeds(cells)
    least = next(c.seed for c in cells if c.value("wasted_work") == 1.0)
    most = next(c.seed for c in cells if c.value("wasted_work") == 100.0)
    assert least is not None
    assert most is not None
    points = {"p5": 5.0, "p50": 50.0, "p95": 95.0}
    assert found["wasted_work"] == NumberSpread(100, points, Extreme(1.0, least), Extreme(100.0, most))
    assert found["wasted_work@after"] == found["wasted_work"]


def test_of_equal_extremes_the_first_seed_is_named() -> None:
    """Where all seeds agree, both extremes are those of the first seed."""
    found = numbers(over_seeds([cell(n, goodput=0.5) for n in (2, 0, 1)])["goodput"])
    assert (found.least.seed, found.most.seed) == (FIRST, FIRST)


def test_never_recovering_is_longer_than_any_time() -> None:
    """Seeds that never recover count as the longest, are null, and are counted; unknown ones are left out."""
    cells = [cell(n, recovered=n < 3, time_to_recover_s=float(n) if n < 3 else None) for n in range(5)]
    cells.append(cell(5, recovered=None, time_to_recover_s=None))
    found = over_seeds(cells)
    time = numbers(found["time_to_recover_s"])
    assert (time.count, time.points["p50"], time.points["p95"]) == (5, 2.0, None)
    assert (time.most, time.never) == (Extreme(None, FIRST + 3), 2)
    assert found["recovered"] == TruthSpread(5, 0.6, (100, 101, 102), (103, 104))


def test_a_metric_that_no_seed_has_is_absent() -> None:
    """Null everywhere is no distribution."""
    assert over_seeds([cell(0, hang_p50_s=None, goodput=1.0)]).keys() == {"goodput", "goodput@after"}


@pytest.mark.parametrize(
    ("text", "held", "failed", "undecided"),
    [
        ("goodput >= 0.7", 3, [100, 101, 102, 103, 104, 105, 106], 0),
        ("goodput@after >= 0", 10, [], 0),
        ("goodput@nowhere >= 0", 0, [], 10),
        ("wait_max_s <= 9", 0, [], 10),
    ],
)
def test_an_expectation_is_judged_seed_by_seed(
    text: str, held: int, failed: list[int], undecided: int
) -> None:
    """How many seeds hold it, and which do not; what is null or absent in a seed is undecided there."""
    cells = [cell(n, goodput=n / 10, wait_max_s=None) for n in range(10)]
    assert held_over_seeds(parse(text), "x", cells) == HeldSeeds(10, held, tuple(failed), undecided)


def test_the_median_repeat_is_one_that_every_client_played() -> None:
    """The typical seed is in the middle by good calls of all clients, and is not one that was cut off."""
    cells = [cell(n, c, goodput=good) for n, good in enumerate((0.1, 0.9, 0.5)) for c in ("x", "y")]
    assert median_repeat([*cells, cell(3, "x", goodput=0.0)]) == 2


@pytest.mark.parametrize(
    "values",
    [(), (1.0,), (math.inf,), (1.0, math.inf), tuple(float(n % 7) for n in range(200)), (0.0,) * 40],
)
def test_any_sample_can_be_drawn(values: tuple[float, ...]) -> None:
    """None, one, never, few as dots, many as a shape, all alike: each has a picture, and words for it."""
    with settings():
        drawn = spread(Picture("goodput", "Good <calls>", "%", (("one", values), ("two", (1.0, 2.0, 3.0)))))
    assert drawn.inline.startswith("<svg")
    assert "two median 2" in drawn.alt
    lost = sum(map(math.isinf, values))
    assert (f"never: {lost}" in drawn.inline) == bool(lost)


def over(folder: Path, seeds: int, asked: int) -> Path:
    """A run of two clients over `asked` seeds, of which `seeds` were played: in every third one `stuck` recovers."""
    cells = []
    for n in range(seeds):
        for client in ("steady", "stuck"):
            spans = [(0.0, 70.0)] if client == "steady" or n % 3 == 0 else [(0.0, 20.0)]
            calls, answers = even_calls(10.0, 70.0, spans)
            attempts = [attempt(row["call_id"], 0, row["intended_s"], row["ended_s"]) for row in calls]
            tables = {"calls": calls, "served": answers, "attempts": attempts, "lags": quiet_lags(75)}
            plan = cell_plan(STORM, client=client, repeat=n) | {"clock": "virtual", "run_seed": FIRST + n}
            cells.append((plan, tables))
    path = write_run(folder, cells, expect=["goodput@after >= 0.95"])
    plan = json.loads((path / "plan.json").read_text())
    missing = [
        cell_plan(STORM, client="steady", repeat=n) | {"run_seed": FIRST + n} for n in range(seeds, asked)
    ]
    plan |= {"clock": "virtual", "seeds": asked, "seed": FIRST, "cells": plan["cells"] + missing}
    (path / "plan.json").write_text(json.dumps(plan))
    return path


def test_a_report_over_seeds(tmp_path: Path) -> None:
    """Page, Markdown and metrics.json have the section: shares, extremes with seeds, a command for each."""
    result = write_report(over(tmp_path / "run", 4, 4))
    metrics = as_json(result.figures)
    jsonschema.validate(metrics, metrics_schema())
    assert not result.partial
    assert metrics["clients"]["stuck"]["seeds"]["recovered"]["share"] == 0.5
    assert metrics["clients"]["stuck"]["seeds"]["goodput"]["max"]["seed"] == FIRST
    asked = {entry["client"]: entry["seeds"]["held"] for entry in metrics["expectations"]}
    assert asked == {"steady": 4, "stuck": 2}
    assert "seeds" not in METRICS
    page, text = result.path.read_text(), (tmp_path / "run" / "summary.md").read_text()
    for found in (page, text):
        assert "Over 4 seeds" in found
        assert "Recovered in 2 of 4 seeds" in found
        assert f"windtunnel run {(tmp_path / 'run' / 'plan.json').absolute()} --clients" in found
    assert f"--clients stuck --seed {FIRST + 1}" in page
    assert f"seed {FIRST + 1}" in text
    assert (tmp_path / "run" / "charts" / "spread-goodput.svg").is_file()


def test_many_cells_are_measured_like_few_and_unplayed_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In worker processes the figures are the same; cells that never began make the run partial, not invalid."""
    whole = write_report(over(tmp_path / "few", 3, 3)).figures
    monkeypatch.setattr("windtunnel.reports.figures.cells.FEW", 2)
    heard: list[tuple[int, int]] = []
    result = write_report(
        over(tmp_path / "many", 3, 5), on_progress=lambda done, of: heard.append((done, of))
    )
    assert heard[-1] == (6, 6)
    assert result.figures.cells == whole.cells
    assert result.figures.clients == whole.clients
    assert (result.partial, result.valid) == (True, True)
    assert "2 plays" in (tmp_path / "many" / "summary.md").read_text()


def test_a_row_says_over_how_many_seeds_it_is() -> None:
    """Where some seeds have no value, the row of the page says so; else it says nothing."""
    cells = tuple(
        cell(n, goodput=0.5, time_to_recover_s=1.0 if n else None, recovered=True if n else None)
        for n in range(3)
    )
    known = ClientFigures(overall=cells[1].overall, phases={}, seeds=over_seeds(cells))
    figures = RunFigures(scenario="s", seed=FIRST, seeds=3, clients={"x": known}, cells=cells)
    over = {group.text: group.lines[0].over for group in _groups(figures)}
    assert over["Good calls"] == ""
    assert over["Time to recover after the fault"] == "known in 2 of 3 seeds"
