"""What is played as a client of the run: each client, at each point of the scenario's `vary`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from windtunnel.harness.contract.cells import is_among, is_cell
from windtunnel.harness.errors import InputError, nearest
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.vary import Setting, check_count, points_of, profile_at, scenario_at


class VariedClient(NamedTuple):
    """What is played as one client of the run: a profile and the scenario, at one point of `vary` if it has any."""

    name: str
    scenario: Scenario
    profile: Profile
    varied: dict[str, Setting]


def varied_clients(
    scenario: Scenario, profiles: Sequence[Profile], repeats: int, only: Collection[str] | None
) -> list[VariedClient]:
    """Every client at every point, client by client; without `vary`, every client as it is.

    `only`: where there is `vary`, the clients and cells that are played; None: all. Raises InputError for an unknown
    cell.
    """
    if not scenario.vary:
        return [VariedClient(profile.name, scenario, profile, {}) for profile in profiles]
    check_count(scenario.vary, len(profiles), repeats, scenario.name)
    points = [(point, scenario_at(scenario, point)) for point in points_of(scenario.vary)]
    clients = [
        VariedClient(
            point.name(profile.name), there, profile_at(profile, point, scenario.name), {**point.values}
        )
        for profile in profiles
        for point, there in points
        if only is None or is_among(point.name(profile.name), only)
    ]
    known = {point.name(profile.name) for profile in profiles for point, _ in points}
    for name in sorted(only or ()):
        if is_cell(name) and name not in known:
            hint = nearest(name, sorted(known))
            raise InputError(
                "the run", path="clients", found=f"'{name}'", expected="a cell of this scenario", hint=hint
            )
    return clients


def refuse_twins(profiles: Sequence[Profile]) -> None:
    """Raise InputError if there is no client, or two have one name."""
    if not profiles:
        raise InputError("the run", path="clients", found="no client", expected="at least one")
    names = [profile.name for profile in profiles]
    for name in names:
        if names.count(name) > 1:
            raise InputError("the run", path="clients", found=f"'{name}' twice", expected="each name once")
