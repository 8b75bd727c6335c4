"""What is left in a client's pools. Leaks are planted in tests of the load process, and of the virtual clock."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from windtunnel.harness.clients.recording.pools import OpenConnections, note_pool, open_connections


def test_without_a_pool_nothing_is_known() -> None:
    """What has no pool is passed over, and that none was seen is said."""
    pools: WeakSet[Any] = WeakSet()
    note_pool(pools, object())
    assert open_connections(pools) == OpenConnections(0, 0, 0)
