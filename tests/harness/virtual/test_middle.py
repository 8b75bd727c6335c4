"""What stands between clients and a region, on the virtual clock: hops, expiries, buffers and time limits."""

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

ANSWER = {"first_token": "1s", "tokens": 41, "tokens_per_second": 10, "tokens_per_chunk": 10}
"""A token every 0.1 s from 1 s on: chunks of a stream at 1 s and then every second, its end at 5 s."""


class Told:
    """What one request came to: status or exception, when its head, first and last bytes came, and how many faults."""

    def __init__(self) -> None:
        self.came_to = ""
        self.head_s = self.first_s = self.last_s = 0.0


def ask(
    middle: list[dict[str, Any]],
    *at: float,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    http2: bool = False,
    answer: dict[str, Any] = ANSWER,
) -> tuple[list[Told], list[tuple[Any, ...]]]:
    """Ask a region 100 ms away, at these seconds; returns what they came to, and the served rows."""
    region = {"link": {"rtt": "100ms"}, "middle": middle}
    plan = Plan.model_validate({"provider": {"answer": answer, "regions": {"far": region}}})
    found = [Told() for _ in at]
    journal = Journal()
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}], "stream": stream}

    async def one(client: httpx2.AsyncClient, url: str, told: Told, begin: float) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(begin)
        sent = {"authorization": "Bearer sk-a", **(headers or {})}
        try:
            async with client.stream("POST", url, json=body, headers=sent) as reply:
                told.head_s = clock() - begin
                told.came_to = str(reply.status_code)
                async for _ in reply.aiter_bytes():
                    told.first_s = told.first_s or clock() - begin
                    told.last_s = clock() - begin
        except httpx2.TransportError as error:
            told.came_to += type(error).__name__
            told.last_s = clock() - begin

    async def play(loop: VirtualLoop) -> None:
        server = Server(plan, journal=journal, loop=loop, clock=loop.time)
        listener = await listen(loop, server, "far")
        Ports(server, {"far": listener})
        url = f"http://127.0.0.1:{listener.address[1]}/v1/chat/completions"
        limits = httpx2.Limits(max_connections=1, keepalive_expiry=None)
        async with httpx2.AsyncClient(timeout=30.0, limits=limits, http1=not http2, http2=http2) as client:
            await asyncio.gather(
                *[one(client, url, told, begin) for told, begin in zip(found, at, strict=True)]
            )
            await asyncio.sleep(40)  # the region goes on working where nobody waits

    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    return found, journal.rows()


@pytest.mark.parametrize("http2", [False, True])
def test_a_hop_costs_its_round_trip_and_no_connect(http2: bool) -> None:
    """20 ms on every message, cold or warm; two hops add up."""
    quick = {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000}
    for hops in (1, 2):
        (cold, warm), _ = ask([{"hop": "20ms"}] * hops, 0.0, 1.0, http2=http2, answer=quick)
        assert cold.last_s == pytest.approx(0.2 + 0.02 * hops, abs=1e-4)
        assert warm.last_s == pytest.approx(0.1 + 0.02 * hops, abs=1e-4)


def test_a_buffer_passes_a_stream_on_at_once() -> None:
    """Head, first and last byte come together, when the region has sent the last one."""
    (through,), _ = ask([{"hop": "1ms"}], 0.0, stream=True)
    assert through.last_s - through.first_s > 3
    (told,), rows = ask([{"buffers": True}], 0.0, stream=True)
    assert told.head_s == pytest.approx(told.last_s, abs=0.01)
    assert told.last_s == pytest.approx(through.last_s, abs=0.01)
    assert rows[0][12] == ("buffered",)


@pytest.mark.parametrize("http2", [False, True])
def test_a_time_limit_ends_what_is_slower(http2: bool) -> None:
    """A 504 before the first byte; nothing for one in time; a reset in the middle of the answer."""
    (late,), rows = ask([{"timeout": "2s"}], 0.0, http2=http2)
    assert late.came_to == "504"
    assert late.last_s == pytest.approx(2.2, abs=0.01)
    assert rows[0][12] == ("gateway_timeout",)
    (in_time,), rows = ask([{"timeout": "2s"}], 0.0, stream=True, http2=http2)
    assert (in_time.came_to, rows[0][12]) == ("200", ())
    (cut,), rows = ask(
        [{"timeout": "1100ms"}], 0.0, stream=True, http2=http2, answer=ANSWER | {"tokens_per_second": 2}
    )
    assert cut.came_to == "200RemoteProtocolError"
    assert rows[0][12] == ("cut",)
    (reset,), _ = ask([{"reset_after": "2500ms"}], 0.0, stream=True, http2=http2)
    assert reset.came_to == "200ReadError" if not http2 else reset.came_to.startswith("200")
    assert reset.last_s == pytest.approx(2.7, abs=0.01)


@pytest.mark.parametrize(
    ("expiry", "came_to", "took"),
    [
        ("close", "200RemoteProtocolError", 0.9),
        ("reset", "200ReadTimeout", 30.2),
        ("silent", "200ReadTimeout", 30.2),
    ],
)
def test_an_idle_proxy_ends_requests_under_way(expiry: str, came_to: str, took: float) -> None:
    """Nothing passes while an answer of 5 s is waited for. The region knows of it only where it is told."""
    (told,), rows = ask([{"idle": "700ms", "expiry": expiry}], 0.0)
    assert (told.came_to, told.last_s) == (came_to, pytest.approx(took, abs=0.01))
    assert rows[0][27] is (expiry == "close")  # abandoned


@pytest.mark.parametrize(
    ("expiry", "came_to"), [("close", "200"), ("reset", "ReadError"), ("silent", "ReadTimeout")]
)
def test_an_idle_proxy_ends_connections_between_requests(expiry: str, came_to: str) -> None:
    """As the region's own rule would."""
    quick = {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000}
    found, _ = ask([{"idle": "700ms", "expiry": expiry}], 0.0, 3.0, answer=quick)
    assert [told.came_to for told in found] == ["200", came_to]


def test_headers_that_are_too_large_do_not_get_through() -> None:
    """A 431, and the region never sees the request; just below the limit it does."""
    large = {"x-large": "x" * 8000}
    for http2 in (False, True):
        (told,), rows = ask([{"header_limit": "8KB"}], 0.0, headers=large, http2=http2)
        assert (told.came_to, rows) == ("431", [])
        (told,), rows = ask([{"header_limit": "16KiB"}], 0.0, headers=large, http2=http2)
        assert (told.came_to, len(rows)) == ("200", 1)


@pytest.mark.parametrize(
    ("middle", "told"),
    [
        ([{}], "a proxy that does nothing"),
        ([{"expiry": "reset", "buffers": True}], "expiry without idle"),
        ([{"header_limit": 8000}], "8000 without a unit"),
        ([{"header_limit": "0B"}], "a size with its unit"),
        ([{"header_limit": "8MiB"}], "at most 1MiB"),
        ([{"hop": {"mean": "20ms", "p99": "10ms"}}], "a p99 below the mean"),
        ([{"kind": "firewall", "buffers": True}], "kind"),
    ],
)
def test_what_makes_no_sense_is_refused(middle: list[dict[str, Any]], told: str) -> None:
    """With what was found, and what was expected."""
    with pytest.raises(ValueError, match=told):
        Plan.model_validate({"provider": {"regions": {"far": {"middle": middle}}}})
