"""The wall: which limit moved first on the way to where the SLO broke, proven by playing that level with it doubled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from windtunnel.harness.contract.capacity import Level, Wall, WallTrial
from windtunnel.harness.inputs.policies import Limiter
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario

RAISED = 2
"""A limit is raised to so many times what it was."""
SOME = 0.01
"""A share of calls or attempts that counts as a sign."""
NEARLY_ALL = 0.9
"""The share of slots in use that counts as a sign."""

TOGETHER = " + "
"""Stands between the names of limits that are doubled at once."""

Again = Callable[[Scenario, Profile], Level]
"""Plays the level that failed with another provider, load or client."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that may be the wall.

    `sign` is what was seen of it at the level that failed; empty if nothing. `moved` is the lowest rate at which there
    was a sign of it; infinite if at none.
    """

    name: str
    sign: str = ""
    moved: float = math.inf


def find_wall(scenario: Scenario, profile: Profile, levels: Sequence[Level], again: Again) -> Wall:
    """Double one limit after the other, the one that moved first first, until the lowest level that failed passes.

    Where none does it alone, all are doubled together, and if that does not help either, the instances: what an
    instance has in its own code, such as a semaphore, is there twice then. If that does not help, no limit is the wall.
    """
    failed = min((level for level in levels if level.state == "failed"), key=lambda level: level.rate)
    limits = sorted(limits_of(scenario, profile, levels, failed), key=lambda one: (one.moved, not one.sign))
    trials: list[WallTrial] = []

    def passes(name: str, changed: tuple[Scenario, Profile]) -> bool:
        level = again(*changed)
        trials.append(WallTrial(name, level.state, level.terms))
        return level.state == "passed"

    def wall(name: str | None, sign: str = "", moved: float | None = None) -> Wall:
        tried = tuple(trial.limit for trial in trials if TOGETHER not in trial.limit)
        proven = name is not None
        return Wall(name, failed.rate, sign, proven=proven, tried=tried, trials=tuple(trials), moved=moved)

    for limit in limits:
        if passes(limit.name, raised(scenario, profile, limit.name)):
            return wall(limit.name, limit.sign, None if limit.moved == math.inf else limit.moved)
    together = (scenario, profile)
    for limit in limits:
        together = raised(*together, limit.name)
    if len(limits) > 1 and passes(TOGETHER.join(limit.name for limit in limits), together):
        return wall(None)
    if passes("instances", raised(scenario, profile, "instances")):
        return wall("client", "with twice the instances, and nothing else changed, it passes")
    return wall(None)


def limits_of(
    scenario: Scenario, profile: Profile, levels: Sequence[Level], failed: Level
) -> Iterator[Limit]:
    """The limits that this provider, load and client have, each with its sign. A `link` has no limit yet."""
    settings = scenario.provider.region(scenario.region)
    below = sorted((level for level in levels if level.rate <= failed.rate), key=lambda level: level.rate)

    def limit(name: str, share: Callable[[Level], float], least: float, told: str) -> Limit:
        moved = next((level.rate for level in below if share(level) > least), math.inf)
        sign = f"{100 * share(failed):.0f} % {told}" if share(failed) > least else ""
        return Limit(name, sign, moved)

    if settings.limits.rpm is not None:
        yield limit("rpm", _refused, SOME, "of its requests were refused with 429")
    if settings.limits.tpm is not None:
        yield limit("tpm", _refused, SOME, "of its requests were refused with 429")
    yield limit("slots", _shown("slots_used"), NEARLY_ALL, "of the slots were in use")
    yield limit("queue", lambda level: level.refused_503, SOME, "of its requests were refused with 503")
    if profile.pool.connections is not None:
        yield limit("pool", _shown("held_by_pool"), SOME, _held("the client's connection pool"))
    if _numbers(profile.limiter):
        yield limit("limiter", _shown("held_by_limiter"), SOME, _held("the client's limiter"))
    if scenario.load.concurrency is not None:
        yield limit("workers", _shown("held_by_workers"), SOME, _held("the client's workers"))


def _refused(level: Level) -> float:
    return level.refused_429


def _shown(name: str) -> Callable[[Level], float]:
    return lambda level: level.shown.get(name) or 0.0


def _held(by: str) -> str:
    return f"of the calls failed held up by {by}"


def _numbers(limiter: Limiter | None) -> dict[str, int]:
    """What a limiter is limited by, as far as it has numbers of its own: `quota` follows what the provider has."""
    if limiter is None:
        return {}
    own = {"rpm": limiter.rpm, "tpm": limiter.tpm}
    return {name: value for name, value in own.items() if isinstance(value, int)}


def raised(scenario: Scenario, profile: Profile, name: str) -> tuple[Scenario, Profile]:
    """The same scenario and client with one limit doubled."""
    if name == "pool":
        connections = RAISED * (profile.pool.connections or 1)
        pool = profile.pool.model_copy(update={"connections": connections})
        return scenario, profile.model_copy(update={"pool": pool})
    if name == "limiter" and profile.limiter is not None:
        doubled = {name: RAISED * value for name, value in _numbers(profile.limiter).items()}
        return scenario, profile.model_copy(update={"limiter": profile.limiter.model_copy(update=doubled)})
    data = scenario.model_dump(mode="json", by_alias=True)
    settings = scenario.provider.region(scenario.region)
    if name in ("workers", "instances"):
        key = "concurrency" if name == "workers" else name
        data["load"][key] = RAISED * getattr(scenario.load, key)
    else:
        part, had = (
            ("capacity", settings.capacity) if name in ("slots", "queue") else ("limits", settings.limits)
        )
        region = data["provider"]["regions"][scenario.region]
        region[part] = {**(region.get(part) or {}), name: RAISED * getattr(had, name)}
    changed = type(scenario).model_validate({**data, "time_scale": 1})
    return changed.scaled_already(scenario.played_at), profile
