"""Where calls go: who may choose a region, and where names of hosts lead."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan.cell import PhaseSpan


def refuse_choices(scenario: Scenario, profiles: Sequence[Profile], gateway: Gateway | None) -> None:
    """Raise InputError for a client's own choice of regions where something else has chosen already, and for hosts
    that nobody can resolve for it."""
    for profile in profiles:
        if scenario.hosts:
            _refuse_other_programs(scenario, profile, gateway)
        if profile.region is None:
            continue
        if gateway is not None:
            found, expected = "a choice behind a gateway", f"null: {gateway.name} chooses the region"
        elif "region" in scenario.vary:
            found, expected = "a choice, in a scenario that varies the region", "null: `vary` chooses it"
        else:
            continue
        raise InputError(f"client {profile.name}", path="region", found=found, expected=expected)


def _refuse_other_programs(scenario: Scenario, profile: Profile, gateway: Gateway | None) -> None:
    if gateway is not None:
        what = f"the gateway {gateway.name}"
    elif profile.driver == "exec":
        what = f"client {profile.name} (driver exec)"
    else:
        return
    found = f"names of hosts, and {what}, a program of its own"
    expected = "no hosts: they are resolved inside our load process, and no other program can be told of them"
    raise InputError(f"scenario {scenario.name}", path="hosts", found=found, expected=expected)


def hosts_of(scenario: Scenario, spans: Sequence[PhaseSpan]) -> tuple[tuple[float, dict[str, str]], ...]:
    """Where names lead from when on; a phase that moves some leaves the others, and holds until it ends."""
    if not scenario.hosts:
        return ()
    placed = zip(spans, scenario.phases, strict=True)
    return tuple((span.start, scenario.hosts | phase.hosts) for span, phase in placed)
