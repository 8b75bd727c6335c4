"""A day of an office on the virtual clock: 24 hours in seconds, and the same arrivals as in real time."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, plan_for, run

SCENARIO = """\
name: day
about: A test.
load: {api: chat, arrivals: {daily: {curve: office, starts: 6h}}, rate: 60/h, deadline: 10s}
phases: [{name: morning, for: 6h}, {name: afternoon, for: 6h}, {name: night, for: 12h}]
clients: [httpx2-async-default]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    """A day that begins at six in the morning."""
    path = tmp_path / "day.yaml"
    path.write_text(SCENARIO)
    return str(path)


def test_a_day_is_played(scenario: str, tmp_path: Path) -> None:
    """Every call of 24 hours is made at its time, and most of them in the day."""
    records = run(
        RunOptions(scenario, out=tmp_path / "run", clock="virtual"), reporter(Console(file=sys.stderr))
    )
    assert records.failures == ()
    calls = pd.read_parquet(next(records.folder.glob("cells/*/calls.parquet")))
    phases = calls["phase"].value_counts()
    assert phases["morning"] + phases["afternoon"] > 3 * phases["night"] > 0
    assert set(calls["outcome"]) == {"ok"}
    again = plan_for(RunOptions(scenario, clock="real")).cells[0].schedule()
    measured = {one.call_id: one.intended_s for one in again if one.measured}
    assert calls.set_index("call_id")["intended_s"].filter(like="c").to_dict() == measured


def test_time_scale_of_a_day(scenario: str) -> None:
    """A day in an hour is the same day: an hour of it is 150 s, and t0 is still at six."""
    day, hour = load_scenario(scenario), load_scenario(scenario, time_scale=1 / 24)
    one, scaled = day.load.arrivals.daily, hour.load.arrivals.daily
    assert one is not None
    assert scaled is not None
    assert (scaled.day, scaled.starts, scaled.curve) == (3600.0, 900.0, one.curve)
    from_midnight = load_scenario(scenario).model_dump(mode="json", by_alias=True)
    from_midnight["load"]["arrivals"]["daily"]["starts"] = "0s"
    at_midnight = type(day).model_validate(from_midnight).played(1 / 24).load.arrivals.daily
    assert at_midnight is not None
    assert at_midnight.starts == 0.0
