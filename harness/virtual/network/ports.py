"""The regions' listeners on the virtual network, opened and closed as the plan says.

The counterpart of `windtunnel.mock_server.transports.listeners`, which does the same to sockets: here a port has a
mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from windtunnel.harness.virtual.network.network import Mode, VirtualListener
from windtunnel.mock_server.faults.listener import ClosedParams
from windtunnel.mock_server.rules import FaultUse
from windtunnel.mock_server.server.server import Server
from windtunnel.mock_server.transports.accept import accept, new_path

if TYPE_CHECKING:
    from windtunnel.harness.virtual.loop import VirtualLoop

HOST = "127.0.0.1"

MODES: Mapping[str, Mode] = {"refuse": "refused", "blackhole": "blackholed"}
"""What the faults of a listener make of it; `tests` hold that there are no others."""


async def listen(loop: VirtualLoop, server: Server, region: str, port: int = 0) -> VirtualListener:
    """Listen for a region on the virtual network, at the far end of its link; port 0 is any free one."""
    return await loop.create_server(
        partial(accept, server, region),
        HOST,
        port,
        path=partial(new_path, server, region),
        secured=server.engine.settings(region, server.now()).tls is not None,
    )


class Ports:
    """All listeners of a server, by region. They follow the plan from the start."""

    def __init__(self, server: Server, listeners: Mapping[str, VirtualListener]) -> None:
        self._server = server
        self._listeners = listeners
        self._closed_by: dict[str, FaultUse | None] = dict.fromkeys(listeners)
        server.on_change.append(self.settle)
        self.settle()

    def settle(self) -> None:
        """Conditions may have changed: make every port what it is to be now."""
        server = self._server
        now = server.now()
        for region, listener in self._listeners.items():
            use = server.engine.listening(region, now)
            if use != self._closed_by[region]:
                self._closed_by[region] = use
                listener.mode = "open" if use is None else MODES[use.kind.name]
                if (
                    use is not None
                    and isinstance(use.params, ClosedParams)
                    and use.params.established == "reset"
                ):
                    server.connections.reset_region(region)
