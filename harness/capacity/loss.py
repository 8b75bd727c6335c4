"""Which region is gone in a second search: what `--lose` says, for the rate that is safe without it (N - 1)."""

from __future__ import annotations

from typing import cast, get_args

from windtunnel.harness.capacity.slo import COMMAND
from windtunnel.harness.contract.capacity import LostRegion, WayOfLoss
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.mock_server.errors import nearest
from windtunnel.mock_server.plan.provider import merge

WAYS: tuple[WayOfLoss, ...] = get_args(WayOfLoss)


def lost_region_of(scenario: Scenario, text: str) -> LostRegion:
    """The region that `REGION` or `REGION=WAY` names, such as `us-east=silent`; the way is `refused` if none is given.

    Raises InputError for a region that the scenario does not have, for its only one, and for another way.
    """
    name, given, way = text.partition("=")
    names = list(scenario.provider.regions)
    if name not in names:
        raise InputError(
            COMMAND,
            path="--lose",
            found=f"'{name}'",
            expected=f"a region of {scenario.name}: {', '.join(names)}",
            hint=nearest(name, names),
        )
    if len(names) == 1:
        expected = f"a scenario with other regions: {scenario.name} has this one alone"
        raise InputError(COMMAND, path="--lose", found=f"'{name}'", expected=expected)
    if given and way not in WAYS:
        raise InputError(
            COMMAND,
            path="--lose",
            found=f"'{text}'",
            expected=f"a region, or REGION={' or REGION='.join(WAYS)}",
        )
    return LostRegion(name, cast("WayOfLoss", way or "refused"))


def without(level: Scenario, lost: LostRegion) -> Scenario:
    """The level with the region gone in all of its phases, from before t0 on.

    Not in the provider itself: clients are warmed up with all regions there.
    """
    data = level.model_dump(mode="json", by_alias=True)
    gone = {"regions": {lost.region: {"reachable": lost.way}}}
    phases = [{**phase, "provider": merge(phase["provider"], gone)} for phase in data["phases"]]
    return type(level).model_validate({**data, "phases": phases}).scaled_already(level.played_at)
