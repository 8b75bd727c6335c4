"""Whether links do what they are told: the regions of the table, on both clocks, and how punctual a busy link is.

mean and P99 of a warm request ─► beside those that the link was given, and virtual beside real
200 streams of 20 tokens/s     ─► how far each token arrives from the moment at which it should
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
import orjson

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.link_client import Taken, ask_all
from windtunnel.harness.calibrate.processes import measured, mock
from windtunnel.harness.calibrate.token_timing import reader_errors
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.ports import Ports, listen
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

REGIONS: Final[Mapping[str, tuple[float, float]]] = {
    "us-east": (0.089, 0.210),
    "eu-central": (0.142, 0.320),
    "ap-southeast": (0.198, 0.450),
}
"""Mean and P99 of a request to each region in seconds, as people have measured them."""

AIM_PERCENT: Final = 5.0
CLOCKS_AIM_PERCENT: Final = 3.0
CONNECTIONS: Final = 500
REQUESTS: Final = 21
"""On each connection; the first one, which is cold, does not count: 10,000 warm ones."""
PAUSE_S: Final = 1.5
"""So that there are some 300 requests a second: it is links that are measured, and no load."""

STREAMS: Final = 200
TOKENS_PER_SECOND: Final = 20
TOKENS: Final = 240
FIRST_TOKEN_S: Final = 0.5
SPREAD_S: Final = 3.0
ROUND_TRIP_S: Final = 0.05
PUNCTUAL_AIM_S: Final = 0.003


def plan() -> dict[str, Any]:
    """A mock whose answers take no time, behind the links of the table."""
    regions = {
        name: {"link": {"rtt": {"mean": f"{mean * 1e3:g}ms", "p99": f"{p99 * 1e3:g}ms"}}}
        for name, (mean, p99) in REGIONS.items()
    }
    answer = {"first_token": "0ms", "tokens": 1, "tokens_per_second": 10_000_000}
    capacity = {"slots": 10 * CONNECTIONS}
    return {
        "name": "calibrate-links",
        "provider": {"answer": answer, "capacity": capacity, "regions": regions},
    }


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """All of it; three minutes. The real figures need a machine with nothing else to do."""
    findings: list[Finding] = []
    async with mock(plan(), folder, "links", journal=False) as server:
        for name, url in server.announced["regions"].items():
            on_progress(f"links: {CONNECTIONS * (REQUESTS - 1):,} requests to {name} on each clock")
            port = url.split(":")[2].split("/")[0]
            shape = (str(CONNECTIONS), str(REQUESTS), str(PAUSE_S))
            told = await measured(
                "windtunnel.harness.calibrate.link_client", port, *shape, folder=folder, timeout_s=600.0
            )
            real = Taken(**orjson.loads((folder / told["file"]).read_bytes()))
            virtual = await asyncio.to_thread(ask_virtually, name, CONNECTIONS, REQUESTS)
            findings += region_findings(name, {"virtual": virtual, "real": real})
    return [*findings, await measure_punctuality(folder, on_progress)]


def ask_virtually(region: str, connections: int, requests: int) -> Taken:
    """Ask a region of `plan` on the virtual clock."""
    loop = VirtualLoop()

    async def play() -> Taken:
        server = Server(Plan.model_validate(plan()), journal=Journal(), loop=loop, clock=loop.time)
        listener = await listen(loop, server, region)
        Ports(server, {region: listener})
        return await ask_all(listener.address[1], connections, requests, PAUSE_S, loop.time)

    try:
        return loop.run_until_complete(play())
    finally:
        loop.close()


def region_findings(region: str, taken: Mapping[str, Taken]) -> list[Finding]:
    """How far mean and P99 of warm requests are from the link's, on each clock; and the clocks from each other."""
    mean, p99 = REGIONS[region]
    found = []
    for clock, one in taken.items():
        warm = np.array(one.warm)
        for what, here, wanted in (
            ("mean", float(warm.mean()), mean),
            ("P99", float(np.quantile(warm, 0.99)), p99),
        ):
            note = f"{here * 1e3:.1f} ms for {wanted * 1e3:.0f} ms; {len(warm):,} requests, {len(one.cold)} connections"
            if clock == "real":
                note += f"; {busy()}"
            off = abs(here / wanted - 1) * 100
            found.append(
                Finding(f"{what} of a warm request, {region}, {clock}", "% off", off, None, AIM_PERCENT, note)
            )
    virtual, real = (np.array(taken[clock].warm) for clock in ("virtual", "real"))
    for q in (0.5, 0.95, 0.99):
        here, there = float(np.quantile(virtual, q)), float(np.quantile(real, q))
        found.append(
            Finding(
                f"a link's p{q * 100:g}, virtual from real, {region}",
                "%",
                abs(here / there - 1) * 100,
                None,
                CLOCKS_AIM_PERCENT,
                f"{here * 1e3:.1f} ms virtual, {there * 1e3:.1f} ms real",
            )
        )
    return found


async def measure_punctuality(folder: Path, on_progress: Callable[[str], None]) -> Finding:
    """How far tokens arrive from their moments, through links of a constant round trip; the mock has one core.

    The same without links, measured next, says how much of it is the machine's.
    """
    errors = {}
    for name, round_trip_s in (("link", ROUND_TRIP_S), ("none", 0.0)):
        on_progress(
            f"links: {STREAMS} streams of {TOKENS_PER_SECOND} tokens/s, {name}, {TOKENS / TOKENS_PER_SECOND:.0f} s"
        )
        errors[name] = await token_errors(folder, name, round_trip_s)
    linked = errors["link"]
    note = (
        f"{len(linked):,} tokens, median {np.median(linked) * 1e3:.2f} ms, worst {linked.max() * 1e3:.1f} ms; without "
        f"a link p99 {np.percentile(errors['none'], 99) * 1e3:.2f} ms; {busy()}"
    )
    return Finding(
        f"scheduling error p99 of a link, {STREAMS} connections of {TOKENS_PER_SECOND} messages/s",
        "ms",
        float(np.percentile(linked, 99)) * 1e3,
        None,
        PUNCTUAL_AIM_S * 1e3,
        note,
    )


async def token_errors(folder: Path, name: str, round_trip_s: float) -> np.ndarray[Any, Any]:
    """Seconds from when each token should be at a reader to when it is; a round trip of zero is no link."""
    answer = {
        "first_token": f"{FIRST_TOKEN_S}s",
        "tokens": TOKENS,
        "tokens_per_second": TOKENS_PER_SECOND,
        "tokens_per_chunk": 1,
    }
    region = {"link": {"rtt": f"{round_trip_s * 1e3:g}ms"}} if round_trip_s else {}
    provider = {"capacity": {"slots": STREAMS}, "answer": answer, "regions": {"local": region}}
    core = max(os.sched_getaffinity(0))
    async with mock({"name": "calibrate-link", "provider": provider}, folder, name, cores=[core]) as server:
        t0 = time.monotonic()
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{server.announced['admin_url']}/reset", json={"t0": t0}) as reset:
                reset.raise_for_status()
            read = await measured(
                "windtunnel.harness.calibrate.stream_reader",
                str(server.port),
                str(STREAMS),
                str(SPREAD_S),
                folder=folder,
            )
            await asyncio.sleep(1.1)  # the journal flushes every second
            async with session.get(f"{server.announced['admin_url']}/served") as served:
                rows = [orjson.loads(line) for line in (await served.read()).splitlines()]
    arrivals = orjson.loads((folder / read["file"]).read_bytes())
    began = {row["call_id"]: row["started_s"] + t0 + round_trip_s / 2 for row in rows}
    return reader_errors(
        arrivals, began, tokens=TOKENS, per_second=TOKENS_PER_SECOND, first_token_s=FIRST_TOKEN_S
    )


def busy() -> str:
    """How busy the machine is: what real figures are worth there."""
    return f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"
