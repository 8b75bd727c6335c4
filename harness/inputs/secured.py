"""What cannot be done with regions that have TLS."""

from __future__ import annotations

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.scenario import Scenario


def refuse_tls(scenario: Scenario, what: str, *, instead: str) -> None:
    """Raise `InputError` if a region of the scenario has TLS: `what` cannot have it, and what can be done `instead`."""
    secured = scenario.provider.secured
    if secured:
        path = f"provider.regions.{secured[0]}.tls"
        raise InputError(f"scenario {scenario.name}", path=path, found=f"TLS, {what}", expected=instead)
