"""One connection's way through its region's link: when what leaves at one end arrives at the other.

    leaves ─► the line is free ─► size ÷ bandwidth ─► half a round trip + jitter (+ sent again) ─► arrives, in order

No clock and no I/O: times come in and go out. The same path serves sockets and the virtual network.

A round trip is lognormal, and one draw serves a message and the answer to it: a new one is made when the client
speaks after the server did. Its normal variate is √s · (one of the connection) + √(1 - s) · (one of the message), with
s = `OF_CONNECTION`, so that connections differ from each other and all round trips together have the given mean and
P99.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal, TypeAlias

from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.provider.compiled_settings import LinkSettings

Direction: TypeAlias = Literal["up", "down"]
"""`up` leads from the client to the region."""

OF_CONNECTION = 0.5
"""The share of a round trip's variance that is its connection's own: routes differ, and stay."""

SEGMENT = 1448
"""Bytes of a TCP segment on Ethernet: 1500 less 40 of headers and 12 of time stamps."""

DUPLICATES = 3
"""Segments that must follow a lost one for it to be sent again at once (RFC 5681, fast retransmit)."""

LEAST_RTO_S = 0.2
"""What Linux waits at least, beyond a round trip, before it sends the last segment again (`TCP_RTO_MIN`)."""

MOST_RESENT = 6
"""How often a segment is lost at most."""

_NORMAL = NormalDist()
_SMALLEST = 2.0**-54


class Path:
    """The path of connection number `connection`. `settings` gives the link as it is now; draws depend on `seed`."""

    __slots__ = (
        "_connection",
        "_drawn",
        "_free_at",
        "_last",
        "_of_connection",
        "_seed",
        "_settings",
        "_turn",
        "_u",
    )

    def __init__(self, settings: Callable[[], LinkSettings], seed: int, connection: int) -> None:
        self._settings = settings
        self._seed = seed
        self._connection = connection
        self._turn = 0
        self._drawn = 0
        self._of_connection = self._normal("connection")
        self._u = self._draw_round_trip()
        self._free_at = {"up": -math.inf, "down": -math.inf}
        self._last = {"up": -math.inf, "down": -math.inf}

    @property
    def round_trip_s(self) -> float:
        """The round trip of the present message in seconds; of a new connection, that of connecting."""
        return round(self._settings().rtt.at(self._u), 6)

    def last_arrival(self, direction: Direction) -> float:
        """When what has left in a direction so far has all arrived; `-inf` if nothing has left."""
        return self._last[direction]

    def opened(self, at: float) -> float:
        """Connect at `at`: returns when the client has its connection, a round trip later."""
        ready = at + self.round_trip_s
        self._free_at["up"] = ready  # nothing leaves before
        return ready

    def arrives(self, direction: Direction, at: float, size: int) -> float:
        """When `size` bytes that leave at `at` have all arrived. What left before arrives before."""
        link = self._settings()
        if direction == "up" and self._turn % 2:
            self._turn += 1
            self._u = self._draw_round_trip()
        elif direction == "down" and not self._turn % 2:
            self._turn += 1
        round_trip = self.round_trip_s
        leaves = max(at, self._free_at[direction])
        if link.bandwidth is not None and size:
            leaves += 8 * size / link.bandwidth
            self._free_at[direction] = leaves
        late = round_trip / 2
        if link.jitter:
            late += link.jitter * self._uniform("jitter")
        if link.loss and size:
            late += self._sent_again(link.loss, round_trip, size)
        arrives = max(leaves + late, self._last[direction])
        self._last[direction] = arrives
        return arrives

    def _sent_again(self, loss: float, round_trip: float, size: int) -> float:
        """How much later a message arrives because segments of it were lost."""
        segments = math.ceil(size / SEGMENT)
        first = math.floor(math.log(1.0 - self._uniform("loss")) / math.log(1.0 - loss))
        if first >= segments:
            return 0.0
        late = round_trip if segments - first > DUPLICATES else round_trip + LEAST_RTO_S
        for again in range(1, MOST_RESENT):
            if self._uniform("again") >= loss:
                break
            late += (round_trip + LEAST_RTO_S) * 2**again
        return late

    def _draw_round_trip(self) -> float:
        """The share of all round trips that are shorter than the next one."""
        own = math.sqrt(OF_CONNECTION) * self._of_connection
        return _NORMAL.cdf(own + math.sqrt(1 - OF_CONNECTION) * self._normal("message"))

    def _normal(self, what: str) -> float:
        return _NORMAL.inv_cdf(max(_SMALLEST, self._uniform(what)))

    def _uniform(self, what: str) -> float:
        self._drawn += 1
        return uniform(self._seed, "link", what, self._connection, self._drawn)
