"""A region's rules for connections on the virtual clock, and the race between a request and an expiry."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.ports import Ports, listen
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000}


def _ask(
    rules: dict[str, Any], at: tuple[float, ...], connections: int = 1, *, http2: bool = False
) -> list[tuple[str, float]]:
    """Ask a region 100 ms away at these seconds; returns what each request came to, and how long it took."""
    regions = {"far": {"link": {"rtt": "100ms"}, "connections": rules}}
    plan = Plan.model_validate({"provider": {"answer": ANSWER, "regions": regions}})
    found: list[tuple[str, float]] = [("", 0.0)] * len(at)

    async def ask(client: httpx2.AsyncClient, url: str, index: int) -> None:
        await asyncio.sleep(at[index])
        began = asyncio.get_running_loop().time()
        try:
            answer = await client.post(url, json=BODY, headers={"authorization": "Bearer sk-a"})
            came_to = str(answer.status_code)
        except httpx2.TransportError as error:
            came_to = type(error).__name__
        found[index] = (came_to, asyncio.get_running_loop().time() - began)

    async def play(loop: VirtualLoop) -> None:
        server = Server(plan, journal=Journal(), loop=loop, clock=loop.time)
        listener = await listen(loop, server, "far")
        Ports(server, {"far": listener})
        url = f"http://127.0.0.1:{listener.address[1]}/v1/chat/completions"
        limits = httpx2.Limits(max_connections=connections, keepalive_expiry=None)
        async with httpx2.AsyncClient(timeout=5.0, limits=limits, http1=not http2, http2=http2) as client:
            await asyncio.gather(*[ask(client, url, index) for index in range(len(at))])

    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    return found


@pytest.mark.parametrize(
    ("second", "came_to", "took"),
    [
        (1.09, "200", 0.1),  # arrives at 1.14, before the expiry at 1.15
        (1.11, "RemoteProtocolError", 0.09),  # arrives at 1.16; the FIN is here at 1.2
        (1.19, "RemoteProtocolError", 0.01),
        (1.21, "200", 0.2),  # the pool has seen the FIN: a new connection
    ],
)
def test_a_request_races_with_an_expiry(second: float, came_to: str, took: float) -> None:
    """A FIN takes half a round trip; what its client sends meanwhile meets a closed connection."""
    answers = _ask({"idle": "1s"}, (0.0, second))
    assert answers[0] == ("200", pytest.approx(0.2, abs=1e-4))
    assert answers[1] == (came_to, pytest.approx(took, abs=1e-4))


@pytest.mark.parametrize(
    ("expiry", "came_to", "took"), [("reset", "ReadError", 0.1), ("silent", "ReadTimeout", 5.0)]
)
def test_a_forgotten_connection_costs_the_next_request(expiry: str, came_to: str, took: float) -> None:
    """A round trip until the RST is there, or all of the client's read timeout."""
    answers = _ask({"idle": "1s", "expiry": expiry}, (0.0, 3.0))
    assert answers == [("200", pytest.approx(0.2, abs=1e-4)), (came_to, pytest.approx(took, abs=1e-4))]


@pytest.mark.parametrize(
    ("when_full", "came_to", "took"),
    [("reset", "ReadError", 0.15), ("busy", "503", 0.2), ("wait", "200", 1.15)],
)
def test_one_connection_too_many(when_full: str, came_to: str, took: float) -> None:
    """It is reset, told, or waits until the first one has expired."""
    rules = {"idle": "1s", "most": 1, "when_full": when_full}
    first, second = _ask(rules, (0.0, 0.05), connections=2)
    assert first[0] == "200"
    assert second[0] == came_to
    assert second[1] == pytest.approx(took, abs=1e-4)


@pytest.mark.parametrize(
    ("rules", "came_to"),
    [
        ({"idle": "1s"}, "200"),
        ({"idle": "1s", "expiry": "reset"}, "ReadError"),
        ({"idle": "1s", "expiry": "silent"}, "ReadTimeout"),
    ],
)
def test_a_connection_of_http2_expires_as_well(rules: dict[str, Any], came_to: str) -> None:
    """It is idle while it carries no request; its client sees a GOAWAY, and an end or none."""
    answers = _ask(rules, (0.0, 0.8, 3.0), http2=True)
    assert [answer[0] for answer in answers] == ["200", "200", came_to]
