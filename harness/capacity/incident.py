"""Which incident each level goes through: what `--during` says."""

from __future__ import annotations

from windtunnel.harness.capacity.slo import COMMAND
from windtunnel.harness.contract.capacity import LevelIncident
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.mock_server.errors import nearest
from windtunnel.mock_server.plan.units import parse_seconds

RECOVERY_S = 30.0
"""How long there is to recover in, where nobody says."""


def incident_of(scenario: Scenario, text: str, recovery_s: float) -> LevelIncident:
    """The incident that `PHASE` or `PHASE=LENGTH` names, such as `brownout=15s`.

    Raises InputError for a phase that the scenario does not have, and for what is no length.
    """
    name, given, length = text.partition("=")
    names = [phase.name for phase in scenario.phases]
    if name not in names:
        raise InputError(
            COMMAND,
            path="--during",
            found=f"'{name}'",
            expected=f"a phase of {scenario.name}: {', '.join(names)}",
            hint=nearest(name, names),
        )
    phase = scenario.phases[names.index(name)]
    if not given:
        return LevelIncident(name, phase.for_, recovery_s)
    try:
        for_s = parse_seconds(length)
    except ValueError:
        for_s = 0.0
    if for_s <= 0:
        raise InputError(
            COMMAND,
            path="--during",
            found=f"'{text}'",
            expected="a phase, or PHASE=LENGTH such as brownout=15s",
        )
    return LevelIncident(name, for_s, recovery_s)
