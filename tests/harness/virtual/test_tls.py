"""TLS on the virtual clock: a handshake costs exactly its round trips, and two plays are alike."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

import aiohttp
import httpx2
import pyarrow.parquet as pq
import pytest

from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.run import RunOptions, run
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.ports import Ports, listen
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

Ask: TypeAlias = Callable[[], Awaitable[int]]
REQUEST: dict[str, Any] = {
    "json": {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]},
    "headers": {"authorization": "Bearer sk-a"},
}
PROVIDER = {
    "answer": {"first_token": "0ms", "tokens": 1, "tokens_per_second": 1_000_000},
    "regions": {"far": {"tls": True, "link": {"rtt": "100ms"}}},
}
TROUBLE = """
name: trouble
about: A certificate that has expired for some connections.
warmup: 0s
clients: [openai-default, aiohttp-default]
load: {api: chat, stream: true, arrivals: constant, rate: 4/s, deadline: 5s}
provider:
  answer: {first_token: 50ms, tokens: 5}
  regions: {local: {tls: true, link: {rtt: {mean: 50ms, p99: 90ms}}}}
rules: [{fault: tls_expired, rate: 0.9}]
phases: [{name: all, for: 5s}]
"""


@asynccontextmanager
async def _by_httpx2(url: str, trust: ssl.SSLContext, **how: Any) -> AsyncIterator[Ask]:
    async with httpx2.AsyncClient(timeout=None, verify=trust, **how) as client:

        async def ask() -> int:
            return (await client.post(url, **REQUEST)).status_code

        yield ask


@asynccontextmanager
async def _by_httpx2_in_http2(url: str, trust: ssl.SSLContext) -> AsyncIterator[Ask]:
    async with _by_httpx2(url, trust, http2=True) as ask:
        yield ask


@asynccontextmanager
async def _by_aiohttp(url: str, trust: ssl.SSLContext) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:

        async def ask() -> int:
            async with session.post(url, **REQUEST) as answer:
                await answer.read()
                return answer.status

        yield ask


@pytest.mark.parametrize("client", [_by_httpx2, _by_httpx2_in_http2, _by_aiohttp])
def test_a_cold_request_costs_a_round_trip_more_and_a_warm_one_none(client: Any) -> None:
    """Connecting, the handshake of TLS 1.3 and the request: three round trips, to the microsecond; then one."""
    taken = []

    async def play(loop: VirtualLoop) -> None:
        server = Server(
            Plan.model_validate({"provider": PROVIDER}), journal=Journal(), loop=loop, clock=loop.time
        )
        listener = await listen(loop, server, "far")
        Ports(server, {"far": listener})
        trust = ssl.create_default_context(cafile=server.connections.certificates.ca_file)
        async with client(f"{listener.url}/v1/chat/completions", trust) as ask:
            for _ in range(3):
                began = loop.time()
                assert await ask() == 200
                taken.append(loop.time() - began)
        server.cut()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    assert taken == [pytest.approx(0.3, abs=1e-4), *[pytest.approx(0.1, abs=1e-4)] * 2]


class Quiet:
    """A reporter that says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def say(self, message: str) -> None:
        """Leave it unsaid."""

    def show(self, cells: Sequence[Cell]) -> None:
        """Show nothing."""


@pytest.mark.timeout(120)
def test_two_plays_with_tls_are_alike(tmp_path: Path) -> None:
    """A blocking client and aiohttp meet certificates that have expired, twice: all records agree to the digest."""
    path = tmp_path / "trouble.yaml"
    path.write_text(TROUBLE, encoding="utf-8")
    digests = []
    for name in ("one", "two"):
        records = run(RunOptions(str(path), out=tmp_path / name), Quiet())
        assert records.failures == ()
        cells = sorted((tmp_path / name / "cells").iterdir())
        digests.append([json.loads((cell / "digest.json").read_text(encoding="utf-8")) for cell in cells])
    assert digests[0] == digests[1]
    failed = {}
    for cell in cells:
        failed[cell.name] = set(pq.read_table(cell / "attempts.parquet")["error_type"].to_pylist())
        assert b"PRIVATE KEY" not in b"".join([one.read_bytes() for one in cell.rglob("*") if one.is_file()])
    # aiohttp goes on with the connection that it has from its warm-up, which meets no faults.
    assert failed == {"openai-default-0": {None, "ConnectError"}, "aiohttp-default-0": {None}}
