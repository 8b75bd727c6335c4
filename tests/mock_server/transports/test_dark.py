"""Regions that cannot be reached: what becomes of new connections, and of those that are open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_server.transports.conftest import FAST, Client, Serving
from tests.mock_server.transports.test_listeners import change, connect
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.dark import DarkableLine, repeated_at

Serve = Callable[..., Serving]

REGIONS = {"regions": {"east": {}, "west": {}}}


def dark(reachable: str) -> Plan:
    """Two fast regions, of which the west cannot be reached."""
    regions = {"east": {}, "west": {"reachable": reachable}}
    return Plan.model_validate({"provider": FAST | {"regions": regions}})


def silent_now(client: Client) -> bool:
    """Whether nothing has come for a client, not even an end."""
    client.sock.setblocking(False)
    try:
        client.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize(("reachable", "found"), [("refused", "refuse"), ("silent", "blackhole")])
def test_a_region_that_cannot_be_reached(serve: Serve, reachable: str, found: str) -> None:
    """New connections fail in the way of the fault; other regions are as they were; and it comes back."""
    server = serve({"provider": FAST | REGIONS})
    change(server, dark(reachable))
    assert connect(server, "west") == found
    assert connect(server, "east") == "open"
    change(server, dark("open"))
    assert connect(server, "west") == "open"


def test_refused_ends_open_connections(serve: Serve) -> None:
    """A process that is gone: its connections end with an RST."""
    server = serve({"provider": FAST | REGIONS})
    with server.connect("west") as client:
        client.ask()
        assert client.answer()[0] == 200
        change(server, dark("refused"))
        with pytest.raises(ConnectionResetError):
            client.sock.recv(1)


def test_silence_holds_open_connections_and_lets_go_of_them(serve: Serve) -> None:
    """A request of that time is not received before the region is back; then it is answered, as is the next one."""
    server = serve({"provider": FAST | REGIONS})
    with server.connect("west") as client, server.connect("east") as other:
        for one in (client, other):
            one.ask()
            assert one.answer()[0] == 200
        change(server, dark("silent"))
        client.ask()
        other.ask()
        assert other.answer()[0] == 200
        assert silent_now(client)
        assert len(server.journal.wait_for(3)) == 3
        change(server, dark("open"))
        client.sock.setblocking(True)
        client.sock.settimeout(20)
        assert client.answer()[0] == 200
        client.ask()
        assert client.answer()[0] == 200


def test_a_server_ends_while_a_region_is_silent(serve: Serve) -> None:
    """Its end passes: a client sees the connection close."""
    server = serve({"provider": FAST | REGIONS})
    with server.connect("west") as client:
        client.ask()
        assert client.answer()[0] == 200
        change(server, dark("silent"))
        server.loop.call_soon_threadsafe(server.mock.stop)
        assert client.sock.recv(1) == b""


@pytest.mark.parametrize(
    ("sent", "now", "at"),
    [(0.0, 0.0, 0.2), (0.0, 0.3, 0.6), (1.0, 11.0, 13.6), (0.0, 300.0, 324.6)],
)
def test_tcp_repeats_after_twice_as_long_each_time(sent: float, now: float, at: float) -> None:
    """0.2, 0.6, 1.4, 3, 6.2, 12.6 s … after it was sent; in the long run every two minutes."""
    assert repeated_at(sent, now) == pytest.approx(at)


class Wire(asyncio.Transport):
    """A socket's transport that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.told: list[Any] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return "close" in self.told

    def write(self, data: Any) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")


class Heard(asyncio.Protocol):
    """A protocol that notes what it hears."""

    transport: Any = None

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> None:
        self.heard.append("eof")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.heard.append("lost")


class Timers:
    """A loop that has nothing but a time and timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, step: Any, *args: Any) -> Any:
        timer = (at, lambda: step(*args))
        self.timers.append(timer)
        timers = self.timers

        class Handle:
            def cancel(self) -> None:
                timers.remove(timer)

        return Handle()

    def until(self, now: float) -> None:
        """Let time pass."""
        for timer in sorted(self.timers, key=lambda one: one[0]):
            if timer[0] <= now:
                self.timers.remove(timer)
                self.now = timer[0]
                timer[1]()
        self.now = now


@pytest.fixture
def line() -> tuple[DarkableLine, Wire, Heard, Timers]:
    """A line between a socket and a protocol, and the time."""
    timers, wire, heard = Timers(), Wire(), Heard()
    made = DarkableLine(timers, heard, lambda _: None)  # type: ignore[arg-type]  # all of a loop that it uses
    wire.set_protocol(made)
    made.connection_made(wire)
    return made, wire, heard, timers


def test_a_light_line_is_no_part_of_the_way(line: tuple[DarkableLine, Wire, Heard, Timers]) -> None:
    """The socket calls the protocol, which writes with the socket's own method."""
    made, wire, heard, _ = line
    assert wire.protocol is heard
    assert heard.transport is made
    assert made.write == wire.write


def test_a_dark_line_keeps_the_order_of_all_that_it_holds(
    line: tuple[DarkableLine, Wire, Heard, Timers],
) -> None:
    """Each direction goes on at TCP's next repetition of what was sent first in it, and what came later behind it."""
    made, wire, heard, timers = line
    made.go_dark()
    wire.protocol.data_received(b"a")
    timers.until(1.0)
    heard.transport.write(b"1")
    wire.protocol.data_received(b"b")
    assert (wire.told, heard.heard) == ([], [])
    made.go_light()
    wire.protocol.data_received(b"c")
    assert heard.heard == []
    timers.until(1.1)
    heard.transport.write(b"2")
    assert wire.told == []
    timers.until(1.21)
    assert wire.told == [b"1", b"2"]
    assert heard.heard == []
    timers.until(1.41)
    assert heard.heard == [b"a", b"b", b"c"]
    assert wire.protocol is heard


def test_a_line_that_is_dark_again_before_the_repetition_holds_on(
    line: tuple[DarkableLine, Wire, Heard, Timers],
) -> None:
    """The repetitions go on from the first time that it was sent."""
    made, wire, heard, timers = line
    made.go_dark()
    wire.protocol.data_received(b"a")
    timers.until(4.0)
    made.go_light()
    timers.until(5.0)
    made.go_dark()
    timers.until(7.0)
    made.go_light()
    timers.until(12.5)
    assert heard.heard == []
    timers.until(12.61)
    assert heard.heard == [b"a"]


def test_ends_pass_in_their_turn(line: tuple[DarkableLine, Wire, Heard, Timers]) -> None:
    """A protocol's close is behind what it wrote; a client's FIN and its loss are behind what it sent."""
    made, wire, heard, timers = line
    made.go_dark()
    heard.transport.write(b"1")
    heard.transport.close()
    assert heard.transport.is_closing()
    heard.transport.write(b"too late")
    wire.protocol.eof_received()
    wire.protocol.connection_lost(None)
    assert (wire.told, heard.heard) == ([], [])
    made.go_light()
    timers.until(1.0)
    assert heard.heard == ["lost"]
