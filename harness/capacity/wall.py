"""The wall: which limit moved first where the SLO broke, proven by playing that level again with it doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from windtunnel.harness.contract.capacity import Level, LevelState, Wall
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario

RAISED = 2
"""A limit is raised to so many times what it was."""
SOME = 0.01
"""A share of calls or attempts that counts as a sign."""
NEARLY_ALL = 0.9
"""The share of slots in use that counts as a sign."""

Again = Callable[[Scenario, Profile], LevelState]
"""Plays the level that failed with another provider, load or client."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that may be the wall. `sign` is what was seen of it at the level that failed; empty if nothing."""

    name: str
    value: int
    sign: str


def find_wall(scenario: Scenario, profile: Profile, failed: Level, again: Again) -> Wall:
    """Double one limit after the other, those with a sign first, until the level passes.

    Where none does it alone, all are doubled together: if that does not help either, the wall is in the client's own
    code.
    """
    limits = sorted(limits_of(scenario, profile, failed), key=lambda one: not one.sign)
    tried = []
    for limit in limits:
        tried.append(limit.name)
        if again(*raised(scenario, profile, limit)) == "passed":
            return Wall(limit.name, failed.rate, limit.sign, proven=True, tried=tuple(tried))
    together = (scenario, profile)
    for limit in limits:
        together = raised(*together, limit)
    if again(*together) == "failed":
        return Wall("client", failed.rate, "", proven=True, tried=tuple(tried))
    return Wall(None, failed.rate, "", proven=False, tried=tuple(tried))


def limits_of(scenario: Scenario, profile: Profile, failed: Level) -> Iterator[Limit]:
    """The limits that this provider, load and client have, each with its sign."""
    settings = scenario.provider.region(scenario.region)
    refused = f"{100 * failed.refused_429:.0f} % of its requests were refused with 429"
    refused = refused if failed.refused_429 > SOME else ""
    if settings.limits.rpm is not None:
        yield Limit("rpm", settings.limits.rpm, refused)
    if settings.limits.tpm is not None:
        yield Limit("tpm", settings.limits.tpm, refused)
    used = failed.shown.get("slots_used") or 0.0
    yield Limit(
        "slots",
        settings.capacity.slots,
        f"{100 * used:.0f} % of the slots were in use" if used > NEARLY_ALL else "",
    )
    if profile.pool.connections is not None:
        yield Limit("pool", profile.pool.connections, _held(failed, "pool", "the client's connection pool"))
    if scenario.load.concurrency is not None:
        yield Limit("workers", scenario.load.concurrency, _held(failed, "workers", "the client's workers"))


def _held(failed: Level, what: str, by: str) -> str:
    share = failed.shown.get(f"held_by_{what}") or 0.0
    return f"{100 * share:.0f} % of the calls failed held up by {by}" if share > SOME else ""


def raised(scenario: Scenario, profile: Profile, limit: Limit) -> tuple[Scenario, Profile]:
    """The same scenario and client with one limit doubled."""
    value = RAISED * limit.value
    if limit.name == "pool":
        pool = profile.pool.model_copy(update={"connections": value})
        return scenario, profile.model_copy(update={"pool": pool})
    data = scenario.model_dump(mode="json", by_alias=True)
    if limit.name == "workers":
        data["load"]["concurrency"] = value
    else:
        region = data["provider"]["regions"][scenario.region]
        part = "capacity" if limit.name == "slots" else "limits"
        region[part] = {**(region.get(part) or {}), limit.name: value}
    return type(scenario).model_validate({**data, "time_scale": 1}).scaled_already(
        scenario.played_at
    ), profile
