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


def unrepeatable_tls(scenario: Scenario) -> str:
    """Return a region with TLS that no two plays in virtual time would show alike; empty if there is none.

    Certificates and signatures are drawn anew, and some bytes longer or shorter. Where a link has a bandwidth or
    loses packets, when something arrives depends on that.
    """
    plan = scenario.plan()
    for phase in range(max(1, len(plan.phases))):
        provider = plan.settings_at(phase)
        for name in provider.secured:
            link = provider.region(name).link
            if link is not None and (link.bandwidth is not None or link.loss):
                return name
    return ""


def refuse_unrepeatable_tls(scenario: Scenario) -> None:
    """Raise `InputError` if no two plays of the scenario in virtual time would be alike."""
    region = unrepeatable_tls(scenario)
    if region:
        raise InputError(
            f"scenario {scenario.name}",
            path=f"provider.regions.{region}.tls",
            found="virtual time, with TLS over a link with a bandwidth or a loss",
            expected="--clock real, or a link without them: the sizes of handshakes are never quite the same",
        )
