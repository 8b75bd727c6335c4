"""Recording attempts in a wrapping transport: the one place that sees every request, also those without an answer.

    client ──► RecordingTransport ──► httpx2 transport ──► httpcore2 pool ──► socket   (or httpx, httpcore)
                  └── AttemptRow ◄── trace events of httpcore2; ended when the stream closes

Event hooks miss attempts that time out, are refused or wait for the pool in vain; a transport does not.
httpx and httpx2 have the same transports and trace events; only the stream must be of the client's own library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import httpx2

from windtunnel.harness.clients.base import (
    ATTEMPT_HEADER,
    CALL_HEADER,
    SDK_RETRY_HEADER,
    SERVED_BEHIND_LITELLM,
    SERVED_HEADER,
    Setting,
)
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.handed import HandedBody
from windtunnel.harness.clients.http_library import library_of
from windtunnel.harness.clients.outcome import names_of
from windtunnel.harness.clients.recording.pools import note_pool
from windtunnel.harness.contract.records import AttemptRow
from windtunnel.harness.policies.retry import promised_wait

DONE = b"[DONE]"
REDIRECTED = 300
KEPT = len(DONE) - 1


class AttemptBook(Protocol):
    """Where attempts over aiohttp are recorded."""

    def trace(self, headers: MutableMapping[str, str], url: Any) -> Trace | None: ...

    def open_trace(self, headers: Mapping[str, str]) -> Trace | None: ...


class Book:
    """The tries of one instance that are under way, by their keys, and the connections it has used."""

    def __init__(self, setting: Setting) -> None:
        self.now = setting.clock.now
        self.wall = setting.clock.wall
        self.pools = setting.pools
        self._ended = setting.observer.attempt_ended
        self.calls: dict[str, LiveTry] = {}
        self._hosts = setting.hosts
        self._prefix = f"{setting.worker}.{setting.instance}"
        self._numbers = count()
        self._connections: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._traces: dict[tuple[str, str], Trace] = {}

    def trace(self, headers: MutableMapping[str, str], url: Any = None) -> Trace | None:  # not needed by all
        """Open the row of a request, and mark its headers; None if it belongs to no recorded call."""
        live = self.calls.get(headers.get(CALL_HEADER, ""))
        if live is None:
            return None
        retries = headers.get(SDK_RETRY_HEADER)
        row = live.next_attempt(int(retries) if retries is not None else None)
        if self._hosts is not None:
            row.region = self._hosts.region(getattr(url, "host", "")) or row.region
        headers[ATTEMPT_HEADER] = number = str(row.attempt)
        if live.key != live.call_id:
            headers[CALL_HEADER] = live.call_id  # a hedge's requests are the call's
        trace = self._traces[live.call_id, number] = Trace(self, live, row, getattr(url, "path", ""))
        return trace

    def open_trace(self, headers: Mapping[str, str]) -> Trace | None:
        """The trace that has been opened for a request with these headers and is not closed yet."""
        return self._traces.get((headers.get(CALL_HEADER, ""), headers.get(ATTEMPT_HEADER, "")))

    def closed(self, row: AttemptRow) -> None:
        """An attempt is over: hand its row on."""
        del self._traces[row.call_id, str(row.attempt)]
        self._ended(row)

    def connection(self, stream: Any) -> str:
        """A name for a connection, the same for all attempts made on it."""
        name = self._connections.get(stream)
        if name is None:
            name = self._connections[stream] = f"{self._prefix}.{next(self._numbers)}"
        return name


class Trace:
    """Fills in one attempt's row. Every attempt is handed on exactly once."""

    __slots__ = ("_began", "_book", "_kept", "_live", "_open", "_path", "_tail", "pooled", "row")

    def __init__(self, book: Book, live: LiveTry, row: AttemptRow, path: str) -> None:
        self.row = row
        self._path = path
        self._kept: HandedBody | None = None
        self._book = book
        self._live = live
        self._open = True
        self._tail = b""
        self._began: dict[str, float] = {}
        self.pooled = False

    def event(self, name: str, info: dict[str, Any]) -> None:
        """Note an event; the trace extension of the pool calls this."""
        seen = EVENTS.get(name)
        if seen is not None:
            seen(self, info)

    async def event_async(self, name: str, info: dict[str, Any]) -> None:
        """The same for the async pool, which insists on a coroutine."""
        seen = EVENTS.get(name)
        if seen is not None:
            seen(self, info)

    def goes_through(self, connector: Any) -> None:
        """The attempt takes its connection from this connector of aiohttp."""
        self.pooled = note_pool(self._book.pools, connector)

    def connecting(self) -> None:
        """It has its place in the pool: it connects, or takes a connection that is there."""
        if self.row.pool_wait_s is None:
            self.row.pool_wait_s = self._book.now() - self.row.started_s

    def begins(self, part: str) -> None:
        """A part of connecting begins: `dns`, `connect` or `tls`; it is this attempt that connects."""
        self._began[part] = self._book.now()

    def ends(self, part: str) -> None:
        """A part of connecting is over, well or not. Made again, after a failure, its times add up."""
        began = self._began.pop(part, None)
        if began is not None:
            name = f"{part}_s"
            setattr(self.row, name, (getattr(self.row, name) or 0.0) + self._book.now() - began)

    def connected(self, connection: Any = None) -> None:
        """A connection was made for it."""
        self.row.connected_s = self._book.now()
        if connection is not None:
            self.row.connection_id = self._book.connection(connection)

    def uses(self, connection: Any) -> None:
        """It is on this connection, new or not."""
        if self.row.connection_id is None:
            self.row.connection_id = self._book.connection(connection)

    def sent(self) -> None:
        """The request is written."""
        self.row.sent_s = self._book.now()

    def answered(self, status: int, headers: Mapping[str, str], version: str) -> None:
        """The head is here. `version` is HTTP's, such as `1.1`."""
        row = self.row
        row.headers_s = self._book.now()
        row.status = status
        row.served_id = headers.get(SERVED_HEADER) or headers.get(SERVED_BEHIND_LITELLM)
        if status >= REDIRECTED:
            row.retry_after_s = promised_wait(headers, self._book.wall())
        row.http_version = version
        if self._live.keeps and status < REDIRECTED:
            self._live.handed = self._kept = HandedBody(row, self._path, headers)
        self._live.answered(status, headers)

    def chunk(self, data: bytes) -> None:
        """A piece of the body."""
        row = self.row
        row.last_byte_s = self._book.now()
        if row.first_byte_s is None:
            row.first_byte_s = row.last_byte_s
        row.body_bytes += len(data)
        if self._kept is not None:
            self._kept.add(data)
        if DONE in data or (self._tail and DONE in self._tail + data[:KEPT]):
            self._live.saw_done = True
        self._tail = data[-KEPT:]

    def failed(self, error: BaseException) -> None:
        """The attempt broke, whatever the reason; the row says which."""
        if self._open and self.row.error_type is None:
            self.row.error_type, self.row.error_cause = names_of(error)

    def closed(self) -> None:
        """Its stream is closed: nothing more can come."""
        if self._open:
            self._open = False
            row = self.row
            row.ended_s = self._book.now()
            for part in list(self._began):
                self.ends(part)
            if self.pooled and row.pool_wait_s is None and row.connection_id is None:
                row.pool_wait_s = row.ended_s - row.started_s  # it never left the pool
            self._book.closed(row)


def _begins(part: str) -> Callable[[Trace, dict[str, Any]], None]:
    """What is noted when a part of connecting begins: the attempt has its place in the pool."""

    def note(trace: Trace, _: dict[str, Any]) -> None:
        trace.connecting()
        trace.begins(part)

    return note


def _connected(part: str) -> Callable[[Trace, dict[str, Any]], None]:
    """What is noted when a part of connecting has given a stream."""

    def note(trace: Trace, info: dict[str, Any]) -> None:
        trace.ends(part)
        trace.connected(info["return_value"])

    return note


EVENTS: dict[str, Callable[[Trace, dict[str, Any]], None]] = {
    "connection.connect_tcp.started": _begins("connect"),
    "connection.connect_tcp.complete": _connected("connect"),
    "connection.connect_tcp.failed": lambda trace, _: trace.ends("connect"),
    "connection.start_tls.started": _begins("tls"),
    "connection.start_tls.complete": _connected("tls"),
    "connection.start_tls.failed": lambda trace, _: trace.ends("tls"),
    "http11.send_request_headers.started": lambda trace, _: trace.connecting(),
    "http11.send_request_body.complete": lambda trace, _: trace.sent(),
    "http2.send_request_headers.started": lambda trace, _: trace.connecting(),
    "http2.send_request_body.complete": lambda trace, _: trace.sent(),
}


def _answered(trace: Trace, response: Any) -> None:
    extensions = response.extensions
    version = extensions.get("http_version", b"HTTP/1.1").decode("ascii").removeprefix("HTTP/")
    trace.answered(response.status_code, response.headers, version)
    stream = extensions.get("network_stream")
    if stream is not None:
        trace.uses(stream)


@cache
def _stream_of(body: type, name: str | None) -> Callable[[Any, Trace], Any]:
    """Return `body` as a class of streams of the library of this name: a client accepts no other's."""
    library = import_module(name or "httpx2")
    base = library.SyncByteStream if body is _Body else library.AsyncByteStream
    return type(body.__name__, (body, base), {})


class RecordingTransport(httpx2.BaseTransport):
    """A blocking transport that records."""

    def __init__(self, inner: Any, book: Book) -> None:
        self._inner = inner
        self._book = book
        self._pooled = note_pool(book.pools, inner)

    def handle_request(self, request: Any) -> Any:
        trace = self._book.trace(request.headers, request.url)
        if trace is None:
            return self._inner.handle_request(request)
        trace.pooled = self._pooled
        request.extensions["trace"] = trace.event
        try:
            response = self._inner.handle_request(request)
        except BaseException as error:
            trace.failed(error)
            trace.closed()
            raise
        _answered(trace, response)
        response.stream = _stream_of(_Body, library_of(type(response)))(response.stream, trace)
        return response

    def close(self) -> None:
        self._inner.close()


class _Body:
    def __init__(self, inner: Any, trace: Trace) -> None:
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

    def __init__(self, inner: Any, book: Book) -> None:
        self._inner = inner
        self._book = book
        self._pooled = note_pool(book.pools, inner)

    async def handle_async_request(self, request: Any) -> Any:
        trace = self._book.trace(request.headers, request.url)
        if trace is None:
            return await self._inner.handle_async_request(request)
        trace.pooled = self._pooled
        request.extensions["trace"] = trace.event_async
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            trace.failed(error)
            trace.closed()
            raise
        _answered(trace, response)
        response.stream = _stream_of(_AsyncBody, library_of(type(response)))(response.stream, trace)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _AsyncBody:
    def __init__(self, inner: Any, trace: Trace) -> None:
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
