"""The reading half of an HTTP/1.1 connection: from bytes to whole requests that wait in line.

    bytes ──► parser ──► head ──► Unfinished ──(its body, piece by piece)──► waiting
                 └─ not HTTP, too long, too slow, too much ──► refused

The parser is emptied after every read, so that what is kept of a body is its bytes and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from windtunnel.mock_server.transports.failures import FULL
from windtunnel.mock_server.transports.http1.parser import Incoming, RequestParser, UnreadableError
from windtunnel.mock_server.transports.limits import (
    MAX_HEAD,
    MAX_PIPELINED,
    IncomingRequests,
    longest_body,
)


class Unfinished:
    """A request whose head is there and whose body is not."""

    __slots__ = ("_waits", "body", "longest", "promised", "request")

    def __init__(self, request: Incoming) -> None:
        self.request = request
        self.body = bytearray()
        self.longest = longest_body(request.method, request.path)
        length = request.headers.get("Content-Length", "")
        self.promised = int(length[:20]) if length.isdecimal() else 0
        self._waits = request.headers.get("Expect", "").lower() == "100-continue"

    def too_long(self) -> bool:
        """Whether the body is, or will be, longer than the endpoint accepts."""
        return max(len(self.body), self.promised) > self.longest

    def invited(self) -> bool:
        """Whether the client waits for a `100 Continue`; True once."""
        waits, self._waits = self._waits, False
        return waits


class Intake:
    """Reads requests, and has those refused that cannot be received.

    `refuse` is called with a status and a message, and ends in `stop`.
    """

    __slots__ = (
        "_head_bytes",
        "_held",
        "_incoming",
        "_parser",
        "_refuse",
        "_stopped",
        "_unfinished",
        "_waiting",
        "transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        incoming: IncomingRequests,
        refuse: Callable[[int, str], None],
    ) -> None:
        self._incoming = incoming
        self._refuse = refuse
        self._parser: RequestParser | None = RequestParser(loop)
        self.transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Incoming, bytes]] = deque()
        self._unfinished: Unfinished | None = None
        self._head_bytes = 0
        self._held = 0
        self._stopped = False

    @property
    def reading(self) -> bool:
        """Whether further requests are read."""
        return self._parser is not None

    @property
    def full(self) -> bool:
        """Whether the parser holds bytes that it has not looked at."""
        return self._parser is not None and self._parser.full

    @property
    def waiting(self) -> bool:
        """Whether a request is whole and waits for its turn."""
        return bool(self._waiting)

    @property
    def arriving(self) -> bool:
        """Whether there is the head of a request without all of its body."""
        return self._unfinished is not None

    def feed(self, data: bytes, *, idle: bool) -> tuple[Incoming, bytes] | None:
        """Read on. Returns a request, and its body, that may begin at once, as the connection is idle; others wait."""
        parser = self._parser
        if parser is None:
            return None
        try:
            requests, upgraded = parser.feed(data)
        except UnreadableError as error:
            self._refuse(error.status, error.message)
            return None
        if len(requests) == 1 and idle and not upgraded and self._nothing_before():
            request = requests[0]
            if request.bodiless or request.whole:
                # Nearly every request: alone, and whole in one read.
                parser.consumed()
                return request, request.read()
        self._take(requests, len(data))
        if upgraded:
            # Nothing here speaks another protocol: the request is answered, and what follows it is not read.
            self._parser = None
        return None

    def next(self) -> tuple[Incoming, bytes]:
        """Take the first request that waits, and its body. Raises `IndexError` if none does."""
        request, body = self._waiting.popleft()
        self._release(len(body))
        if self._parser is not None:
            self._parser.consumed()
        return request, body

    def goes_on(self) -> bool:
        """Whether enough of those that waited are gone for reading to go on after it was stopped; True once."""
        if self._stopped and len(self._waiting) <= MAX_PIPELINED // 2:
            self._stopped = False
            return True
        return False

    def resume(self) -> None:
        """Have the transport read, unless too many wait."""
        if not self._stopped and self.transport is not None:
            self.transport.resume_reading()

    def invited(self) -> bool:
        """Whether a client waits to be told to send its body; True once."""
        return self._unfinished is not None and self._unfinished.invited()

    def stop(self) -> None:
        """Read nothing more; requests that are whole stay."""
        self._parser = None
        self._unfinished = None
        self._incoming.ended(self)

    def forget_waiting(self) -> None:
        """Drop the requests that wait."""
        self._waiting.clear()

    def forget(self) -> None:
        """Drop everything that has been received and not answered."""
        self._waiting.clear()
        self._unfinished = None
        self._release(self._held)
        self._incoming.ended(self)

    def too_slow(self) -> None:
        """Refuse a request that has not become whole in time."""
        self._refuse(408, f"Your request did not arrive within {self._incoming.request_s:g} seconds.")

    def _nothing_before(self) -> bool:
        """Whether no request waits, and no part of one has been read."""
        return not self._waiting and not self._head_bytes and self._unfinished is None

    def _take(self, requests: list[Incoming], size: int) -> None:
        """Append the requests that are whole to those that wait, and keep the part of one that is not."""
        if self._unfinished is not None:
            self._collect(self._unfinished)
        elif not requests and not self._stopped:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD:
                self._refuse(431, f"The head of your request is longer than {MAX_HEAD} bytes.")
        for request in requests:
            if self._parser is None:  # one before it was refused
                return
            self._head_bytes = 0
            if request.bodiless:
                self._waiting.append((request, b""))
            else:
                self._unfinished = Unfinished(request)
                self._collect(self._unfinished)
        if self._parser is None:
            return
        if self._unfinished is not None or self._head_bytes:
            self._incoming.started(self)
        else:
            self._incoming.ended(self)
        if len(self._waiting) >= MAX_PIPELINED and not self._stopped:
            self._stopped = True
            if self.transport is not None:
                self.transport.pause_reading()

    def _collect(self, unfinished: Unfinished) -> None:
        """Empty the parser; the request is whole then, or refused, or waits for more of its body."""
        request = unfinished.request
        if request.damaged:
            self._refuse(400, "Bad request: the body could not be read")
            return
        piece = request.read()
        unfinished.body += piece
        if unfinished.too_long():
            self._refuse(413, f"Your request's body is longer than {unfinished.longest} bytes.")
        elif not self._incoming.room(len(piece)):
            self._refuse(503, FULL)
        else:
            self._held += len(piece)
            if request.whole:
                self._unfinished = None
                self._waiting.append((request, bytes(unfinished.body)))

    def _release(self, size: int) -> None:
        self._held -= size
        self._incoming.held -= size
