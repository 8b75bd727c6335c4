"""Idle connections in virtual time: kept, expired, closed by the server, and used a moment too late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpcore2
import pytest

from windtunnel.harness.virtual.loop import VirtualLoop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server(asyncio.Protocol):
    """Answers every request, and closes a connection that has been idle for `patience` seconds."""

    def __init__(self, loop: VirtualLoop, patience: float, served: list[int], number: int) -> None:
        self.loop, self.patience, self.served, self.number = loop, patience, served, number
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.idle is not None:
            self.idle.cancel()
        self.served.append(self.number)
        self.transport.write(ANSWER)
        self.idle = self.loop.call_later(self.patience, self.transport.close)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    monkeypatch.setattr(time, "monotonic", made.time)
    yield made
    made.close()


def ask_after(loop: VirtualLoop, pauses: list[float], *, expiry: float, patience: float) -> list[int]:
    """Ask once, and again after each pause; gives the number of the connection of each request."""
    served: list[int] = []
    numbers = iter(range(100))
    listener = loop.network.listen(lambda: Server(loop, patience, served, next(numbers)), "127.0.0.1", 0)

    async def ask() -> None:
        async with httpcore2.AsyncConnectionPool(keepalive_expiry=expiry) as pool:
            for pause in [0.0, *pauses]:
                await asyncio.sleep(pause)
                answer = await pool.request("GET", f"http://127.0.0.1:{listener.address[1]}/")
                assert answer.content == b"ok"

    loop.run_until_complete(ask())
    return served


def test_a_connection_is_kept_until_it_expires(loop: VirtualLoop) -> None:
    """The pool uses a connection again within its expiry, in virtual seconds, and another one after it."""
    assert ask_after(loop, [4.9, 4.9, 5.1, 1.0], expiry=5.0, patience=3600.0) == [0, 0, 0, 1, 1]


def test_a_connection_that_the_server_closed_is_not_used(loop: VirtualLoop) -> None:
    """The pool sees that an idle connection has been closed at the other end, and opens another one."""
    assert ask_after(loop, [1.9, 2.1, 1.9], expiry=3600.0, patience=2.0) == [0, 0, 1, 1]


def test_a_request_that_crosses_the_servers_close_fails(loop: VirtualLoop) -> None:
    """A request that leaves while the server's FIN is under way meets a dead connection, as on a real network."""
    with pytest.raises((httpcore2.RemoteProtocolError, httpcore2.ReadError)):
        ask_after(loop, [1.99999], expiry=3600.0, patience=2.0)
