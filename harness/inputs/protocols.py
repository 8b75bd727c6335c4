"""Whether the clients of a run speak what its faults are said in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from windtunnel.harness.errors import InputError
from windtunnel.mock_server.plan.rule import Rule

if TYPE_CHECKING:
    from windtunnel.harness.inputs.profile import Profile
    from windtunnel.harness.inputs.scenario import Scenario

OWN_CLIENT = ("python", "exec")
"""Drivers whose code makes its own client, which may speak anything."""


def refuse_unspoken(scenario: Scenario, profiles: Iterable[Profile]) -> None:
    """Refuse a rule whose faults need HTTP/2 where no client of the run speaks it. Raises InputError."""
    if any(profile.http == "2" or profile.driver in OWN_CLIENT for profile in profiles):
        return
    for path, rule in _rules(scenario):
        names = [use.kind.name for use in rule.uses if use is not None]
        if names and all(use.kind.http2 for use in rule.uses if use is not None):
            raise InputError(
                f"scenario {scenario.name}",
                path=path,
                found=f"{', '.join(names)}, which only HTTP/2 can say, and clients that speak HTTP/1.1",
                expected="a client with http: 2, such as h2-single",
            )


def _rules(scenario: Scenario) -> Iterator[tuple[str, Rule]]:
    for n, rule in enumerate(scenario.rules):
        yield f"rules[{n}].fault", rule
    for p, phase in enumerate(scenario.phases):
        for n, rule in enumerate(phase.rules):
            yield f"phases[{p}].rules[{n}].fault", rule
