"""How many connections a region keeps open, and what becomes of one too many before anything is spoken on it.

    a client connects ──► Door ─┬─ room ──► the protocol
                                └─ full ─┬─ wait ──► not read until another one has gone
                                         └─ reset ─► RST

A full region that answers with a 503 (`busy`) lets the connection in: HTTP says it, to the first request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from windtunnel.mock_server.transports.endings import reset
from windtunnel.mock_server.transports.keep_alive import KeepAlive
from windtunnel.mock_server.transports.layer import Layer, deliver

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.compiled_settings import ConnectionSettings
    from windtunnel.mock_server.transports.wire import OpenConnection

TOO_MANY = "Too many connections are open to this region. Please try again later."
"""What a connection beyond a region's limit is told, where its rules have it told something."""

RulesNow: TypeAlias = "Callable[[], ConnectionSettings | None]"
"""Gives a region's rules as they are at the moment; None for a phase without any."""


class Door:
    """The way into one region."""

    def __init__(self, rules: RulesNow) -> None:
        self._rules = rules
        self._inside: set[Visitor] = set()
        self._waiting: deque[Visitor] = deque()

    @property
    def too_many(self) -> bool:
        """Whether more connections are inside than the rules allow: those are answered with a 503."""
        rules = self._rules()
        return rules is not None and rules.most is not None and len(self._inside) > rules.most

    def arrived(self, visitor: Visitor) -> None:
        """Let a new connection in, have it wait, or turn it away."""
        rules = self._rules()
        if rules is None or rules.most is None or rules.when_full == "busy" or len(self._inside) < rules.most:
            self._inside.add(visitor)
            visitor.come_in()
        elif rules.when_full == "wait":
            self._waiting.append(visitor)
            visitor.wait()
        else:
            visitor.turn_away()

    def left(self, visitor: Visitor) -> None:
        """Note that a connection is gone, and let those in that there is room for now."""
        self._inside.discard(visitor)
        if visitor in self._waiting:
            self._waiting.remove(visitor)
        rules = self._rules()
        most = None if rules is None else rules.most
        while self._waiting and (most is None or len(self._inside) < most):
            one = self._waiting.popleft()
            self._inside.add(one)
            one.come_in()


class Visitor(Layer):
    """A connection at a door: hands everything on once it is inside."""

    def __init__(self, door: Door, protocol: asyncio.BaseProtocol) -> None:
        super().__init__(protocol)
        self._door = door
        self._inside = False
        self._waited = False
        self._early = b""

    # ---- what the door says

    def come_in(self) -> None:
        """Begin with the protocol."""
        self._inside = True
        self.above.connection_made(self)
        early, self._early = self._early, b""
        if early:
            deliver(self.above, early)
        if self._waited and not self.is_closing():
            self.resume_reading()

    def wait(self) -> None:
        """Read nothing, so that the client sees what it sees of a connection in the kernel's backlog."""
        self._waited = True
        self.pause_reading()

    def turn_away(self) -> None:
        """Reset the connection."""
        if self.below is not None:
            reset(self.below)

    # ---- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self.below = cast(asyncio.Transport, transport)
        self._door.arrived(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over."""
        self.below = None
        if self._inside:
            self.above.connection_lost(cast("Exception | None", exc))
        self._door.left(self)

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes have come."""
        if self._inside:
            deliver(self.above, data)
        else:  # a link has some under way, and uvloop begins to read after `connection_made`, whatever that paused
            self._early += data
            self.pause_reading()

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client has sent a FIN."""
        return super().eof_received() if self._inside else None


class Doors:
    """The rules for connections of a server's regions, put in force.

    `rules_of` gives what gives a region's rules now, or None for a region without any in any phase.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, rules_of: Callable[[str], RulesNow | None]) -> None:
        self._loop = loop
        self._rules_of = rules_of
        self._doors: dict[str, Door] = {}

    def before(self, region: str, protocol: asyncio.BaseProtocol) -> asyncio.BaseProtocol:
        """Return what a new connection to a region is given: its protocol, behind the region's door if it has one."""
        rules = self._rules_of(region)
        if rules is None:
            return protocol
        if region not in self._doors:
            self._doors[region] = Door(rules)
        return Visitor(self._doors[region], protocol)

    def too_many(self, region: str) -> bool:
        """Whether a connection that has just begun to speak is beyond its region's limit, and is to be told so."""
        return region in self._doors and self._doors[region].too_many

    def keep_alive(self, connection: OpenConnection) -> KeepAlive | None:
        """Make what ends an idle connection; None where its region has no rules for connections."""
        rules = self._rules_of(connection.region)
        return None if rules is None else KeepAlive(self._loop, rules, connection)
