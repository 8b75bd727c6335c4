"""The time scale: an incident's own lengths are played faster or slower, what its clients see is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.time_scale import asked_time_scale, parse_time_scale
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.run import RunOptions, plan_for

INCIDENT = """\
name: mine
about: A test.
time_scale: 1/60
warmup: 3s
provider:
  answer: {first_token: 300ms}
  limits: {growth: {baseline: 60s}}
rules:
  - {fault: server_error, burst: {every: 10m, for: 1m}}
load: {api: chat, stream: true, arrivals: {steps: [{for: 30m, rate: 4/s}, {for: 1h, rate: 8/s}]}, deadline: 12s}
phases:
  - {name: healthy, for: 10m}
  - name: storm
    for: 94m
    rules:
      - {fault: overloaded, ramp: {from: 0.9, to: 0, over: 20m}}
      - {fault: overloaded, ramp: {from: 0.9, to: 0}}
      - {fault: stall, with: {seconds: 25s}, rate: 0.5}
  - {name: after, for: 90s}
clients: [openai-default]
"""


def load(folder: Path, text: str = INCIDENT, time_scale: float | None = None) -> Scenario:
    (folder / "mine.yaml").write_text(text)
    return load_scenario(folder / "mine.yaml", time_scale=time_scale)


@pytest.mark.parametrize(
    ("text", "scale"),
    [("1/60", 1 / 60), (" 1 / 2.5 ", 0.4), ("0.5", 0.5), (0.5, 0.5), (2, 2.0), ("3/2", 1.5), ("1e-3", 0.001)],
)
def test_what_a_time_scale_is(text: object, scale: float) -> None:
    """A fraction or a number above zero."""
    assert parse_time_scale(text) == pytest.approx(scale)


@pytest.mark.parametrize(
    "text",
    ["0", "0/5", "1/0", "-1", "1/-60", "60x", "1:60", "", "nan", "inf", "1s", None, True, [1], 0, -2.0],
)
def test_what_none_is(text: object) -> None:
    """Nothing else is: zero, less, endless, a duration, a word."""
    assert parse_time_scale(text) is None


def test_lengths_of_the_incident_are_scaled(tmp_path: Path) -> None:
    """Phases, steps of the load, periods of bursts and ramps take their share of the time."""
    scenario = load(tmp_path)
    assert [phase.for_ for phase in scenario.phases] == [10, 94, 1.5]
    assert [step.for_ for step in scenario.load.arrivals.steps or ()] == [30, 60]
    burst = scenario.rules[0].burst
    assert burst is not None
    assert (burst.every, burst.for_) == (10, 1)
    fast, whole, _ = (rule.ramp for rule in scenario.phases[1].rules)
    assert fast is not None
    assert whole is not None
    assert (fast.over, whole.over) == (20, None)


def test_what_a_client_sees_is_not(tmp_path: Path) -> None:
    """Rates, deadlines, stalls, first tokens, limits and the warm-up are those of the file."""
    scenario, plain = load(tmp_path), load(tmp_path, time_scale=1)
    assert scenario.provider == plain.provider
    assert [step.rate for step in scenario.load.arrivals.steps or ()] == [4, 8]
    assert (scenario.load.deadline, scenario.warmup) == (12, 3)
    assert scenario.phases[1].rules[2] == plain.phases[1].rules[2]
    assert plain.length_s == 105.5 * 60


def test_the_one_that_is_asked_for_counts(tmp_path: Path) -> None:
    """`--time-scale` takes the place of the file's, and without either nothing is scaled."""
    assert load(tmp_path, time_scale=1 / 600).length_s == pytest.approx(10.55)
    assert load(tmp_path, INCIDENT.replace("time_scale: 1/60\n", "")).length_s == 105.5 * 60


def test_nothing_is_scaled_twice(tmp_path: Path) -> None:
    """What was played is written down with its scaled lengths and the scale 1; the run knows what it was scaled by."""
    scenario = load(tmp_path)
    again = Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True)).played()
    assert again.length_s == scenario.length_s
    plan = resolve(scenario, [load_profile("polite")])
    assert (plan.time_scale, plan.scenario["time_scale"]) == (pytest.approx(1 / 60), 1)
    assert plan.cells[0].phases[-1].end == 105.5


def test_the_server_plays_what_the_harness_expects(tmp_path: Path) -> None:
    """The mock's plan has the same lengths as the cell's phases."""
    (tmp_path / "mine.yaml").write_text(INCIDENT)
    plan = plan_for(RunOptions(str(tmp_path / "mine.yaml"), ["polite"], time_scale=1 / 120))
    assert [phase["for"] for phase in plan.cells[0].server_plan["phases"]] == ["5s", "47s", "750ms"]
    assert [span.end for span in plan.cells[0].phases] == [5, 52, 52.75]


@pytest.mark.parametrize("scale", ["0", "60x", "'-1/2'", "[1]", "fast"])
def test_mistakes_in_a_file(tmp_path: Path, scale: str) -> None:
    """A time scale that is none is named with its line, among all other mistakes."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, INCIDENT.replace("1/60", scale).replace("deadline: 12s", "deadline: 12"))
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{tmp_path}/mine.yaml:3: time_scale: found ")
    assert first.endswith(
        "expected a share of the real time above zero, such as 1/60 (a minute becomes a second), 0.5 or 1"
    )
    assert "load.deadline" in second


@pytest.mark.parametrize("command", ["run", "serve"])
def test_mistakes_on_the_command_line(command: str) -> None:
    """Both commands take a time scale, and name the option where it is none."""
    with pytest.raises(InputError, match=f"windtunnel {command}: --time-scale: found '0x', expected a share"):
        asked_time_scale("0x", command)
    arguments = {"run": ["run", "healthy"], "serve": ["serve", "--scenario", "healthy"]}[command]
    result = CliRunner().invoke(app, [*arguments, "--time-scale", "0x"])
    assert isinstance(result.exception, InputError)


@given(st.floats(1e-4, 10), st.integers(1, 10_000))
def test_any_scale_gives_a_scenario(scale: float, minutes: int) -> None:
    """Whatever the scale, a length stays in proportion, and the scenario valid."""
    data: dict[str, Any] = {
        "name": "mine",
        "about": "A test.",
        "load": {"rate": "1/s", "deadline": "1s"},
        "phases": [{"name": "only", "for": f"{minutes}m"}],
        "clients": ["polite"],
    }
    played = Scenario.model_validate(data).played(scale)
    assert played.length_s == pytest.approx(minutes * 60 * scale, rel=1e-6)
