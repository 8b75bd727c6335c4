"""Regions that have gone silent: on their open connections nothing passes, in either direction, until they are back.

    socket or link ─────────────────────────────► protocol      light: the line is no part of the way
    socket or link ─► DarkableLine (holds it all) ─► protocol      dark

Nobody is told: to each side it looks as if the other one had nothing to say. What was sent meanwhile arrives when TCP
repeats it next. It does so 0.2 s after it was sent, then after twice as long each time (RFC 6298, 5.5, with Linux's
`TCP_RTO_MIN`), at most every two minutes; so a connection is silent for up to twice as long as its region was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast
from weakref import WeakValueDictionary

from windtunnel.mock_server.transports.endings import send_fin
from windtunnel.mock_server.transports.layer import deliver
from windtunnel.mock_server.transports.links.path import LEAST_RTO_S

MOST_RTO_S = 120.0
"""Seconds between two repetitions of a segment at most: Linux's `TCP_RTO_MAX`."""

Step: TypeAlias = Callable[[], None]


def repeated_at(sent_at: float, now: float) -> float:
    """When TCP next repeats, at `now` or later, what was first sent at `sent_at` and has not been acknowledged."""
    wait, at = LEAST_RTO_S, sent_at + LEAST_RTO_S
    while at < now:
        wait = min(2 * wait, MOST_RTO_S)
        at += wait
    return at


class _Held:
    """One direction of a dark line: what was sent, in order, and since when.

    It may be any amount: a kernel keeps megabytes that are not acknowledged, more than an answer has.
    """

    __slots__ = ("since", "steps", "timer")

    def __init__(self, since: float) -> None:
        self.since = since
        self.steps: deque[Step] = deque()
        self.timer: asyncio.TimerHandle | None = None


class DarkableLine(asyncio.Protocol):
    """The way of one connection between its socket (or link) and `protocol`, which can go dark.

    While it is light the socket calls the protocol, and `write` is the socket's own: it costs nothing. All that a
    protocol calls of a transport is here, so that it can be held back. `made` is told once the socket is connected.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_dark",
        "_down",
        "_loop",
        "_made",
        "_protocol",
        "_socket",
        "_up",
        "write",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        made: Callable[[DarkableLine], None],
    ) -> None:
        self._loop = loop
        self._protocol = protocol
        self._made = made
        self._socket: Any = None
        self._dark = False
        self._up: _Held | None = None
        self._down: _Held | None = None
        self._closing = False
        self.write: Callable[[Any], None] = self._write_later

    # ---- dark and light

    def go_dark(self) -> None:
        """Hold everything from now on."""
        if self._socket is not None and not self._dark:
            self._dark = True
            self._stand_between()
            for held in (self._up, self._down):
                if held is not None and held.timer is not None:
                    held.timer.cancel()
                    held.timer = None

    def go_light(self) -> None:
        """Let pass what is sent; what was held follows with TCP's next repetition, in order."""
        if self._dark:
            self._dark = False
            now = self._loop.time()
            for held in (self._up, self._down):
                if held is not None:
                    held.timer = self._loop.call_at(repeated_at(held.since, now), self._let_go, held)
            self._step_aside()

    def end(self) -> None:
        """Let everything pass at once: the server ends."""
        self._dark = False
        for held in (self._up, self._down):
            if held is not None:
                if held.timer is not None:
                    held.timer.cancel()
                self._let_go(held)
        self._step_aside()

    def _stand_between(self) -> None:
        self._socket.set_protocol(self)
        self.write = self._write_later

    def _step_aside(self) -> None:
        """Leave the way to those at its ends, unless something is held still."""
        if not self._dark and self._up is None and self._down is None and self._socket is not None:
            self._socket.set_protocol(self._protocol)
            self.write = self._socket.write

    def _let_go(self, held: _Held) -> None:
        held.timer = None
        while held.steps:
            held.steps.popleft()()
        if held is self._up:
            self._up = None
        else:
            self._down = None
        self._step_aside()

    def _hold_up(self, step: Step) -> None:
        """Hold what comes from the client, or do it if nothing holds it back."""
        if self._up is None:
            if not self._dark:
                step()
                return
            self._up = _Held(self._loop.time())
        self._up.steps.append(step)

    def _hold_down(self, step: Step) -> None:
        """Hold what goes to the client, or do it if nothing holds it back."""
        if self._down is None:
            if not self._dark:
                step()
                return
            self._down = _Held(self._loop.time())
        self._down.steps.append(step)

    # ---- the socket's protocol, while something is held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected. The protocol is given this line for its transport."""
        self._socket = transport
        self._step_aside()
        self._protocol.connection_made(cast(asyncio.Transport, self))
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of the client."""
        self._hold_up(partial(self._deliver, bytes(data)))

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client has sent a FIN. The socket stays open until the protocol knows."""
        self._hold_up(self._deliver_eof)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback: the socket is gone; the protocol hears of it in its turn."""
        self._socket = None
        self._hold_up(partial(self._protocol.connection_lost, exc))

    def pause_writing(self) -> None:
        """asyncio's callback: the client reads too slowly."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        self._protocol.resume_writing()

    def _deliver(self, data: bytes) -> None:
        if self._socket is None or self._closing:
            return
        deliver(self._protocol, data)

    def _deliver_eof(self) -> None:
        if (
            self._socket is not None
            and not self._closing
            and not cast(asyncio.Protocol, self._protocol).eof_received()
        ):
            self.close()

    # ---- the protocol's transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: what the socket knows."""
        return default if self._socket is None else self._socket.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`: for a handshake after which another protocol is spoken."""
        self._protocol = protocol
        self._step_aside()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing or self._socket is None or bool(self._socket.is_closing())

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._socket is not None and bool(self._socket.is_reading())

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`. What is held still arrives."""
        if self._socket is not None:
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        if self._socket is not None:
            self._socket.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        if self._socket is not None:
            self._socket.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`: what waits in front of the socket. What is held has left."""
        return 0 if self._socket is None else int(self._socket.get_write_buffer_size())

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._socket is None or bool(self._socket.can_write_eof())

    def writelines(self, list_of_data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._hold_down(self._send_fin)

    def close(self) -> None:
        """See `asyncio.BaseTransport`: a FIN, behind everything that was written."""
        self._closing = True
        self._hold_down(partial(self._on_socket, "close"))

    def abort(self) -> None:
        """See `asyncio.WriteTransport`. An RST passes a dark line no more than anything else does."""
        self._closing = True
        self._hold_down(partial(self._on_socket, "abort"))

    def _write_later(self, data: Any) -> None:
        if data and not self._closing:
            self._hold_down(partial(self._on_socket, "write", bytes(data)))

    def _send_fin(self) -> None:
        if self._socket is not None:
            send_fin(self._socket)

    def _on_socket(self, call: str, *args: bytes) -> None:
        if self._socket is not None and not (call == "write" and self._socket.is_closing()):
            getattr(self._socket, call)(*args)


class Darkness:
    """The lines of a server's connections, dark where their region is silent. `silent` says which regions are now."""

    def __init__(self, loop: asyncio.AbstractEventLoop, silent: Callable[[], frozenset[str]]) -> None:
        self._loop = loop
        self._silent_now = silent
        self._lines: dict[str, WeakValueDictionary[int, DarkableLine]] = {}
        self._made = 0
        self._silent: frozenset[str] = frozenset()

    def line(self, region: str, protocol: asyncio.BaseProtocol) -> DarkableLine:
        """Make what a new connection to a region is given in place of its protocol."""
        return DarkableLine(self._loop, protocol, partial(self._add, region))

    def settle(self) -> None:
        """Conditions may have changed: make every line what it is to be now."""
        silent = self._silent_now()
        for region in silent ^ self._silent:
            for line in self._open(region):
                if region in silent:
                    line.go_dark()
                else:
                    line.go_light()
        self._silent = silent

    def end(self) -> None:
        """Let everything pass that is held: the server ends."""
        for region in self._lines:
            for line in self._open(region):
                line.end()

    def _add(self, region: str, line: DarkableLine) -> None:
        self._made += 1
        self._lines.setdefault(region, WeakValueDictionary())[self._made] = line
        if region in self._silent:
            line.go_dark()

    def _open(self, region: str) -> list[DarkableLine]:
        """The lines of a region in order of being made; one that is over nobody holds any more."""
        lines = self._lines.get(region)
        return [] if lines is None else [line for _, line in sorted(lines.items())]
