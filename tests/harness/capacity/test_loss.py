"""Levels without a region: which one, what is played, and what is found for clients that move and those that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.bisect.quiet import QuietReporter
from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.level import Layout, at_rate
from windtunnel.harness.capacity.loss import lost_region_of, without
from windtunnel.harness.capacity.player import LevelPlayer, Stage
from windtunnel.harness.capacity.slo import read_slo
from windtunnel.harness.contract.capacity import SHOWN, LostRegion
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.virtual.cell_queue import Shards
from windtunnel.reports.capacity.measure import measure_level

SCENARIO = """
name: two
about: Two regions of four slots of a second each.
provider:
  regions: {us: {}, eu: {}}
  capacity: {slots: 4, queue: 400}
  limits: {rpm: 6000}
  answer: {first_token: 900ms, tokens: 8, tokens_per_second: 80}
load: {api: chat, stream: false, rate: 1/s, arrivals: {spacing: constant}, deadline: 10s, instances: 2}
phases: [{name: calm, for: 10s, faulty: false}]
clients: [FOLDER/moves.yaml]
"""
MOVES = """
name: moves
about: Goes to the other region.
driver: aiohttp
pool: {}
timeouts: {}
region: {choose: failover, spread: homes}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Two regions, and a client whose instances live in one each."""
    (tmp_path / "moves.yaml").write_text(MOVES)
    stays = MOVES.replace("name: moves", "name: stays").replace("failover", "one")
    (tmp_path / "stays.yaml").write_text(stays)
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO.replace("FOLDER", str(tmp_path)))
    return path


def test_a_region_is_named_alone_or_with_the_way_it_is_lost(scenario: Path) -> None:
    """Refused, if nobody says."""
    loaded = load_scenario(str(scenario))
    assert lost_region_of(loaded, "us") == LostRegion("us", "refused")
    assert lost_region_of(loaded, "eu=silent") == LostRegion("eu", "silent")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("su", "expected a region of two: us, eu"),
        ("us=dark", "expected a region, or REGION=refused or REGION=silent"),
        ("us=", "expected a region, or REGION=refused"),
    ],
)
def test_what_names_no_region_is_refused(scenario: Path, text: str, told: str) -> None:
    """With what was found, and what was expected."""
    with pytest.raises(InputError, match="--lose: found") as caught:
        lost_region_of(load_scenario(str(scenario)), text)
    assert told in str(caught.value)


def test_the_only_region_cannot_be_lost(tmp_path: Path) -> None:
    """Nothing would be left."""
    path = tmp_path / "one.yaml"
    path.write_text(
        SCENARIO.replace("us: {}, eu: {}", "us: {}").replace("FOLDER/moves.yaml", "openai-default")
    )
    with pytest.raises(InputError, match="has this one alone"):
        lost_region_of(load_scenario(str(path)), "us")


def test_a_level_is_without_it_from_the_beginning(scenario: Path) -> None:
    """In every phase, and nothing else of the phases changes; the provider of the warm-up calls has it."""
    lengths = Layout(settle_s=20.0, batch_s=10.0, batches=2)
    level = at_rate(load_scenario(str(scenario)), 3.0, lengths)
    gone = without(level, LostRegion("us", "silent"))
    assert [phase.name for phase in gone.phases] == [phase.name for phase in level.phases]
    assert [phase.is_faulty for phase in gone.phases] == [False] * 3
    assert [phase.provider["regions"]["us"] for phase in gone.phases] == [{"reachable": "silent"}] * 3
    assert gone.phases[0].provider["limits"] == level.phases[0].provider["limits"]
    assert gone.provider.region("us").reachable == "open"


@pytest.mark.parametrize(("client", "states"), [("moves", ["passed", "failed"]), ("stays", ["failed"])])
def test_what_is_left_carries_what_moves(
    scenario: Path, tmp_path: Path, client: str, states: list[str]
) -> None:
    """Two calls a second fit into the four slots that are left, and six do not; half of who stays fails at once."""
    slo = read_slo("goodput >= 0.9")
    loaded, profile = load_scenario(str(scenario)), load_profile(tmp_path / f"{client}.yaml")
    with Shards(tmp_path) as shards:
        stage = Stage(tmp_path, "virtual", 1, measure_level, SHOWN, QuietReporter(lambda _: None), shards)
        player = LevelPlayer(loaded, profile, Judge(slo, 0.2), stage, lost=LostRegion("us", "refused"))
        found: list[Any] = [player.level(rate, 1).state for rate in (2.0, 6.0)[: len(states)]]
    assert found == states
