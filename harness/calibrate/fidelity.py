"""Whether the virtual clock tells the truth: one scenario on both clocks, compared.

    calm     ─► virtual, real          call by call, and quantiles of the wait
    secured  ─► virtual, real          the same, in TLS over a link
    shared   ─► virtual, real          the same, over HTTP/2
    crowded  ─► virtual, real, real    distributions, beside how far the two real runs are apart

Every run is `windtunnel run`, so that both clocks are compared as anybody uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from windtunnel.harness.calibrate import agreement
from windtunnel.harness.calibrate.commands import played
from windtunnel.harness.calibrate.finding import Finding

SAME_AIM = 99.5
QUANTILE_AIM = 3.0

SCENARIO = """\
name: fidelity_{name}
about: Played on both clocks.
seed: 21
provider:
  regions: {{us-east: {region}}}
  capacity: {capacity}
  answer:
    first_token: {{median: 250ms, p99: 900ms}}
    tokens: {{median: 60, p99: 160}}
    tokens_per_second: 80
    tokens_per_chunk: 4
load: {{api: chat, stream: 0.5, arrivals: poisson, rate: {rate}, deadline: 20s}}
phases:
  - {{name: healthy, for: 20s}}
  - name: trouble
    for: 40s
{trouble}
clients: [{clients}]
"""
CALM = {
    "region": "{rtt: {mean: 89ms, p99: 210ms}}",
    "capacity": "{slots: 400, queue: 400}",
    "rate": "20/s",
    "trouble": """\
    rules:
      - {fault: server_error, rate: 0.06}
      - {fault: rate_limit_requests, with: {retry_after: 2s}, rate: 0.04}
      - {fault: reset, rate: 0.03}
      - {fault: slow_first_token, with: {seconds: 4s}, rate: 0.03}""",
}
SECURED = {**CALM, "region": "{tls: true, link: {rtt: {mean: 89ms, p99: 210ms}}}"}
"""Connecting, a handshake of TLS and messages over the link, as often as pools let go of connections."""

CROWDED = {
    "region": "{rtt: {mean: 89ms, p99: 210ms}}",
    "capacity": "{slots: 16, queue: 40}",
    "rate": "14/s",
    "trouble": "    provider: {capacity: {slots: 12}}",
}
NARROW = """\
name: narrow-pool
about: Ten connections, and two seconds to get one.
driver: openai-async
sdk: {max_retries: 2}
timeouts: {connect: 5s, read: 20s, write: 20s, pool: 2s}
pool: {connections: 10, keepalive: 10, expiry: 5s}
"""
CALM_CLIENTS = ("openai-default", "openai-async-default")
SHARED_CLIENTS = ("h2-single",)
"""All calls of an instance on one connection of HTTP/2."""

CROWDED_CLIENTS = ("openai-default", "./narrow-pool.yaml")


@dataclass(frozen=True, slots=True)
class Play:
    """A run: the calls of each client, and which clients' records are not sound."""

    calls: dict[str, pd.DataFrame]
    unsound: frozenset[str]


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """All four scenarios; about nine minutes. The real runs need a machine with nothing else to do."""
    (folder / "narrow-pool.yaml").write_text(NARROW)
    calm = scenario_file(folder, "calm", CALM, CALM_CLIENTS)
    secured = scenario_file(folder, "secured", SECURED, CALM_CLIENTS)
    shared = scenario_file(folder, "shared", CALM, SHARED_CLIENTS)
    crowded = scenario_file(folder, "crowded", CROWDED, CROWDED_CLIENTS)
    plays: dict[tuple[str, str], Play] = {}
    for scenario, number, clock in (
        (calm, 1, "virtual"),
        (calm, 1, "real"),
        (secured, 1, "virtual"),
        (secured, 1, "real"),
        (shared, 1, "virtual"),
        (shared, 1, "real"),
        (crowded, 1, "virtual"),
        (crowded, 1, "real"),
        (crowded, 2, "real"),
    ):
        name = f"{scenario.stem}-{clock}-{number}"
        on_progress(f"fidelity: {name}")
        metrics = await played(str(scenario), "--clock", clock, folder=folder, out=folder / name)
        plays[scenario.stem, f"{clock}-{number}"] = play_of(folder / name, metrics)
    findings: list[Finding] = []
    for name, what in (("calm", ""), ("secured", ", TLS over a link"), ("shared", ", HTTP/2")):
        virtual, real = plays[name, "virtual-1"], plays[name, "real-1"]
        for client in virtual.calls:
            findings += calm_findings(client, virtual, real, what)
    virtual = plays["crowded", "virtual-1"]
    for client in virtual.calls:
        findings += crowded_findings(client, virtual, [plays["crowded", f"real-{n}"] for n in (1, 2)])
    return findings


def scenario_file(folder: Path, name: str, parts: dict[str, str], clients: Sequence[str]) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(SCENARIO.format(name=name, clients=", ".join(clients), **parts))
    return path


def play_of(run: Path, metrics: dict[str, Any]) -> Play:
    """The records of a run directory that has one repeat."""
    cells = metrics["cells"]
    return Play(
        {cell["client"]: agreement.calls_of(run / "cells" / f"{cell['client']}-0") for cell in cells},
        frozenset(cell["client"] for cell in cells if cell["state"] == "invalid"),
    )


def calm_findings(client: str, virtual: Play, real: Play, what: str = "") -> list[Finding]:
    """Call by call, and the quantiles of the wait in per cent of the real ones. `what` is played, in words."""
    mine, theirs = virtual.calls[client], real.calls[client]
    sound, remark = _soundness(client, [real])
    share = agreement.same_share(mine, theirs) * 100
    note = f"{len(mine)} calls, without saturation{remark}"
    found = [
        Finding(
            f"same outcome and attempts, {client}{what}",
            "% of calls",
            share,
            None,
            SAME_AIM if sound else None,
            note,
            "at least",
        )
    ]
    for q, (here, there, error) in agreement.quantile_errors(mine, theirs).items():
        found.append(
            Finding(
                f"wait p{q * 100:g}, virtual from real, {client}{what}",
                "%",
                error * 100,
                None,
                QUANTILE_AIM if sound else None,
                f"{here:.3f} s virtual, {there:.3f} s real{remark}",
            )
        )
    return found


def crowded_findings(client: str, virtual: Play, reals: Sequence[Play]) -> list[Finding]:
    """Distances between distributions: the virtual run's from both real ones (mean), beside the real ones' own.

    The limit is the larger of the two real runs' distance and what chance does to two samples of that size.
    """
    mine = virtual.calls[client]
    first, second = (real.calls[client] for real in reals)
    sound, remark = _soundness(client, reals)
    chance = agreement.chance_distance(len(mine), len(first))
    measures: dict[str, Callable[[pd.DataFrame, pd.DataFrame], float]] = {
        "waits": lambda a, b: agreement.distance(a["wait_s"], b["wait_s"]),
        "attempts": lambda a, b: agreement.distance(a["attempts"], b["attempts"]),
        "outcomes": lambda a, b: agreement.share_apart(a["outcome"], b["outcome"]),
    }
    agree = ", ".join(
        f"{agreement.same_share(a, b):.1%} {who}"
        for who, a, b in (("virtual and real", mine, first), ("real and real", first, second))
    )
    found = []
    for name, apart in measures.items():
        spread = apart(first, second)
        value = fmean(apart(mine, real) for real in (first, second))
        note = f"real and real {spread:.3f}, chance {chance:.3f}{remark}"
        if name == "outcomes":
            note += f"; calls that are the same: {agree}"
        limit = max(spread, chance)
        found.append(
            Finding(
                f"distance of {name} in saturation, {client}",
                "0 to 1",
                value,
                None,
                round(limit, 3) if sound else None,
                note,
            )
        )
    return found


def _soundness(client: str, reals: Sequence[Play]) -> tuple[bool, str]:
    unsound = sum(client in real.unsound for real in reals)
    return (True, "") if not unsound else (False, "; no verdict: the machine was too busy for the real run")
