"""The way from a proxy to what is behind it."""

from __future__ import annotations

from typing import Any

from windtunnel.mock_server.provider.compiled_settings import LinkSettings
from windtunnel.mock_server.transports.links.linked import ARRIVES_AT, LinkedSocket
from windtunnel.mock_server.transports.links.path import Path


class HopPath(Path):
    """A path between two servers, which keep their connection open: connecting takes no time."""

    __slots__ = ()

    def __init__(self, link: LinkSettings, seed: int, connection: int) -> None:
        super().__init__(lambda: link, seed, connection)

    def opened(self, at: float) -> float:
        """Return `at`: the connection is there."""
        return at


class Hop(LinkedSocket):
    """The link between a proxy and the region, or the next proxy."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`. When something is at the client nobody knows before it is at the proxy."""
        return default if name == ARRIVES_AT else super().get_extra_info(name, default)
