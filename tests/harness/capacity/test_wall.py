"""Which limit is named as the wall, with plays that are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from windtunnel.harness.capacity.wall import Again, find_wall
from windtunnel.harness.contract.capacity import Level, LevelState
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.policies import Limiter
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario

SCENARIO = load_scenario("retry_storm")
"""28 slots, 6,000 RPM, 2,000,000 TPM."""
CLIENT = load_profile("openai-async-default")


LIMITED = CLIENT.model_copy(update={"limiter": Limiter(rpm=600)})


def values(scenario: Scenario, profile: Profile) -> dict[str, int | None]:
    """The limits as they are played."""
    region = scenario.provider.region(scenario.region)
    limiter = None if profile.limiter is None else profile.limiter.rpm
    return {
        "rpm": region.limits.rpm,
        "tpm": region.limits.tpm,
        "slots": region.capacity.slots,
        "queue": region.capacity.queue,
        "pool": profile.pool.connections,
        "limiter": limiter if isinstance(limiter, int) else None,
        "workers": scenario.load.concurrency,
        "instances": scenario.load.instances,
    }


def level(
    refused: float = 0.0, shown: Mapping[str, float] | None = None, *, rate: float = 30, full: float = 0.0
) -> Level:
    """A level that failed, and what was seen there."""
    return Level(rate, "failed", (), 1, 10, 0, 30, 20, 90, 1, refused, shown or {}, refused_503=full)


BEFORE = values(SCENARIO, LIMITED)


def played(state: Callable[[Scenario, Profile], LevelState]) -> Again:
    """Plays that are made up: what `state` says of a scenario and a client."""
    return lambda scenario, profile: replace(level(), state=state(scenario, profile))


PASSES, FAILS = played(lambda *_: "passed"), played(lambda *_: "failed")


@pytest.mark.parametrize("wall", ["rpm", "tpm", "slots", "queue", "pool", "limiter"])
def test_the_limit_that_makes_it_pass_is_the_wall(wall: str) -> None:
    """It alone is doubled when the level passes."""

    def again(scenario: Scenario, profile: Profile) -> LevelState:
        now = values(scenario, profile)
        assert sum(now[name] != BEFORE[name] for name in BEFORE) == 1
        return "passed" if now[wall] == 2 * (BEFORE[wall] or 0) else "failed"

    found = find_wall(SCENARIO, LIMITED, [level()], played(again))
    assert (found.limit, found.proven, found.tried[-1]) == (wall, True, wall)


def test_workers_may_be_the_wall() -> None:
    """Where the load has any."""
    load = SCENARIO.load.model_copy(update={"concurrency": 8})
    scenario = SCENARIO.model_copy(update={"load": load})
    found = find_wall(
        scenario,
        CLIENT,
        [level(shown={"held_by_workers": 0.3})],
        played(lambda now, _: "passed" if now.load.concurrency == 16 else "failed"),
    )
    assert (found.limit, found.tried) == ("workers", ("workers",))
    assert found.sign == "30 % of the calls failed held up by the client's workers"


def test_a_limit_with_a_sign_is_tried_first() -> None:
    """Slots in use speak for slots, refusals for the quota, or for the queue."""
    found = find_wall(SCENARIO, CLIENT, [level(shown={"slots_used": 0.99})], PASSES)
    assert (found.limit, found.sign, found.tried) == ("slots", "99 % of the slots were in use", ("slots",))
    found = find_wall(SCENARIO, CLIENT, [level(refused=0.2)], PASSES)
    assert (found.limit, found.sign) == ("rpm", "20 % of its requests were refused with 429")
    found = find_wall(SCENARIO, CLIENT, [level(full=0.3)], PASSES)
    assert (found.limit, found.sign) == ("queue", "30 % of its requests were refused with 503")
    found = find_wall(SCENARIO, LIMITED, [level(shown={"held_by_limiter": 0.5})], PASSES)
    assert (found.limit, found.moved) == ("limiter", 30)


def test_what_moved_first_is_tried_first() -> None:
    """The pool held calls up at a lower rate than that at which slots were in use; the failed level has both."""
    levels = [
        level(shown={"held_by_pool": 0.05, "slots_used": 0.7}, rate=20),
        level(shown={"held_by_pool": 0.4, "slots_used": 0.95}, rate=30),
        level(shown={"slots_used": 1.0}, rate=60),
    ]
    passed = [replace(levels[0], state="passed"), *levels[1:]]
    found = find_wall(SCENARIO, CLIENT, passed, PASSES)
    assert (found.limit, found.rate, found.moved) == ("pool", 30, 20)


def test_what_twice_the_instances_carry_is_in_the_clients_own_code() -> None:
    """A semaphore, say: there are two of them then. If that does not help either, the wall is not known."""

    def again(scenario: Scenario, profile: Profile) -> LevelState:
        return "passed" if values(scenario, profile)["instances"] == 2 else "failed"

    found = find_wall(SCENARIO, CLIENT, [level()], played(again))
    assert (found.limit, found.proven, found.tried[-1]) == ("client", True, "instances")
    told = [(trial.limit, trial.state) for trial in found.trials]
    assert told[-3:] == [
        ("pool", "failed"),
        ("rpm + tpm + slots + queue + pool", "failed"),
        ("instances", "passed"),
    ]
    assert find_wall(SCENARIO, CLIENT, [level()], FAILS).limit is None


def test_several_walls_at_once_are_not_named() -> None:
    """All limits are doubled together when none helps alone."""

    def only_together(scenario: Scenario, profile: Profile) -> LevelState:
        now = values(scenario, profile)
        limits = (name for name in BEFORE if name not in ("limiter", "workers", "instances"))
        return "passed" if all(now[name] != BEFORE[name] for name in limits) else "failed"

    found = find_wall(SCENARIO, CLIENT, [level()], played(only_together))
    assert (found.limit, found.proven) == (None, False)
