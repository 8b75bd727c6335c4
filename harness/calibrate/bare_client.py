"""The yardstick of the harness: a bare loop over the SDK. Nothing is recorded, scheduled or judged.

Run as `python -m windtunnel.harness.calibrate.bare_client sync|async BASE_URL CALLS`; prints one JSON line with the CPU
seconds per call, start-up and the first calls left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop
from openai import AsyncOpenAI, OpenAI

from windtunnel.mock_server.server.end_with_parent import die_with_parent

WARM_UP_CALLS = 50
CONCURRENCY = 16
MODEL = "gpt-4.1-mini"


def sync_loop(base_url: str, calls: int) -> float:
    """CPU seconds per call of a plain `for` loop over one client."""
    client = OpenAI(base_url=base_url, api_key="sk-windtunnel")

    def call() -> None:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "How are you?"}])

    for _ in range(WARM_UP_CALLS):
        call()
    before = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - before) / calls


async def async_loop(base_url: str, calls: int) -> float:
    """CPU seconds per call of 16 workers over one async client."""
    async with AsyncOpenAI(base_url=base_url, api_key="sk-windtunnel") as client:

        async def worker(share: int) -> None:
            for _ in range(share):
                await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "How are you?"}]
                )

        await asyncio.gather(*(worker(WARM_UP_CALLS // CONCURRENCY + 1) for _ in range(CONCURRENCY)))
        share = max(1, calls // CONCURRENCY)
        before = time.process_time()
        await asyncio.gather(*(worker(share) for _ in range(CONCURRENCY)))
        return (time.process_time() - before) / (share * CONCURRENCY)


if __name__ == "__main__":
    die_with_parent()
    kind, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    cost = sync_loop(url, count) if kind == "sync" else uvloop.run(async_loop(url, count))
    print(json.dumps({"cpu_s_per_call": cost}), flush=True)
