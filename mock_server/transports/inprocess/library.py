"""The parts of a mocked transport: a wire that records, and the classes of httpx or httpx2."""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NoReturn, Protocol

from windtunnel.mock_server.script import Head, Signal
from windtunnel.mock_server.transports.http1.framing import head_bytes
from windtunnel.mock_server.transports.wire import Headers

MAX_HEAD = 100 * 1024
"""Bytes of a head that httpcore and httpcore2 read at most (`MAX_INCOMPLETE_EVENT_SIZE`)."""

SYN_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds that Linux waits after each unanswered SYN; after the last one it gives up with ETIMEDOUT."""


class RecordingWire:
    """A wire that records what the player writes."""

    def __init__(self) -> None:
        self.paused = False
        self.answer: Head | None = None
        self.head_size = 0
        self.length: int | None = None
        self.out: list[bytes] = []
        self.sent = 0
        self.complete = False
        self.garbage = False
        self._head: Head | None = None
        self._head_left = 0

    def head(self, head: Head, body_length: int, more: Headers = ()) -> None:
        """See `Wire.head`."""
        self._head = head
        data, _ = head_bytes(head, body_length, more)
        self.head_size = self._head_left = len(data)
        if head.framing == "length":
            self.length = body_length if head.content_length is None else head.content_length

    def body(self, data: bytes) -> None:
        """See `Wire.body`."""
        self.sent += len(data)
        if data:
            self.out.append(data)

    def torn(self, data: bytes, size: int) -> None:
        """See `Wire.torn`."""
        self.body(data)

    def raw(self, data: bytes) -> None:
        """See `Wire.raw`: no client can read bytes outside the framing."""
        self.garbage = True

    def end(self) -> None:
        """See `Wire.end`. A body shorter than promised leaves the client waiting, until the connection closes."""
        self.complete = self.length is None or self.sent >= self.length

    def flush(self) -> int:
        """See `Wire.flush`."""
        self._head_left = 0
        self.answer = self._head
        return 1

    def flush_part(self, most: int) -> int:
        """See `Wire.flush_part`: a client sees nothing of a head before all of it is there."""
        size = min(most, self._head_left)
        self._head_left -= size
        if size and not self._head_left:
            self.answer = self._head
        return size

    def close(self) -> None:
        """See `Wire.close`: a body that ends with the connection is complete, and one that was all sent."""
        head = self.answer
        framing = None if head is None else head.framing
        self.complete = framing == "none" or (framing == "length" and self.sent == self.length)

    def abort(self, code: int | None = None) -> None:
        """See `Wire.abort`."""

    def signal(self, signal: Signal) -> None:
        """See `Wire.signal`: a mocked transport has no connections to speak of."""


class MockedExchange(Protocol):
    """A request and its answer, as a body stream uses them."""

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives."""

    def leave(self) -> None:
        """The client closes the response."""


class Library:
    """The library of a request: httpx or httpx2."""

    def __init__(self, request: Any) -> None:
        self.module: Any = sys.modules[type(request).__module__.partition(".")[0]]
        self._request = request

    def timeout(self, kind: str) -> float:
        """The request's timeout of a kind in seconds; `inf` for none."""
        timeouts: Mapping[str, float | None] = self._request.extensions.get("timeout", {})
        limit = timeouts.get(kind)
        return math.inf if limit is None else limit

    def fail(self, name: str, message: str) -> NoReturn:
        """Raise the library's exception of that name."""
        raise getattr(self.module, name)(message, request=self._request)

    def stream(self, exchange: MockedExchange) -> Any:
        """The body as a byte stream, for sync and for async clients."""

        # The bases belong to the library of the request, which is known only now.
        class Stream(self.module.SyncByteStream, self.module.AsyncByteStream):  # type: ignore[misc, name-defined]  # see above
            def __iter__(self) -> Iterator[bytes]:
                yield from exchange.chunks()

            async def __aiter__(self) -> AsyncIterator[bytes]:
                for piece in exchange.chunks():
                    yield piece

            def close(self) -> None:
                exchange.leave()

            async def aclose(self) -> None:
                exchange.leave()

        return Stream()
