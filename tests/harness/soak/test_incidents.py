"""Days with random incidents: the same for a seed, as many as asked for on average, in phases that can be compared."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from windtunnel.harness.contract.files import CYCLE_MARK, PART_MARK
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.soak.cycles import Cycled
from windtunnel.harness.soak.incidents import A_DAY, DAY_S, LENGTH, draw, kinds_of, with_incidents

STREAMED = """
name: streamed
about: A little trouble.
provider: {answer: {tokens: 8}}
load: {api: chat, stream: true, arrivals: poisson, rate: 2/s, deadline: 5s}
phases:
  - {name: calm, for: 20m}
  - {name: trouble, for: 10m, rules: [{fault: overloaded, rate: 0.1}]}
clients: [openai-async-default]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "streamed.yaml"
    path.write_text(STREAMED)
    return str(path)


def spans(made: Cycled) -> list[tuple[str, float, bool]]:
    return [(phase.name, phase.for_, phase.is_faulty) for phase in made.scenario.phases]


def test_a_seed_has_the_same_incidents_and_another_one_has_others(scenario: str) -> None:
    first, again, other = (with_incidents(scenario, 5 * DAY_S, seed) for seed in (7, 7, 8))
    assert spans(first) == spans(again)
    assert spans(first) != spans(other)
    assert first.incidents


def test_the_days_are_whole_and_each_has_its_hours(scenario: str) -> None:
    made = with_incidents(scenario, 5 * DAY_S + 100, 7)
    assert made.cycles == 5
    assert sum(length for _, length, _ in spans(made)) == pytest.approx(5 * DAY_S)
    names = [name for name, _, _ in spans(made)]
    assert len(set(names)) == len(names)
    for day in range(1, 6):
        hours = {
            name.partition(CYCLE_MARK)[0].partition(PART_MARK)[0]
            for name, _, faulty in spans(made)
            if name.endswith(f"{CYCLE_MARK}{day}") and not faulty
        }
        assert len(hours) >= 22  # an incident of two hours may take one or two away


def test_incidents_come_as_often_and_last_as_long_as_stated(scenario: str) -> None:
    """Over a thousand days; what falls into another incident does not come, and lengths have their bounds."""
    kinds = kinds_of(load_scenario(scenario))
    found = draw(kinds, 1000 * DAY_S, DAY_S, 3)
    assert len(found) / 1000 == pytest.approx(A_DAY, rel=0.08)
    mean = sum(one.end_s - one.start_s for one in found) / len(found)
    assert mean == pytest.approx(LENGTH * DAY_S, rel=0.1)
    assert all(a.end_s < b.start_s for a, b in pairwise(found))
    assert {one.kind.name for one in found} == {kind.name for kind in kinds}


def test_incidents_are_the_scenarios_own_and_the_gallerys_that_its_load_can_meet(
    scenario: str, tmp_path: Path
) -> None:
    names = [kind.name for kind in kinds_of(load_scenario(scenario))]
    assert names[0] == "trouble"
    assert {"outage", "edge_down", "stall"} <= set(names)
    plain = tmp_path / "plain.yaml"
    plain.write_text(STREAMED.replace("stream: true", "stream: false"))
    assert "stall" not in [kind.name for kind in kinds_of(load_scenario(str(plain)))]


def test_the_file_that_is_played_can_be_read_again_and_has_the_calls_of_a_working_day(
    scenario: str, tmp_path: Path
) -> None:
    made = with_incidents(scenario, 4 * 3600, 7, day_s=3600)
    again = load_scenario(str(made.write(tmp_path / "scenario.yaml")))
    assert again.load.arrivals.daily is not None
    assert again.load.arrivals.daily.day == 3600
    assert [phase.is_faulty for phase in again.phases] == [faulty for _, _, faulty in spans(made)]
    assert made.calls == pytest.approx(2 * 4 * 3600 * 0.4425, rel=0.01)
    assert "4 days of 1 h: 4 h" in made.said


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (3, "found 72 h, while a day lasts 24 h, expected at least 4 days: 96 h"),
        (40, "expected fewer days: a plan has at most 500 phases"),
    ],
)
def test_too_few_and_too_many_days_are_refused(scenario: str, days: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_incidents(scenario, days * DAY_S, 7)
