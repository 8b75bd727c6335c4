"""Levels that go through an incident: which one, what is played, and what is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from windtunnel.harness.bisect.quiet import QuietReporter
from windtunnel.harness.capacity.incident import incident_of
from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.level import Layout, at_rate
from windtunnel.harness.capacity.player import LevelPlayer, Stage
from windtunnel.harness.capacity.slo import read_slo
from windtunnel.harness.cli.main import app
from windtunnel.harness.contract.capacity import SHOWN, LevelIncident
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.virtual.cell_queue import Shards
from windtunnel.reports.capacity.measure import measure_level

SCENARIO = """
name: mine
about: Four slots of a second each, of which a brownout leaves one.
provider:
  capacity: {slots: 4, queue: 400, abandoned: keep_working}
  answer: {first_token: 900ms, tokens: 8, tokens_per_second: 80}
load: {api: chat, stream: false, rate: 1/s, arrivals: {spacing: constant}, deadline: 10s}
phases:
  - {name: calm, for: 10s, faulty: false}
  - {name: brownout, for: 20s, provider: {capacity: {slots: 1}}}
clients: [FOLDER/hasty.yaml]
"""
HASTY = """
name: hasty
about: Leaves after four seconds.
driver: aiohttp
pool: {connections: 1000}
timeouts: {total: 4s}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A provider with a brownout, and a client that leaves after four seconds while the work goes on."""
    (tmp_path / "hasty.yaml").write_text(HASTY)
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO.replace("FOLDER", str(tmp_path)))
    return path


def test_a_phase_is_named_alone_or_with_a_length(scenario: Path) -> None:
    """Its own length, or the one that was given."""
    loaded = load_scenario(str(scenario))
    assert incident_of(loaded, "brownout", 30.0) == LevelIncident("brownout", 20.0, 30.0)
    assert incident_of(loaded, "brownout=15s", 5.0) == LevelIncident("brownout", 15.0, 5.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("brownuot", "a phase of mine: calm, brownout"),
        ("brownout=15", "PHASE=LENGTH"),
        ("brownout=", "PHASE=LENGTH"),
        ("brownout=0s", "PHASE=LENGTH"),
    ],
)
def test_what_names_no_incident_is_refused(scenario: Path, text: str, told: str) -> None:
    """With what was found, and what was expected."""
    with pytest.raises(InputError, match="--during: found") as caught:
        incident_of(load_scenario(str(scenario)), text, 30.0)
    assert told in str(caught.value)


def test_a_level_goes_through_it_between_settling_and_the_batches(scenario: Path) -> None:
    """The phase keeps its provider, and has the length that was asked for."""
    lengths = Layout(settle_s=20.0, batch_s=10.0, batches=2)
    level = at_rate(load_scenario(str(scenario)), 3.0, lengths, LevelIncident("brownout", 15.0, 30.0))
    assert [(phase.name, phase.for_) for phase in level.phases] == [
        ("settle", 20.0),
        ("incident", 15.0),
        ("recovery", 30.0),
        ("batch-0", 10.0),
        ("batch-1", 10.0),
    ]
    assert level.phases[1].is_faulty
    assert level.phases[1].provider == {"capacity": {"slots": 1}}


def test_what_is_safe_need_not_survive_a_brownout(scenario: Path, tmp_path: Path) -> None:
    """Four slots of a second carry three and a half calls a second, but after a brownout to one of them not again
    within ten seconds: they still work off what nobody waits for. One and a half a second they do."""
    loaded, profile = load_scenario(str(scenario)), load_profile(str(scenario.parent / "hasty.yaml"))
    slo = read_slo("goodput >= 0.98")
    incident = incident_of(loaded, "brownout", 10.0)
    with Shards(tmp_path) as shards:
        stage = Stage(tmp_path, "virtual", 0, measure_level, SHOWN, QuietReporter(lambda _: None), shards)
        plain = LevelPlayer(loaded, profile, Judge(slo, 0.2), stage)
        through = LevelPlayer(loaded, profile, Judge(slo, 0.2, incident=True), stage, incident)
        assert plain.level(3.5, 1).state == "passed"
        assert through.level(3.5, 1).state == "failed"
        assert through.level(1.5, 1).state == "passed"


def test_time_to_recover_without_an_incident_is_refused(scenario: Path) -> None:
    """It would have no effect."""
    asked = ["capacity", str(scenario), "--slo", "goodput >= 0.98", "--recovery", "30s"]
    told = CliRunner().invoke(app, asked).exception
    assert isinstance(told, InputError)
    assert str(told).startswith("windtunnel capacity: --recovery: found 30s, expected --during PHASE as well")
