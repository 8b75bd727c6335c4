"""What is left in a client's connection pools when its calls are over: connections lost to it, and idle ones.

A connection whose answer was not read to its end and that nobody closed can neither be used again nor return to the
pool: it is leaked. The pool knows it as active, though no call is under way. A connection that is idle and whole is
what a pool is for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, MutableSet
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """Connections that are open. `pools` is how many pools were looked into: without one nothing is known.

    `sampled`: those that were lost at most while calls were under way; null where nobody looked.
    """

    pools: int = 0
    leaked: int = 0
    idle: int = 0
    sampled: int | None = None

    def with_soak(self, soak: Soak | None) -> OpenConnections:
        """The same with what was seen in a soak."""
        return self if soak is None else replace(self, sampled=soak.most)


LINGER_S = 2.0
"""After the last call has ended, connections may be on their way back to their pool, or be closed."""
SOAK_S = 600.0
"""In cells as long as this, pools are also looked into while calls are under way."""
SAMPLE_S = 60.0


class Soak:
    """Looks into pools while calls are under way: who holds a connection for longer than any call lasts has lost it.

    A connection that serves another request than the last time counts anew.
    """

    def __init__(self) -> None:
        self.most = 0
        self.longest_s = 0.0
        self._since: WeakKeyDictionary[Any, tuple[int, float]] = WeakKeyDictionary()
        self._under_way: dict[str, float] = {}

    def began(self, call_id: str, now: float) -> None:
        """A call has begun."""
        self._under_way[call_id] = now

    def ended(self, call_id: str, now: float) -> None:
        """It is over."""
        began = self._under_way.pop(call_id, None)
        if began is not None:
            self.longest_s = max(self.longest_s, now - began)

    def look(self, pools: Iterable[Any], now: float) -> int:
        """How many connections are held for longer than the longest call, those under way included."""
        oldest = next(iter(self._under_way.values()), now)
        patience = max(self.longest_s, now - oldest)
        lost = 0
        for pool in list(pools):
            for connection, request in _held_by(pool):
                seen, since = self._since.get(connection, (request, now))
                since = since if seen == request else now
                self._since[connection] = (request, since)
                lost += now - since > patience
        self.most = max(self.most, lost)
        return lost


def _held_by(pool: Any) -> Iterator[tuple[Any, int]]:
    """The connections that a pool knows as in use, and which of their requests it is."""
    if isinstance(pool, aiohttp.BaseConnector):
        for protocol in list(pool._acquired):
            yield protocol, id(getattr(protocol, "_parser", None))  # a parser for each answer
        return
    for connection in list(pool.connections):
        if not connection.is_idle() and not connection.is_closed():
            inner = getattr(connection, "_connection", None)
            yield connection, int(getattr(inner, "_request_count", 0))


def note_pool(pools: MutableSet[Any], holder: Any) -> bool:
    """Remember the pool of a transport of httpx, or a connector of aiohttp; returns whether it has one."""
    pool = holder if isinstance(holder, aiohttp.BaseConnector) else getattr(holder, "_pool", None)
    if pool is not None:
        pools.add(pool)
    return pool is not None


def open_connections(pools: Iterable[Any]) -> OpenConnections:
    """Look into pools while no call is under way, after one garbage collection: what nobody refers to is no leak."""
    gc.collect()
    leaked = idle = looked = 0
    for pool in list(pools):
        looked += 1
        if isinstance(pool, aiohttp.BaseConnector):
            leaked += len(pool._acquired)
            idle += sum(len(connections) for connections in pool._conns.values())
            continue
        for connection in pool.connections:
            if connection.is_idle():
                idle += not connection.has_expired()
            elif not connection.is_closed():
                leaked += 1
    return OpenConnections(looked, leaked, idle)
