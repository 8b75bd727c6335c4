"""Recording attempts in a wrapping transport: the one place that sees every request, also those without an answer.

    client ──► RecordingTransport ──► httpx2 transport ──► httpcore2 pool ──► socket
                  └── AttemptRow ◄── trace events of httpcore2; ended when the stream closes

Event hooks miss attempts that time out, are refused or wait for the pool in vain; a transport does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import httpx2

from harness.clients.base import ATTEMPT_HEADER, CALL_HEADER, SDK_RETRY_HEADER, SERVED_HEADER, Setting
from harness.clients.live import LiveCall
from harness.clients.verdict import names_of
from harness.records import AttemptRow

DONE = b"[DONE]"
KEPT = len(DONE) - 1


class Book:
    """The calls of one instance that are under way, and the connections it has used."""

    def __init__(self, setting: Setting) -> None:
        self.now = setting.clock.now
        self.ended = setting.observer.attempt_ended
        self.calls: dict[str, LiveCall] = {}
        self._prefix = f"{setting.worker}.{setting.instance}"
        self._numbers = count()
        self._connections: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def trace(self, request: httpx2.Request) -> Trace | None:
        """Open the row of this request, and mark the request; None if it belongs to no recorded call."""
        live = self.calls.get(request.headers.get(CALL_HEADER, ""))
        if live is None:
            return None
        retries = request.headers.get(SDK_RETRY_HEADER)
        row = live.next_attempt(int(retries) if retries is not None else None)
        request.headers[ATTEMPT_HEADER] = str(row.attempt)
        return Trace(self, live, row)

    def connection(self, stream: Any) -> str:
        """A name for a connection, the same for all attempts made on it."""
        name = self._connections.get(stream)
        if name is None:
            name = self._connections[stream] = f"{self._prefix}.{next(self._numbers)}"
        return name


class Trace:
    """Fills in one attempt's row. Every attempt is handed on exactly once."""

    __slots__ = ("_book", "_live", "_open", "_tail", "row")

    def __init__(self, book: Book, live: LiveCall, row: AttemptRow) -> None:
        self.row = row
        self._book = book
        self._live = live
        self._open = True
        self._tail = b""

    def event(self, name: str, info: dict[str, Any]) -> None:
        """What httpcore2's trace extension calls."""
        seen = EVENTS.get(name)
        if seen is not None:
            seen(self, info)

    async def event_async(self, name: str, info: dict[str, Any]) -> None:
        """The same for the async pool, which insists on a coroutine."""
        seen = EVENTS.get(name)
        if seen is not None:
            seen(self, info)

    def connecting(self, info: dict[str, Any]) -> None:
        if self.row.pool_wait_s is None:
            self.row.pool_wait_s = self._book.now() - self.row.started_s

    def connected(self, info: dict[str, Any]) -> None:
        self.row.connected_s = self._book.now()
        self.row.connection_id = self._book.connection(info["return_value"])

    def sent(self, info: dict[str, Any]) -> None:
        self.row.sent_s = self._book.now()

    def answered(self, response: httpx2.Response) -> None:
        """The head is here."""
        row = self.row
        row.headers_s = self._book.now()
        row.status = response.status_code
        row.served_id = response.headers.get(SERVED_HEADER)
        extensions = response.extensions
        row.http_version = extensions.get("http_version", b"HTTP/1.1").decode("ascii").removeprefix("HTTP/")
        stream = extensions.get("network_stream")
        if stream is not None and row.connection_id is None:
            row.connection_id = self._book.connection(stream)

    def chunk(self, data: bytes) -> None:
        """A piece of the body."""
        row = self.row
        row.last_byte_s = self._book.now()
        if row.first_byte_s is None:
            row.first_byte_s = row.last_byte_s
        row.body_bytes += len(data)
        if DONE in data or (self._tail and DONE in self._tail + data[:KEPT]):
            self._live.row.saw_done = True
        self._tail = data[-KEPT:]

    def failed(self, error: BaseException) -> None:
        """The attempt broke, whatever the reason; the row says which."""
        if self.row.error_type is None:
            self.row.error_type, self.row.error_cause = names_of(error)

    def closed(self) -> None:
        """Its stream is closed: nothing more can come."""
        if self._open:
            self._open = False
            self.row.ended_s = self._book.now()
            self._book.ended(self.row)


EVENTS: dict[str, Callable[[Trace, dict[str, Any]], None]] = {
    "connection.connect_tcp.started": Trace.connecting,
    "connection.connect_tcp.complete": Trace.connected,
    "connection.start_tls.complete": Trace.connected,
    "http11.send_request_headers.started": Trace.connecting,
    "http11.send_request_body.complete": Trace.sent,
    "http2.send_request_headers.started": Trace.connecting,
    "http2.send_request_body.complete": Trace.sent,
}


class RecordingTransport(httpx2.BaseTransport):
    """A blocking transport that records."""

    def __init__(self, inner: httpx2.BaseTransport, book: Book) -> None:
        self._inner = inner
        self._book = book

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        trace = self._book.trace(request)
        if trace is None:
            return self._inner.handle_request(request)
        request.extensions["trace"] = trace.event
        try:
            response = self._inner.handle_request(request)
        except BaseException as error:
            trace.failed(error)
            trace.closed()
            raise
        trace.answered(response)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Body(response.stream, trace)
        return response

    def close(self) -> None:
        self._inner.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace

    def __iter__(self) -> Iterator[bytes]:
        trace = self._trace
        try:
            for data in self._inner:
                trace.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            trace.failed(error)
            raise
        trace.row.body_complete = True

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._trace.closed()


class AsyncRecordingTransport(httpx2.AsyncBaseTransport):
    """An async transport that records."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, book: Book) -> None:
        self._inner = inner
        self._book = book

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        trace = self._book.trace(request)
        if trace is None:
            return await self._inner.handle_async_request(request)
        request.extensions["trace"] = trace.event_async
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            trace.failed(error)
            trace.closed()
            raise
        trace.answered(response)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _AsyncBody(response.stream, trace)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        trace = self._trace
        try:
            async for data in self._inner:
                trace.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            trace.failed(error)
            raise
        trace.row.body_complete = True

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._trace.closed()
