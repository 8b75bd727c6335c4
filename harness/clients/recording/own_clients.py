"""Recording of clients that a user's callable builds itself: whatever it does with the call's headers, its requests are
known by the context in which they are sent.

    PythonAsync ──asking(book, call)──► context ──► the callable ──► its own client
                                           └── read by the transports of httpx, httpx2, aiohttp and http.client

`watch_own_clients` replaces the transports' methods in this process, once. Outside of `asking`, and for requests to
other servers than the one under test, they are what they were. What a call has done in threads of its own (greenlets,
in a process that gevent has patched) belongs to it as well. A call's row belongs to one native thread: requests of
another one have the call's header, and are recorded by the server alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache, partial, wraps
from importlib import import_module
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from gevent import monkey

from windtunnel.harness.clients.base import CALL_HEADER
from windtunnel.harness.clients.http_library import LIBRARIES
from windtunnel.harness.clients.recording.aiohttp import RecordingResponse, response_of, trace_config
from windtunnel.harness.clients.recording.http_client import watch_http_client
from windtunnel.harness.clients.recording.httpx2 import (
    AsyncRecordingTransport,
    Book,
    RecordingTransport,
    Trace,
)

ANY_PORT = 0

get_ident: Callable[[], int] = monkey.get_original("_thread", "get_ident")
"""Of the native thread: gevent's is of the greenlet, and those of a thread never run at the same time."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """A call whose callable is running: requests to one of `servers` (host, port) belong to it."""

    book: Book
    call_id: str
    servers: frozenset[tuple[str | None, int | None]]
    thread: int
    left: list[Callable[[], None]] = field(default_factory=list)

    @property
    def recorded(self) -> bool:
        """Whether a request that is made here and now may touch the call's row."""
        return self.thread == get_ident()


_asking: ContextVar[_Asking | None] = ContextVar("windtunnel_asking", default=None)


def servers_of(
    base_urls: Iterable[str], hosts: Iterable[str] = ()
) -> frozenset[tuple[str | None, int | None]]:
    """Host and port of each URL, and of `hosts` with any port."""
    given = frozenset((parts.hostname, parts.port) for parts in map(urlsplit, base_urls))
    return given | {(host, ANY_PORT) for host in hosts}


@contextmanager
def asking(book: Book, call_id: str, servers: frozenset[tuple[str | None, int | None]]) -> Iterator[None]:
    """What is sent to one of `servers` from here on, also by tasks that are begun here, belongs to the call."""
    asked = _Asking(book, call_id, servers, get_ident())
    token = _asking.set(asked)
    try:
        yield
    finally:
        _asking.reset(token)
        for leave in asked.left:
            leave()


@cache
def watch_own_clients() -> None:
    """Watch every client that is used in this process from now on. Doing it twice is fine."""
    for name in LIBRARIES:
        try:
            library = import_module(name)
        except ImportError:
            continue
        _watch_blocking(library.HTTPTransport)
        _watch_async(library.AsyncHTTPTransport)
    _watch_aiohttp()
    watch_http_client(_asked)
    _watch_threads()


def _asked(host: str | None, port: int | None) -> _Asking | None:
    asked = _asking.get()
    if asked is None:
        return None
    return asked if (host, port) in asked.servers or (host, ANY_PORT) in asked.servers else None


def _unrecorded(request: Any) -> _Asking | None:
    """The call that a request of httpx belongs to; None if there is none, or it is being recorded already."""
    asked = _asked(request.url.host, request.url.port)
    if asked is None or asked.book.open_trace(request.headers) is not None:
        return None
    request.headers.setdefault(CALL_HEADER, asked.call_id)
    return asked if asked.recorded else None


class _Inner:
    """A transport as it was before it was watched."""

    def __init__(self, handle: Any, transport: Any) -> None:
        self._handle = handle
        self._transport = transport
        self._pool = transport._pool  # by which it is looked into

    def handle_request(self, request: Any) -> Any:
        return self._handle(self._transport, request)

    async def handle_async_request(self, request: Any) -> Any:
        return await self._handle(self._transport, request)


def _watch_blocking(transport: Any) -> None:
    original = transport.handle_request

    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        asked = _unrecorded(request)
        if asked is None:
            return original(self, request)
        return RecordingTransport(_Inner(original, self), asked.book).handle_request(request)

    transport.handle_request = handle_request


def _watch_async(transport: Any) -> None:
    original = transport.handle_async_request

    @wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        asked = _unrecorded(request)
        if asked is None:
            return await original(self, request)
        recording = AsyncRecordingTransport(_Inner(original, self), asked.book)
        return await recording.handle_async_request(request)

    transport.handle_async_request = handle_async_request


class _ContextBook:
    """The book of the call in whose context a request of aiohttp is sent."""

    def trace(self, headers: MutableMapping[str, str], url: Any) -> Trace | None:
        asked = _asked(url.host, url.port)
        if asked is None or asked.book.open_trace(headers) is not None:
            return None
        headers.setdefault(CALL_HEADER, asked.call_id)
        return asked.book.trace(headers, url) if asked.recorded else None

    def open_trace(self, headers: Mapping[str, str]) -> Trace | None:
        asked = _asking.get()
        return None if asked is None else asked.book.open_trace(headers)


def _watch_aiohttp() -> None:
    original = aiohttp.ClientSession.__init__
    book = _ContextBook()
    response = response_of(book, wrapped=False)

    @wraps(original)
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        own = named.get("response_class")
        if own is None:
            named["response_class"] = response
        if own is None or not issubclass(own, RecordingResponse):
            events = trace_config(book, wrapped=own is not None)
            named["trace_configs"] = [*(named.get("trace_configs") or ()), events]
        original(self, *arguments, **named)

    aiohttp.ClientSession.__init__ = init  # type: ignore[method-assign]  # sessions that are made from now on record


def _watch_threads() -> None:
    """Let what a call has done by threads be done in the context of the call."""
    start = Thread.start
    submit: Any = ThreadPoolExecutor.submit

    @wraps(start)
    def start_in_context(self: Thread) -> None:
        if _asking.get() is not None:
            self.run = partial(copy_context().run, self.run)  # type: ignore[method-assign]  # of this one alone
        start(self)

    @wraps(submit)
    def submit_in_context(self: Any, fn: Any, /, *arguments: Any, **named: Any) -> Any:
        # Whoever asks: the thread that does it may have been started in the context of another call.
        return submit(self, partial(copy_context().run, fn), *arguments, **named)

    Thread.start = start_in_context  # type: ignore[method-assign]  # threads that are started from now on
    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[method-assign]  # work from now on
