"""The whole of `windtunnel probe`: played, inferred, written down; returns the exit code."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from windtunnel.harness.contract.files import write_whole
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.probe.arrived import arrived, connections_of
from windtunnel.harness.probe.attach import waits
from windtunnel.harness.probe.figures import CERTAIN, figures
from windtunnel.harness.probe.model import ProbeResult
from windtunnel.harness.probe.options import ProbeOptions
from windtunnel.harness.probe.play import Played, play
from windtunnel.harness.probe.words import findings, summary
from windtunnel.harness.run.run import run_folder
from windtunnel.mock_server.errors import printable

NOT_VALID = 3


def probe_command(options: ProbeOptions) -> int:
    """Play the probe, write `probe.json` and `probe.md`, and print the summary.

    Returns 0, or 3 where the figures are not valid: no request arrived, or they are less certain than demanded.
    """
    options.check()
    scenario = load_scenario(options.scenario, time_scale=options.time_scale)
    scenario.require_no_vary("a program that is probed is as it is")
    name = scenario.name
    folder = run_folder(options.out, f"probe-{name}").absolute()
    limit = "until it ends" if options.attach is None else f"for {scenario.length_s:.0f} s"
    print(f"probing in {name} {limit}; Ctrl-C ends it, and keeps what is known", file=sys.stderr)
    played = asyncio.run(play(options, scenario, folder))
    result = result_of(options, scenario, played)
    write_whole(folder / "probe.json", result.model_dump_json(indent=1) + "\n")
    text = summary(result)
    write_whole(folder / "probe.md", text)
    print(printable(text))
    print(folder)
    return 0 if result.valid else NOT_VALID


def result_of(options: ProbeOptions, scenario: Scenario, played: Played) -> ProbeResult:
    """All that is known, of the records in the folder."""
    connections = _rows(played.folder / "connections.parquet")
    requests = arrived(_rows(played.folder / "served.parquet"), connections)
    demanded = options.min_certainty
    found = figures(requests, connections_of(connections), CERTAIN if demanded is None else demanded)
    calls = found.calls
    enough = demanded is None or (calls.certainty is not None and calls.certainty >= demanded)
    users = None
    if played.users is not None and options.attach is not None:
        users = waits(played.users, options.attach, calls.calls, found.requests.working)
    return ProbeResult(
        windtunnel=version("windtunnel"),
        scenario=scenario.name,
        seed=played.seed,
        length_s=scenario.length_s,
        command=list(options.command),
        environment=list(played.environment),
        lasted_s=played.lasted_s,
        min_certainty=demanded,
        valid=bool(calls.calls or (found.requests.arrived and demanded is None)) and enough,
        findings=findings(played, scenario, found, demanded, started=bool(options.command)),
        program=played.program,
        figures=found,
        users=users,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return rows
