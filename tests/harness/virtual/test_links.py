"""Links on the virtual clock: connecting and messages cost exactly their round trips."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.ports import Ports, listen
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}


def _times(provider: dict[str, Any], count: int) -> list[float]:
    """How long requests on one connection take, the first of which opens it."""
    plan = Plan.model_validate({"provider": provider})
    taken = []

    async def play(loop: VirtualLoop) -> None:
        server = Server(plan, journal=Journal(), loop=loop, clock=loop.time)
        listener = await listen(loop, server, "far")
        Ports(server, {"far": listener})
        async with httpx2.AsyncClient(timeout=None) as client:
            for _ in range(count):
                began = loop.time()
                url = f"http://127.0.0.1:{listener.address[1]}/v1/chat/completions"
                answer = await client.post(url, json=BODY, headers={"authorization": "Bearer sk-a"})
                assert answer.status_code == 200
                taken.append(loop.time() - began)

    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    return taken


def test_a_cold_request_costs_two_round_trips_and_a_warm_one_costs_one() -> None:
    """To the microsecond."""
    provider = {
        "answer": {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000},
        "regions": {"far": {"link": {"rtt": "100ms"}}},
    }
    taken = _times(provider, 3)
    assert taken[0] == pytest.approx(0.2, abs=1e-4)
    assert taken[1:] == [pytest.approx(0.1, abs=1e-4)] * 2
