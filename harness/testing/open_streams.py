"""Connections of this process's own clients that hold an answer which nobody has closed.

httpx and httpx2 keep their connections in a pool of httpcore or httpcore2, which knows each as idle or active. After a
test an active one is lost: its answer was neither read to the end nor closed.
"""

from __future__ import annotations

import gc
import sys
from urllib.parse import urlsplit

POOLS = {
    "httpcore": ("ConnectionPool", "AsyncConnectionPool"),
    "httpcore2": ("ConnectionPool", "AsyncConnectionPool"),
}


def active_connections(base_url: str) -> int:
    """Return how many connections to a server are active in the pools of this process."""
    kinds = tuple(
        getattr(sys.modules[name], kind)
        for name, kinds in POOLS.items()
        if name in sys.modules
        for kind in kinds
    )
    if not kinds:
        return 0
    gc.collect()  # what nobody refers to any more is no leak
    server = urlsplit(base_url)
    authority = f"{server.hostname}:{server.port}"
    found = 0
    for one in gc.get_objects():
        if isinstance(one, kinds):
            for connection in one.connections:
                # What a connection says of itself names its origin: 'http://127.0.0.1:8000', HTTP/1.1, ACTIVE, …
                mine = authority in repr(connection)
                found += mine and not connection.is_idle() and not connection.is_closed()
    return found
