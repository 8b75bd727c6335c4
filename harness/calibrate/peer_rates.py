"""Requests per second on one core, non-streamed: our mock and the peers, in turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from windtunnel.harness.calibrate import wrk
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.peers import Fixture, Peer, check_answer, running
from windtunnel.harness.calibrate.pinned import cores
from windtunnel.harness.calibrate.processes import MeasuredServer, mock
from windtunnel.harness.calibrate.server_cost import sample

OURS = "windtunnel"
ROUNDS = 7
SECONDS = 2.0
WARM_UP_S = 4.0
NAME = "requests/s on one core"
UNIT = "requests/s"
PLAN: dict[str, Any] = {
    "name": "calibrate-peers",
    "provider": {
        "capacity": {"slots": 1000, "queue": 1000},
        "answer": {"first_token": "0ms", "tokens": 40, "tokens_per_second": 1e7},
    },
}


async def measure(peers: Sequence[Peer], folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """A row per peer: our rate beside its own."""
    there = [peer for peer in peers if peer.version]
    if not wrk.installed():
        return [unmeasured(peer, wrk.INSTALL) for peer in peers]
    rates: dict[str, list[float]] = {}
    if there:
        rates = await in_turns(there, folder, on_progress)
    return [
        finding(peer, rates[OURS], rates[peer.name]) if peer.version else unmeasured(peer, peer.missing)
        for peer in peers
    ]


async def in_turns(
    peers: Sequence[Peer], folder: Path, on_progress: Callable[[str], None]
) -> dict[str, list[float]]:
    """Requests/s in every round, by name.

    The peers answer the text of our own answer; that they do is checked before and after.
    """
    place = cores()
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(
            mock(PLAN, folder, "peers-mock", journal=False, cores=place.server)
        )
        text = json.loads((await sample(ours.port))["body"])["choices"][0]["message"]["content"]
        servers: dict[str, MeasuredServer] = {OURS: ours}
        for peer in peers:
            servers[peer.name] = await stack.enter_async_context(
                running(peer, Fixture(text), folder, place.server)
            )
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(ROUNDS + 1):
            for name, server in servers.items():
                if not number:
                    on_progress(f"peers: requests/s, warming {name} up")
                    if name != OURS:
                        await check_answer(name, server, text)
                seconds = SECONDS if number else WARM_UP_S
                measured = await wrk.requests_per_second(server.port, seconds, folder, place.clients)
                if number:
                    rates[name].append(measured)
                    on_progress(f"peers: requests/s, round {number} of {ROUNDS}: {name} {measured:,.0f}")
        for peer in peers:
            await check_answer(peer.name, servers[peer.name], text)
    return rates


def unmeasured(peer: Peer, why: str) -> Finding:
    """The row of a peer that is not there."""
    return Finding(f"{NAME}, beside {peer.name}", UNIT, None, None, peer.aim, why, "at least")


def finding(peer: Peer, ours: Sequence[float], theirs: Sequence[float]) -> Finding:
    """The round whose ratio is the median one, and the spread of all."""
    pairs = list(zip(ours, theirs, strict=True))
    ratios = sorted(mine / other for mine, other in pairs)
    mine, other = min(pairs, key=lambda pair: abs(pair[0] / pair[1] - median(ratios)))
    notes = [
        f"non-streamed chat completions of the same text, wrk with {wrk.CONNECTIONS} connections on other cores",
        "records in memory, as both keep them by themselves",
        f"median of {len(pairs)} rounds in turns, ratios from {ratios[0]:.2f} to {ratios[-1]:.2f}",
        cores().note,
    ]
    note = "; ".join(part for part in notes if part)
    return Finding(f"{NAME}, beside {peer.title}", UNIT, mine, other, peer.aim, note, "at least")
