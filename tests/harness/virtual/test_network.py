"""The network in memory: what TCP promises, and how it fails."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.endpoint import HIGH_WATER, WINDOW
from windtunnel.harness.virtual.network.network import Link
from windtunnel.harness.virtual.network.sockets import descriptor

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Peer(asyncio.Protocol):
    """Remembers what happened to it, and when."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.received = bytearray()
        self.events: list[tuple[str, float]] = []
        self.error: Exception | None = None
        self.transport: Any = None
        self.keep_open = False

    def note(self, what: str) -> None:
        self.events.append((what, round(self.loop.time(), 6)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.note("data")

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.note("paused")

    def resume_writing(self) -> None:
        self.note("resumed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.note("lost")


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


def pair(loop: VirtualLoop, link: Link | None = None) -> tuple[Peer, Peer]:
    """A client and a server that are connected."""
    server = Peer(loop)
    listener = loop.network.listen(lambda: server, "127.0.0.1", 0, link)
    client = Peer(loop)
    loop.run_until_complete(loop.network.connect(lambda: client, *listener.address))
    return client, server


def later(loop: VirtualLoop, seconds: float = 1.0) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def test_connecting_takes_a_round_trip(loop: VirtualLoop) -> None:
    """The server hears of the client after the round trip that connecting is."""
    pair(loop, Link(delay=0.05))
    assert loop.time() == pytest.approx(0.1)


@given(pieces=st.lists(st.binary(min_size=1, max_size=200_000), min_size=1, max_size=8), jitter=st.booleans())
@settings(max_examples=40, deadline=None)
def test_bytes_arrive_in_order_and_whole(pieces: list[bytes], jitter: bool) -> None:
    """Whatever is written arrives as it was written, however the link trembles."""
    loop = VirtualLoop()
    draws = iter(range(10_000_000))
    loop.network.jitter = lambda: (next(draws) * 7919 % 101) / 101
    client, server = pair(loop, Link(0.001, jitter=0.01 if jitter else 0.0, bandwidth=1e6))
    for piece in pieces:
        client.transport.write(piece)
    client.transport.close()
    later(loop, 60.0)
    assert bytes(server.received) == b"".join(pieces)
    assert server.names()[-2:] == ["eof", "lost"]
    assert client.names()[-1] == "lost"
    loop.close()


def test_bandwidth_takes_its_time(loop: VirtualLoop) -> None:
    """A megabyte over a megabyte per second arrives a second later."""
    client, server = pair(loop, Link(delay=0.01, bandwidth=1e6))
    began = loop.time()
    client.transport.write(b"x" * 1_000_000)
    later(loop, 30.0)
    assert server.events[-1][1] - began == pytest.approx(1.01, abs=0.15)


def test_a_reader_that_stops_stops_the_writer(loop: VirtualLoop) -> None:
    """While one side does not read, the other may send a window and a buffer, and is told to pause."""
    client, server = pair(loop)
    server.transport.pause_reading()
    client.transport.write(b"x" * (WINDOW + HIGH_WATER + 1))
    later(loop)
    assert "paused" in client.names()
    assert server.received == b""
    assert client.transport.get_write_buffer_size() == HIGH_WATER + 1
    server.transport.resume_reading()
    later(loop)
    assert client.names()[-1] == "resumed"
    assert len(server.received) == WINDOW + HIGH_WATER + 1


def test_a_half_closed_connection_still_carries_the_answer(loop: VirtualLoop) -> None:
    """After `write_eof` the other side may go on writing."""
    client, server = pair(loop)
    server.keep_open = True
    client.transport.write_eof()
    later(loop)
    server.transport.write(b"late answer")
    later(loop)
    assert bytes(client.received) == b"late answer"


def test_a_reset_is_an_error_at_the_other_end(loop: VirtualLoop) -> None:
    """Aborting with zero linger reaches the peer as ConnectionResetError, behind what was sent before."""
    client, server = pair(loop)
    server.transport.write(b"half an ans")
    server.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    server.transport.abort()
    later(loop)
    assert bytes(client.received) == b"half an ans"
    assert isinstance(client.error, ConnectionResetError)


def test_writing_to_one_who_left_is_answered_with_a_reset(loop: VirtualLoop) -> None:
    """Bytes for a connection that is closed at the other end bring back an RST."""
    client, server = pair(loop)
    client.keep_open = True
    server.transport.close()
    later(loop)
    client.transport.write(b"are you there?")
    later(loop)
    assert isinstance(client.error, ConnectionResetError)


def test_nobody_listens(loop: VirtualLoop) -> None:
    """Connecting where nobody listens is refused, also after a listener has closed."""
    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(loop.network.connect(lambda: Peer(loop), "127.0.0.1", 9))


@pytest.mark.parametrize("mode", ["refused", "blackholed"])
def test_a_listener_can_fail(loop: VirtualLoop, mode: Any) -> None:
    """A refusing listener refuses, a black hole never answers."""
    listener = loop.network.listen(lambda: Peer(loop), "127.0.0.1", 0)
    listener.mode = mode

    async def attempt() -> None:
        await asyncio.wait_for(loop.network.connect(lambda: Peer(loop), *listener.address), 30.0)

    with pytest.raises(ConnectionRefusedError if mode == "refused" else TimeoutError):
        loop.run_until_complete(attempt())
    assert loop.time() == pytest.approx(30.0 if mode == "blackholed" else 0.0, abs=0.01)


def test_an_address_is_taken_once(loop: VirtualLoop) -> None:
    """A second listener at an address is refused."""
    listener = loop.network.listen(lambda: Peer(loop), "127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        loop.network.listen(lambda: Peer(loop), *listener.address)


def test_descriptors_say_whether_there_is_something_to_read(loop: VirtualLoop) -> None:
    """A pool that polls an idle connection sees it readable exactly when the server has closed it."""
    client, server = pair(loop)
    client.keep_open = True
    sock = client.transport.get_extra_info("socket")
    assert sock.fileno() == descriptor(False)
    server.transport.close()
    later(loop)
    assert sock.fileno() == descriptor(True)


def test_the_wire_has_a_digest(loop: VirtualLoop) -> None:
    """The same bytes at the same times give the same digest, other bytes another one."""

    def digest(data: bytes) -> str:
        other = VirtualLoop()
        client, _ = pair(other)
        client.transport.write(data)
        later(other)
        found = other.network.wire.hexdigest()
        other.close()
        return found

    assert digest(b"one") == digest(b"one")
    assert digest(b"one") != digest(b"two")
