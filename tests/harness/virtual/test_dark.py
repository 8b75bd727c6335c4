"""A region that falls silent on the virtual clock: connects, open connections, and the way back."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.ports import Ports, listen
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
PLAN = Plan.model_validate(
    {
        "provider": {
            "answer": {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000},
            "regions": {"far": {}},
        },
        "phases": [
            {"name": "before", "for": "10s"},
            {"name": "dark", "for": "10s", "provider": {"regions": {"far": {"reachable": "silent"}}}},
            {"name": "after", "for": "10s"},
        ],
    }
)


def test_a_silent_region_is_silent_for_new_and_for_open_connections() -> None:
    """Connecting times out, a request on an open connection does, and one that waits long enough is answered late.

    It was sent at 10 s; TCP repeats it at 10.2, 10.6, 11.4, 13, 16.2 s, and at 22.6 s the region is back.
    """
    found: list[tuple[str, float]] = []

    async def ask(loop: VirtualLoop, client: httpx2.AsyncClient, url: str) -> None:
        began = loop.time()
        try:
            answer = await client.post(url, json=BODY, headers={"authorization": "Bearer sk-a"})
            found.append((str(answer.status_code), loop.time() - began))
        except httpx2.HTTPError as error:
            found.append((type(error).__name__, loop.time() - began))

    async def play(loop: VirtualLoop) -> None:
        server = Server(PLAN, journal=Journal(), loop=loop, clock=loop.time)
        listener = await listen(loop, server, "far")
        Ports(server, {"far": listener})
        url = f"http://127.0.0.1:{listener.address[1]}/v1/chat/completions"
        patient = httpx2.AsyncClient(timeout=None)
        hasty = httpx2.AsyncClient(timeout=httpx2.Timeout(connect=1, read=2, write=2, pool=2))
        async with patient, hasty:
            await ask(loop, patient, url)
            await ask(loop, hasty, url)
            await asyncio.sleep(10.0 - loop.time())
            waiting = asyncio.ensure_future(ask(loop, patient, url))
            await ask(loop, hasty, url)
            await ask(loop, hasty, url)
            await waiting
            await ask(loop, hasty, url)

    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    assert [name for name, _ in found] == ["200", "200", "ReadTimeout", "ConnectTimeout", "200", "200"]
    assert [taken for _, taken in found[2:5]] == pytest.approx([2.0, 1.0, 12.6], abs=1e-3)
