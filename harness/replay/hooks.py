"""Where a witness hears of what the libraries do for a client: the traces of its requests, its pool, the SDK's log.

What our own code does it hears as an observer.

The hooks are put into the classes of this process, which plays one cell and ends; nothing else ever runs in it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import aiohttp

from windtunnel.harness.clients.http_library import pool_libraries
from windtunnel.harness.clients.recording import httpx2 as recording
from windtunnel.harness.replay.observer import Witness

_COUNTS = re.compile(r"(\d+) active, (\d+) queued \| Connections: (\d+) active, (\d+) idle")

SAID_BY_THE_SDK = ("Retrying", "Not retrying", "Encountered", "Raising", "Re-raising", "1 retry left")
"""What the SDK logs about its own retries; the rest of its log the wire shows as well."""


def watch_clients(witness: Witness) -> None:
    """Let `witness` hear of everything that any client in this process does for its call."""
    _watch_traces(witness)
    _watch_pools(witness)
    _watch_connectors(witness)
    sdk = logging.getLogger("openai")
    sdk.addHandler(_Log(witness))
    sdk.setLevel(logging.DEBUG)
    sdk.propagate = False


def _put(owner: Any, name: str, hook: Callable[..., Any]) -> None:
    """Replace a function of a class or a module."""
    setattr(owner, name, hook)


class _Log(logging.Handler):
    """What the SDK says about its retries, in its own words."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    def emit(self, record: logging.LogRecord) -> None:
        if self._witness.mine() and str(record.msg).startswith((*SAID_BY_THE_SDK, "%i retries left")):
            self._witness.note("sdk", record.getMessage())


def _watch_traces(witness: Witness) -> None:
    """Note the trace events of httpcore and httpcore2, which the recording transports listen to."""
    trace = recording.Trace
    event, event_async = trace.event, trace.event_async

    def seen(one: recording.Trace, name: str, info: dict[str, Any]) -> None:
        if one.row.call_id == witness.call_id and (said := _traced(name, info)):
            witness.note("pool", said)

    def watched(one: recording.Trace, name: str, info: dict[str, Any]) -> None:
        seen(one, name, info)
        event(one, name, info)

    async def watched_async(one: recording.Trace, name: str, info: dict[str, Any]) -> None:
        seen(one, name, info)
        await event_async(one, name, info)

    _put(trace, "event", watched)
    _put(trace, "event_async", watched_async)


def _traced(name: str, info: dict[str, Any]) -> str:
    """Return a trace event in words; empty for those that the wire shows."""
    if name == "connection.connect_tcp.started":
        limit = info.get("timeout")
        return "opens a connection" + ("" if limit is None else f", for {limit:g} s at most")
    if name == "connection.connect_tcp.complete":
        return "is connected"
    if name.endswith(".failed") and "exception" in info:
        step = name.split(".")[1].replace("_", " ")
        error = info["exception"]
        if isinstance(error, GeneratorExit):  # who reads has had enough
            return ""
        return f"{step} failed: {type(error).__name__}" + (f" ({error})" if str(error) else "")
    if name.endswith("response_closed.complete"):
        return "the answer is closed; the connection goes back, or ends"
    return ""


def _watch_pools(witness: Witness) -> None:
    """Note what clients ask of the pools of httpcore2, and of httpcore if the SDK or a user's client is on it."""
    for library in pool_libraries():
        _watch_pools_of(library, witness)


def _watch_pools_of(library: Any, witness: Witness) -> None:
    ask, ask_async = (
        library.ConnectionPool.handle_request,
        library.AsyncConnectionPool.handle_async_request,
    )

    def asked(pool: Any) -> None:
        counts = _COUNTS.search(repr(pool))
        if counts is not None:
            taken, queued, active, idle = map(int, counts.groups())
            what = f"asked for a connection: {active} active, {idle} idle, {queued} requests wait"
            witness.note("pool", what, active=active, idle=idle, waiting=queued, requests=taken)

    def failed(error: BaseException, began: float, pool: Any) -> None:
        if isinstance(error, library.PoolTimeout):
            waited = witness.now() - began
            witness.note("pool", f"no connection within {waited:.3f} s: {type(error).__name__}")
            asked(pool)

    def handle(pool: Any, request: Any) -> Any:
        mine, began = witness.mine(), witness.now()
        if mine:
            asked(pool)
        try:
            return ask(pool, request)
        except BaseException as error:
            if mine:
                failed(error, began, pool)
            raise

    async def handle_async(pool: Any, request: Any) -> Any:
        mine, began = witness.mine(), witness.now()
        if mine:
            asked(pool)
        try:
            return await ask_async(pool, request)
        except BaseException as error:
            if mine:
                failed(error, began, pool)
            raise

    _put(library.ConnectionPool, "handle_request", handle)
    _put(library.AsyncConnectionPool, "handle_async_request", handle_async)


def _watch_connectors(witness: Witness) -> None:
    """aiohttp's pool."""
    connect: Callable[..., Any] = aiohttp.BaseConnector.connect

    def state(pool: Any) -> str:
        idle = sum(len(one) for one in pool._conns.values())
        waiting = sum(len(one) for one in pool._waiters.values())
        return f"{len(pool._acquired)} active, {idle} idle, {waiting} requests wait"

    async def watched(pool: Any, *args: Any, **keywords: Any) -> Any:
        if not witness.mine():
            return await connect(pool, *args, **keywords)
        began = witness.now()
        witness.note("pool", f"asked for a connection: {state(pool)}")
        try:
            connection = await connect(pool, *args, **keywords)
        except BaseException as error:
            waited = witness.now() - began
            witness.note(
                "pool", f"no connection within {waited:.3f} s: {type(error).__name__}; {state(pool)}"
            )
            raise
        witness.note("pool", f"has a connection after {witness.now() - began:.6f} s")
        return connection

    _put(aiohttp.BaseConnector, "connect", watched)
