"""What a request costs the mock with everything on, beside a bare aiohttp handler that answers the same bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from windtunnel.harness.calibrate import wrk
from windtunnel.harness.calibrate.closed_loop import drive, exchange
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import MeasuredServer, mock, server

AIM = 2.0
ROUNDS = 5
REQUESTS_PER_ROUND = 10_000
WRK_SECONDS = 3

# Nothing here ever refuses or fails a request, and all of it is asked about every single one.
EVERYTHING_ON: dict[str, Any] = {
    "name": "calibrate",
    "seed": 1,
    "provider": {
        "capacity": {"slots": 1000, "queue": 1000},
        "answer": {"first_token": "0ms", "tokens": 40, "tokens_per_second": 1e7},
        "limits": {"rpm": 100_000_000, "tpm": 2_000_000_000},
    },
    "rules": [
        {"fault": "server_error", "rate": 1e-12},
        {"fault": "overloaded", "match": {"model": "another-model"}},
        {"fault": "rate_limit_requests", "match": {"api": "responses"}},
        {"fault": "malformed_json", "rate": 1e-12},
    ],
}


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """CPU per request and requests/s of mock and bare handler, in turns; medians over the rounds."""
    async with mock(EVERYTHING_ON, folder) as full:
        answer = folder / "answer.json"
        answer.write_text(json.dumps(await sample(full.port)))
        async with server("bare", ["windtunnel.harness.calibrate.bare_server", str(answer)], folder) as bare:
            on_progress("server: CPU per request, the mock and a bare handler in turns")
            costs = await in_turns(full, bare)
            findings = [cost_finding(costs)]
            if wrk.installed():
                on_progress("server: requests/s by wrk")
                findings.append(await rates(full, bare, folder))
    return findings


async def sample(port: int) -> dict[str, Any]:
    """One answer of the mock, in the form in which the bare handler reads it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head, body = await exchange(reader, writer, "sample")
    writer.close()
    lines = head.decode().split("\r\n")[1:]
    headers = [line.split(": ", 1) for line in lines if line]
    return {"headers": headers, "body": body.decode()}


async def in_turns(full: MeasuredServer, bare: MeasuredServer) -> list[tuple[float, float]]:
    """(mock, bare) CPU seconds per request, a pair per round, after a round that does not count."""
    pairs = []
    for number in range(ROUNDS + 1):
        pair = []
        for which in (full, bare):
            before = which.cpu_s()
            await drive(which.port, REQUESTS_PER_ROUND, prefix=f"r{number}-")
            pair.append((which.cpu_s() - before) / REQUESTS_PER_ROUND)
        if number:
            pairs.append((pair[0], pair[1]))
    return pairs


def cost_finding(pairs: list[tuple[float, float]]) -> Finding:
    """The pair whose ratio is the median one."""
    ratios = sorted(mine / bare for mine, bare in pairs)
    middle = median(ratios)
    mine, bare = min(pairs, key=lambda pair: abs(pair[0] / pair[1] - middle))
    return Finding(
        "server CPU per request",
        "µs",
        mine * 1e6,
        bare * 1e6,
        AIM,
        "rules, limits, capacity and journal on, against a bare aiohttp handler with the same bytes; median of "
        f"{ROUNDS} pairs of {REQUESTS_PER_ROUND} requests; ratios from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )


async def rates(full: MeasuredServer, bare: MeasuredServer, folder: Path) -> Finding:
    """Requests/s under wrk: one thread, 32 connections."""
    mine = await wrk.requests_per_second(full.port, WRK_SECONDS, folder)
    bare_rate = await wrk.requests_per_second(bare.port, WRK_SECONDS, folder)
    note = "wrk, 1 thread, 32 connections; the ratio is how many times as many the bare handler answers"
    return Finding("bare handler's rate ÷ the mock's", "requests/s", bare_rate, mine, None, note)
