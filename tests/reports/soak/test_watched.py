"""From watch files to series: on the grid of the soak, without the holes, each type of objects from the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from windtunnel.harness.contract.watch import (
    InsideView,
    OutsideView,
    WatchMark,
    WatchSample,
    WatchWriter,
)
from windtunnel.reports.soak.cycles import CyclePhase
from windtunnel.reports.soak.judge import SoakSeries, judge_all
from windtunnel.reports.soak.watched import watched_series, without_holes

EDGES = np.arange(0.0, 61.0, 10.0)
AT_S = EDGES[:-1] + 5


def outside(at_s: float, rss: int, cpu_s: float, **sockets: int) -> WatchSample:
    return WatchSample(at_s, OutsideView(rss, cpu_s, 9, 2, 1, sockets))


def inside(at_s: float, top: dict[str, int], tasks: int = 4) -> WatchSample:
    return WatchSample(at_s, None, InsideView(tasks, 0.01, sum(top.values()), None, top, 0))


def write(folder: Path, *samples: WatchSample, limits: dict[str, float] | None = None) -> None:
    folder.mkdir(exist_ok=True)
    with WatchWriter(folder, "polite", 0.0, limits) as writer:
        for sample in samples:
            writer.sample(sample)


def test_samples_of_a_step_are_joined_and_a_step_without_any_has_no_value(tmp_path: Path) -> None:
    write(tmp_path, outside(1, 10_000_000, 1.0), outside(9, 20_000_000, 5.0), outside(31, 40_000_000, 6.1))

    found = watched_series([tmp_path], "polite", EDGES, virtual=False)

    assert found.values["rss_mb"] == pytest.approx([15, np.nan, np.nan, 40, np.nan, np.nan], nan_ok=True)
    assert found.values["cpu_share"] == pytest.approx(
        [0.5, np.nan, np.nan, 0.05, np.nan, np.nan], nan_ok=True
    )


def test_a_restarted_process_whose_cpu_begins_anew_has_no_negative_share(tmp_path: Path) -> None:
    write(tmp_path, outside(1, 1, 50.0), outside(11, 1, 0.5), outside(21, 1, 1.5))

    found = watched_series([tmp_path], "polite", EDGES, virtual=False).values["cpu_share"]

    assert found[:3] == pytest.approx([np.nan, np.nan, 0.1], nan_ok=True)


def test_a_state_of_sockets_that_is_not_named_has_none(tmp_path: Path) -> None:
    write(tmp_path, outside(1, 1, 1, ESTABLISHED=3), outside(11, 1, 1, ESTABLISHED=3, CLOSE_WAIT=2))

    found = watched_series([tmp_path], "polite", EDGES, virtual=False).values

    assert found["sockets_close_wait"][:2] == pytest.approx([0, 2])
    assert found["sockets_established"][:2] == pytest.approx([3, 3])


def test_views_of_both_files_are_put_together_and_the_limit_is_kept(tmp_path: Path) -> None:
    """The soak's own file has the outside, the cell's the inside."""
    write(tmp_path / "soak", outside(5, 2_000_000, 1), limits={"rss_bytes": 8e6, "descriptors": 1024})
    write(tmp_path / "cell", inside(5, {"a.B": 7}))

    found = watched_series([tmp_path / "soak", tmp_path / "cell"], "polite", EDGES, virtual=False)

    assert (found.values["rss_mb"][0], found.values["tasks"][0]) == (2, 4)
    assert found.measures["rss_mb"].limit == 8
    assert found.measures["descriptors"].limit == 1024


def test_on_the_virtual_clock_nothing_depends_on_real_time(tmp_path: Path) -> None:
    write(tmp_path, outside(1, 1, 1), outside(11, 1, 2), inside(12, {"a.B": 7}))

    found = watched_series([tmp_path], "polite", EDGES, virtual=True).values

    assert not {"cpu_share", "loop_lag_s"} & set(found)
    assert "tasks" in found


def test_a_type_that_was_not_named_before_it_grew_has_its_first_count_before(tmp_path: Path) -> None:
    write(tmp_path, inside(1, {"a.B": 7}), inside(11, {"a.B": 7, "c.D": 30}), inside(21, {"c.D": 90}))

    found = watched_series([tmp_path], "polite", EDGES, virtual=True).values

    assert found["objects of c.D"][:3] == pytest.approx([30, 30, 90])
    assert "objects of a.B" not in found


def test_no_file_is_no_series(tmp_path: Path) -> None:
    assert not watched_series([tmp_path], "polite", EDGES, virtual=False).values


def test_nothing_is_known_in_a_hole_and_in_the_steps_at_its_edges() -> None:
    mark = WatchMark(22.0, "worker replaced", 33.0)

    kept = without_holes(AT_S, np.ones(6), [mark], 10.0)

    assert kept == pytest.approx([1, np.nan, np.nan, np.nan, 1, 1], nan_ok=True)


def test_types_that_grow_together_are_one_finding(tmp_path: Path) -> None:
    """Sessions and their lists: the session is named first, as everything has lists."""
    minutes = np.arange(360)
    edges = np.arange(0.0, 360 * 60.0 + 1, 60.0)
    write(
        tmp_path,
        *(
            inside(60.0 * n + 1, {"builtins.list": 900 + 6 * n, "app.Session": 3 * n, "app.Other": 400})
            for n in minutes.tolist()
        ),
    )
    phases = [CyclePhase(n, "calm", n * 1800.0, (n + 1) * 1800.0, incident=False) for n in range(12)]
    found = watched_series([tmp_path], "polite", edges, virtual=True)
    at_s = edges[:-1] + 30
    series = [SoakSeries(found.measures[name], at_s, values) for name, values in found.values.items()]

    (finding,) = judge_all(series, phases)

    assert finding.measure.name == "objects"
    assert finding.per_hour == pytest.approx(9 * 60, rel=0.01)
    assert finding.detail == "app.Session 180 an hour, builtins.list 360 an hour"
    assert "objects grow from the start" in finding.sentence
