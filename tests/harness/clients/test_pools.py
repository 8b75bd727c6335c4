"""What is left in a client's pools. Leaks are planted in tests of the load process, and of the virtual clock."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from windtunnel.harness.clients.recording.pools import OpenConnections, Soak, note_pool, open_connections


def test_without_a_pool_nothing_is_known() -> None:
    """What has no pool is passed over, and that none was seen is said."""
    pools: WeakSet[Any] = WeakSet()
    note_pool(pools, object())
    assert open_connections(pools) == OpenConnections(0, 0, 0)


class Held:
    """A connection of a pool of httpx: in use, for its request with this number."""

    def __init__(self, request: int) -> None:
        self._connection = self
        self._request_count = request

    def is_idle(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False


class Pool:
    def __init__(self, *connections: Held) -> None:
        self.connections = connections


def test_who_holds_a_connection_for_longer_than_any_call_has_lost_it() -> None:
    """One that serves another request than the last time is in use, and so is that of a call under way."""
    soak = Soak()
    lost, busy = Held(1), Held(1)
    pool = Pool(lost, busy)
    soak.began("c0", 0.0)
    soak.ended("c0", 30.0)
    assert soak.look([pool], 60.0) == 0
    busy._request_count = 2
    assert soak.look([pool], 120.0) == 1
    soak.began("c1", 130.0)
    assert soak.look([pool], 180.0) == 2
    soak.ended("c1", 380.0)
    assert soak.look([pool], 240.0) == 0
    assert soak.most == 2
