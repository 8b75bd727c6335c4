"""Limits on incoming requests: how long one may take to arrive, how large it may be, how much all may hold.

    first byte ─► arriving ──(bytes: room for them?)──► whole ─► weighed ─► under way ─► done
                    └─ not whole after `REQUEST_S`: 408

One timer serves all connections: requests time out in the order in which they began.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from windtunnel.mock_server.api.azure.paths import translate
from windtunnel.mock_server.api.json_body import MAX_VALUES, values_in
from windtunnel.mock_server.api.routes import RouteMatch, find

REQUEST_S: Final = 60.0
"""Seconds from the first byte of a request to its last; a slower one gets a 408."""

MAX_BODY: Final = 66 * 2**20
"""Bytes of a request's body: a part of 64 MiB and the form around it. A larger one gets a 413."""

MAX_UNREAD_BODY: Final = 2**20
"""Bytes of a body that no endpoint takes, and of one for the admin API."""

MAX_LINE: Final = 65_536
"""Bytes of a request line or of one header; a longer one gets a 431."""

MAX_HEADERS: Final = 128
"""Headers of one request; more get a 431."""

MAX_HEAD: Final = 256 * 1024
"""Bytes of a head that has not ended; a longer one gets a 431."""

MAX_PIPELINED: Final = 32
"""Requests that wait behind the one in flight before the connection is no longer read."""

MAX_HELD: Final = 2**30
"""Bytes of requests that are arriving or under way; what would exceed them gets a 503."""

MAX_ANSWER: Final = 2**29
"""Bytes of one answer; a request for a larger one gets a 503."""

LONG: Final = 2**20
"""Bytes, from which on a body is hashed in steps."""

LARGE: Final = 16_384
"""Bytes, from which on a body under way is counted."""

LINGER_S: Final = 5.0
"""Seconds for which the further bytes of a refused client are read and dropped."""

SPARE_DESCRIPTORS: Final = 200
"""Descriptors of the process that connections leave to listeners, segments, and what is accepted at once."""

ADMIN_PATHS: Final = ("/_windtunnel", "/metrics", "/health")

_VALUE_BYTES = 64
_WIDEST = 4
"""Bytes of a character in memory, where one character of the text is beyond the Basic Multilingual Plane."""


class ArrivingRequest(Protocol):
    """A connection with a request that is not whole yet."""

    def too_slow(self) -> None:
        """Refuse the request: its time is over."""


class IncomingRequests:
    """The requests of all connections that are arriving, and the memory that those under way take.

    `request_s` is how long a request may take to arrive, in seconds.
    """

    __slots__ = ("_arriving", "_loop", "_timer", "_under_way", "held", "most_connections", "request_s")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arriving: dict[ArrivingRequest, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: dict[Hashable, int] = {}
        self.request_s = REQUEST_S
        self.held = 0
        """Bytes of bodies that are arriving or waiting, and the weight of those under way."""
        self.most_connections = _most_connections()

    def __len__(self) -> int:
        """The number of requests that have begun to arrive and are not whole."""
        return len(self._arriving)

    def started(self, connection: ArrivingRequest) -> None:
        """Start the time of a request whose first bytes are there; nothing if it runs already."""
        if connection in self._arriving:
            return
        self._arriving[connection] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self.request_s, self._look)

    def ended(self, connection: ArrivingRequest) -> None:
        """Stop the time of a request that is whole, refused or gone."""
        self._arriving.pop(connection, None)
        if not self._arriving and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def room(self, size: int) -> bool:
        """Count `size` bytes more and return True, if there is room for them."""
        if self.held + size > MAX_HELD:
            return False
        self.held += size
        return True

    def take(self, exchange: Hashable, weight: int) -> bool:
        """Count the memory of a large request, or of its answer, until `done`; returns whether there is room for it.

        Something larger than all that is kept goes alone.
        """
        if self.held + weight > MAX_HELD and self._under_way:
            return False
        self._under_way[exchange] = self._under_way.get(exchange, 0) + weight
        self.held += weight
        return True

    def done(self, exchange: Hashable) -> None:
        """Discount a request that is over, large or not."""
        self.held -= self._under_way.pop(exchange, 0)

    def nothing_under_way(self) -> None:
        """Discount all requests under way; for a server that begins anew."""
        self.held -= sum(self._under_way.values())
        self._under_way.clear()

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for connection, since in list(self._arriving.items()):
            left = since + self.request_s - now
            if left > 0.001:  # loops tick in milliseconds
                self._timer = self._loop.call_later(left, self._look)
                return
            del self._arriving[connection]
            connection.too_slow()


def _most_connections() -> int:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(1, soft - SPARE_DESCRIPTORS)


def weight(headers: Mapping[str, str], body: bytes) -> int:
    """Return an upper bound of the bytes that a parsed body takes; -1 for a JSON body with too many values."""
    if headers.get("content-type", "").startswith("multipart/"):
        return 2 * len(body)
    values = values_in(body)
    if values > MAX_VALUES:
        return -1
    # One character is looked for much faster than two, and few bodies have it.
    wide = not body.isascii() or (b"\\" in body and b"\\u" in body)
    return len(body) * (_WIDEST if wide else 1) + values * _VALUE_BYTES


def longest_body(method: str, path: str) -> int:
    """Return the bytes of the largest body that a request may have."""
    route = path.partition("?")[0]
    if route.startswith(ADMIN_PATHS):
        return MAX_UNREAD_BODY
    if route.startswith("/openai/"):
        with suppress(ValueError):
            route = translate(route, {})[0]
    found = find(method, route)
    takes = isinstance(found, RouteMatch) and (found.endpoint.check or found.endpoint.form)
    return MAX_BODY if takes else MAX_UNREAD_BODY
