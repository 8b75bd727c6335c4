"""The way from a proxy to what is behind it."""

from __future__ import annotations

from windtunnel.mock_server.provider.compiled_settings import LinkSettings
from windtunnel.mock_server.transports.links.path import Path


class Hop(Path):
    """A path between two servers, which keep their connection open: connecting takes no time."""

    __slots__ = ()

    def __init__(self, link: LinkSettings, seed: int, connection: int) -> None:
        super().__init__(lambda: link, seed, connection)

    def opened(self, at: float) -> float:
        """Return `at`: the connection is there."""
        return at
