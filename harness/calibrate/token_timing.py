"""How punctual tokens are: 500 concurrent streams of 40 tokens/s, at the server's write and at a raw-socket reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import measured, mock

AIM_S = 0.005
STREAMS = 500
TOKENS_PER_SECOND = 40
TOKENS = 480
SPREAD_S = 5.0
FIRST_TOKEN_S = 0.5
PLAN: dict[str, Any] = {
    "name": "calibrate-streams",
    "provider": {
        "capacity": {"slots": STREAMS, "queue": 10},
        "answer": {
            "first_token": f"{FIRST_TOKEN_S}s",
            "tokens": TOKENS,
            "tokens_per_second": TOKENS_PER_SECOND,
            "tokens_per_chunk": 1,
        },
    },
}


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """Timing errors against the moments at which the provider's model had each token ready."""
    on_progress(
        f"tokens: {STREAMS} streams of {TOKENS_PER_SECOND} tokens/s for {TOKENS / TOKENS_PER_SECOND:.0f} s"
    )
    async with mock(PLAN, folder, "streams") as server:
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
            async with session.get(f"{server.announced['admin_url']}/health") as health:
                written = (await health.json())["token_lateness"]
            await asyncio.sleep(1.1)  # the journal flushes every second
            async with session.get(f"{server.announced['admin_url']}/served") as served:
                rows = [orjson.loads(line) for line in (await served.read()).splitlines()]
    arrivals = orjson.loads((folder / read["file"]).read_bytes())
    errors = reader_errors(arrivals, {row["call_id"]: row["started_s"] + t0 for row in rows})
    return [
        finding(
            "at the server's write",
            written["p99_s"],
            f"{written['count']} chunks, worst {written['max_s'] * 1e3:.1f} ms",
        ),
        finding(
            "at a raw-socket reader",
            float(np.percentile(errors, 99)),
            f"{len(errors)} chunks, median {np.median(errors) * 1e3:.2f} ms, worst {errors.max() * 1e3:.1f} ms",
        ),
    ]


def reader_errors(
    arrivals: dict[str, list[float]],
    started: dict[str, float],
    *,
    tokens: int = TOKENS,
    per_second: float = TOKENS_PER_SECOND,
    first_token_s: float = FIRST_TOKEN_S,
) -> np.ndarray[Any, Any]:
    """|arrival − due| of every token, seconds; raises `ValueError` if a token is missing."""
    errors = []
    for call_id, times in arrivals.items():
        if len(times) != tokens:
            raise ValueError(f"stream {call_id}: {len(times)} of {tokens} tokens arrived")
        due = started[call_id] + first_token_s + np.arange(tokens) / per_second
        errors.append(np.abs(np.array(times) - due))
    return np.concatenate(errors)


def finding(where: str, p99_s: float, note: str) -> Finding:
    """The p99 of the timing error, in milliseconds."""
    return Finding(f"token timing error p99, {where}", "ms", p99_s * 1e3, None, AIM_S * 1e3, note)
