"""Which limit is named as the wall, with plays that are made up."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from windtunnel.harness.capacity.wall import find_wall
from windtunnel.harness.contract.capacity import Level, LevelState
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario

SCENARIO = load_scenario("retry_storm")
"""28 slots, 6,000 RPM, 2,000,000 TPM."""
CLIENT = load_profile("openai-async-default")


def values(scenario: Scenario, profile: Profile) -> dict[str, int | None]:
    """The limits as they are played."""
    region = scenario.provider.region(scenario.region)
    limits = region.limits
    return {
        "rpm": limits.rpm,
        "tpm": limits.tpm,
        "slots": region.capacity.slots,
        "pool": profile.pool.connections,
    }


def level(refused: float = 0.0, shown: Mapping[str, float] | None = None) -> Level:
    """A level that failed, and what was seen there."""
    return Level(30, "failed", (), 1, 10, 0, 30, 20, 90, 1, refused, shown or {})


BEFORE = values(SCENARIO, CLIENT)


@pytest.mark.parametrize("wall", ["rpm", "tpm", "slots", "pool"])
def test_the_limit_that_makes_it_pass_is_the_wall(wall: str) -> None:
    """It alone is doubled when the level passes."""

    def again(scenario: Scenario, profile: Profile) -> LevelState:
        now = values(scenario, profile)
        assert sum(now[name] != BEFORE[name] for name in BEFORE) == 1
        return "passed" if now[wall] == 2 * (BEFORE[wall] or 0) else "failed"

    found = find_wall(SCENARIO, CLIENT, level(), again)
    assert (found.limit, found.proven, found.tried[-1]) == (wall, True, wall)


def test_a_limit_with_a_sign_is_tried_first() -> None:
    """Slots in use speak for slots, refusals for the quota."""
    found = find_wall(SCENARIO, CLIENT, level(shown={"slots_used": 0.99}), lambda *_: "passed")
    assert (found.limit, found.sign, found.tried) == ("slots", "99 % of the slots were in use", ("slots",))
    found = find_wall(SCENARIO, CLIENT, level(refused=0.2), lambda *_: "passed")
    assert (found.limit, found.sign) == ("rpm", "20 % of its requests were refused with 429")


def test_what_no_limit_moves_is_in_the_client() -> None:
    """All are doubled together at the end; if that helps, several stand there, and none is named."""
    assert find_wall(SCENARIO, CLIENT, level(), lambda *_: "failed").limit == "client"

    def only_together(scenario: Scenario, profile: Profile) -> LevelState:
        now = values(scenario, profile)
        return "passed" if all(now[name] != BEFORE[name] for name in BEFORE) else "failed"

    found = find_wall(SCENARIO, CLIENT, level(), only_together)
    assert (found.limit, found.proven) == (None, False)
