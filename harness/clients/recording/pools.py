"""What is left in a client's connection pools when its calls are over: connections lost to it, and idle ones.

A connection whose answer was not read to its end and that nobody closed can neither be used again nor return to the
pool: it is leaked. The pool knows it as active, though no call is under way. A connection that is idle and whole is
what a pool is for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, MutableSet
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """Connections that are open. `pools` is how many pools were looked into: without one nothing is known."""

    pools: int = 0
    leaked: int = 0
    idle: int = 0


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
