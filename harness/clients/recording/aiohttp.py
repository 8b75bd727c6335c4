"""Recording the attempts that go through aiohttp: its own trace events, and a response that tells what is read of it.

    ClientSession ──► TraceConfig: queued, connecting, sent, failed ──┐
        └── RecordingResponse ──► head, connection ───────────────────┼──► Trace (one AttemptRow)
                 └── RecordingReader ──► chunks, end of the body ─────┘

aiohttp shows the look-up of a name, but not where connecting ends and the TLS handshake begins: both are `connect_s`.
Rows mean what they mean in `recording`. Where a wrapping transport opens and closes them (the SDK over aiohttp), only
what that transport cannot see is added here: `wrapped`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
from aiohttp.connector import Connection
from aiohttp.streams import AsyncStreamIterator, ChunkTupleAsyncStreamIterator

from windtunnel.harness.clients.recording.httpx2 import AttemptBook, Book, Trace
from windtunnel.harness.clients.recording.pools import note_pool

T = TypeVar("T", bytes, tuple[bytes, bool])


def recording_session(
    book: Book, connector: aiohttp.BaseConnector, *, wrapped: bool = False, **arguments: Any
) -> aiohttp.ClientSession:
    """A `ClientSession` over `connector` whose attempts are recorded in `book`; `arguments` are further ones of it."""
    note_pool(book.pools, connector)
    events, response = trace_config(book, wrapped=wrapped), response_of(book, wrapped=wrapped)
    return aiohttp.ClientSession(
        connector=connector, trace_configs=[events], response_class=response, **arguments
    )


def response_of(book: AttemptBook, *, wrapped: bool) -> type[RecordingResponse]:
    """Return the class of one session's responses: aiohttp makes them, and tells them nothing of ours."""

    class Response(RecordingResponse):
        _book = book
        _wrapped = wrapped

    return Response


def trace_config(book: AttemptBook, *, wrapped: bool) -> aiohttp.TraceConfig:
    """aiohttp's trace events, as marks of the attempts in `book`."""

    async def begin(
        session: aiohttp.ClientSession, context: SimpleNamespace, told: aiohttp.TraceRequestStartParams
    ) -> None:
        context.trace = book.open_trace(told.headers) if wrapped else book.trace(told.headers, told.url)
        if context.trace is not None:
            context.trace.goes_through(session.connector)

    async def redirected(_: Any, context: SimpleNamespace, told: aiohttp.TraceRequestRedirectParams) -> None:
        if context.trace is not None and not wrapped:
            context.trace.closed()
            context.trace = book.trace(told.headers, told.url)  # the next hop is a request of its own

    async def failed(_: Any, context: SimpleNamespace, told: aiohttp.TraceRequestExceptionParams) -> None:
        if context.trace is not None and not wrapped:
            context.trace.failed(told.exception)
            context.trace.closed()

    config = aiohttp.TraceConfig()
    config.on_request_start.append(begin)
    config.on_request_redirect.append(redirected)
    config.on_connection_create_start.append(_noted(_creates))
    config.on_dns_resolvehost_start.append(_noted(_looks_up))
    config.on_dns_resolvehost_end.append(_noted(_connects))
    config.on_connection_reuseconn.append(_noted(Trace.connecting))
    config.on_connection_create_end.append(_noted(_connected))
    config.on_request_headers_sent.append(_noted(Trace.sent))
    config.on_request_chunk_sent.append(_noted(Trace.sent))
    config.on_request_exception.append(failed)
    return config


def _noted(mark: Callable[[Trace], None]) -> Callable[[Any, SimpleNamespace, Any], Awaitable[None]]:
    """Return a handler of one of aiohttp's events that makes `mark` on the attempt, if it is recorded."""

    async def note(_: Any, context: SimpleNamespace, __: Any) -> None:
        if context.trace is not None:
            mark(context.trace)

    return note


def _creates(trace: Trace) -> None:
    trace.connecting()
    trace.begins("connect")


def _looks_up(trace: Trace) -> None:
    trace.ends("connect")
    trace.begins("dns")


def _connects(trace: Trace) -> None:
    trace.ends("dns")
    trace.begins("connect")


def _connected(trace: Trace) -> None:
    trace.ends("connect")
    trace.connected()


class RecordingResponse(aiohttp.ClientResponse):
    """A response that fills in the row of its attempt, whoever reads it and however."""

    _book: AttemptBook
    _wrapped: bool
    _reader: Any = None
    _trace: Trace | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        trace = self._book.open_trace(self.request_info.headers)
        if trace is not None and connection.protocol is not None:
            trace.uses(connection.protocol)
        if trace is None or self._wrapped:
            return await super().start(connection)
        self._trace = trace
        try:
            await super().start(connection)
        except BaseException as error:
            trace.failed(error)
            raise
        version = self.version
        trace.answered(self.status, self.headers, f"{version.major}.{version.minor}" if version else "1.1")
        return self

    @property
    def content(self) -> Any:
        """The body's reader, which records what is read."""
        return self._reader

    @content.setter
    def content(self, reader: aiohttp.StreamReader) -> None:
        trace = self._trace
        self._reader = reader if trace is None else RecordingReader(reader, trace)

    def release(self) -> Any:
        released = super().release()
        self._over()
        return released

    def close(self) -> None:
        super().close()
        self._over()

    def _over(self) -> None:
        if self._trace is not None:
            self._trace.closed()


class RecordingReader:
    """A body's `StreamReader` with a trace of what is read from it; reading to the end closes the attempt."""

    def __init__(self, reader: aiohttp.StreamReader, trace: Trace) -> None:
        self._reader = reader
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def readline(self, **limits: Any) -> bytes:
        return await self._traced(self._reader.readline(**limits))

    async def readuntil(self, *arguments: Any, **limits: Any) -> bytes:
        return await self._traced(self._reader.readuntil(*arguments, **limits))

    async def read(self, n: int = -1) -> bytes:
        if n >= 0:
            return await self._traced(self._reader.read(n))
        pieces = []  # one by one, so that the first byte has its own time
        while piece := await self.readany():
            pieces.append(piece)
        return b"".join(pieces)

    async def readany(self) -> bytes:
        return await self._traced(self._reader.readany())

    async def readexactly(self, n: int) -> bytes:
        return await self._traced(self._reader.readexactly(n))

    async def readchunk(self) -> tuple[bytes, bool]:
        return await self._traced(self._reader.readchunk())

    def read_nowait(self, n: int = -1) -> bytes:
        data = self._reader.read_nowait(n)
        self._took(data)
        return data

    def __aiter__(self) -> AsyncStreamIterator[bytes]:
        return AsyncStreamIterator(self.readline)

    def iter_chunked(self, n: int) -> AsyncStreamIterator[bytes]:
        self._reader.set_read_chunk_size(n)
        return AsyncStreamIterator(lambda: self.read(n))

    def iter_any(self) -> AsyncStreamIterator[bytes]:
        return AsyncStreamIterator(self.readany)

    def iter_chunks(self) -> ChunkTupleAsyncStreamIterator:
        return ChunkTupleAsyncStreamIterator(self)  # type: ignore[arg-type]  # it has what is used of one

    async def _traced(self, reading: Awaitable[T]) -> T:
        try:
            result = await reading
        except BaseException as error:
            self._trace.failed(error)
            raise
        self._took(result if isinstance(result, bytes) else result[0])
        return result

    def _took(self, data: bytes) -> None:
        if data:
            self._trace.chunk(data)
        if self._reader.at_eof():
            self._trace.row.body_complete = True
            self._trace.closed()
