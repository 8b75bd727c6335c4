"""Whether both clocks come to the same verdicts: scenarios of the gallery, all its clients, on both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from windtunnel.harness.calibrate.commands import played
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.inputs.gallery import client_names, load_profile

SCENARIOS = ("retry_storm", "rate_limit_wave", "stalled_streams")
OVERALL = ("recovered", "metastable")


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """Every scenario with every client on both clocks; about ten minutes, on a machine with nothing else to do."""
    findings = []
    for scenario in SCENARIOS:
        found = {}
        for clock in ("virtual", "real"):
            on_progress(f"fidelity: the verdicts of {scenario}, {clock} clock")
            found[clock] = await played(
                scenario,
                "--clients",
                ",".join(name for name in client_names() if load_profile(name).driver != "exec"),
                "--clock",
                clock,
                "--jobs",
                str(os.cpu_count() or 1),
                folder=folder,
                out=folder / f"verdicts-{scenario}-{clock}",
            )
        findings.append(finding(scenario, found["virtual"], found["real"]))
    return findings


def finding(scenario: str, virtual: Mapping[str, Any], real: Mapping[str, Any]) -> Finding:
    """The share of clients whose verdict is the same. Clients whose real cell is not sound are left out, and named."""
    unsound = {cell["client"] for cell in real["cells"] if cell["state"] == "invalid"}
    differences = {
        client: _apart(verdicts_of(virtual, client), verdicts_of(real, client))
        for client in virtual["clients"]
    }
    sound = [client for client in differences if client not in unsound]
    differ = [client for client in sound if differences[client]]
    parts = [f"{len(sound)} clients"]
    parts += [f"{client}: {', '.join(differences[client])}" for client in differ]
    if unsound:
        busy = (
            f"{client} ({'another' if differences[client] else 'the same'})" for client in sorted(unsound)
        )
        parts.append(f"not judged, as the machine was too busy: {', '.join(busy)}")
    share = 100 * (len(sound) - len(differ)) / len(sound) if sound else None
    return Finding(
        f"same verdicts on both clocks, {scenario}",
        "% of clients",
        share,
        None,
        100.0,
        "; ".join(parts),
        "at least",
    )


def verdicts_of(metrics: Mapping[str, Any], client: str) -> dict[str, Any]:
    """Return a client's verdicts in a report: its expectations, whether it recovered, whether overload goes on."""
    overall = metrics["clients"][client]["overall"]
    verdicts = {name: overall[name]["value"] for name in OVERALL if name in overall}
    for one in metrics["expectations"]:
        if one["client"] == client:
            phase = f"@{one['phase']}" if one["phase"] else ""
            verdicts[f"{one['metric']}{phase} {one['limit']}"] = one["result"]
    return verdicts


def _apart(virtual: Mapping[str, Any], real: Mapping[str, Any]) -> list[str]:
    return [
        f"{what} is {virtual.get(what)} virtually, {real.get(what)} really"
        for what in dict.fromkeys((*virtual, *real))
        if virtual.get(what) != real.get(what)
    ]
