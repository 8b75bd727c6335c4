"""The admin API of a mock that runs, as its supervisor asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import aiohttp

TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class MockHealth:
    """How busy a mock is: open connections of clients, slots taken and requests queued over all regions."""

    now_s: float
    connections: int
    in_flight: int
    queued: int


class MockAdmin:
    """Asks the mock whose admin API is at `url`. Each method raises OSError where none answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def begin(self, t0: float) -> None:
        """Let the first phase begin at `t0` (seconds on the monotonic clock), which may be over already."""
        await self._ask("POST", "reset", {"t0": t0})

    async def new_segments(self) -> None:
        """Let its records go on in new segments."""
        await self._ask("POST", "segments")

    async def stop(self) -> None:
        """Let it write its records and exit."""
        await self._ask("POST", "stop")

    async def health(self) -> MockHealth:
        """How busy it is."""
        told = await self._ask("GET", "health")
        regions = told["provider"].get("regions", {}).values()
        return MockHealth(
            now_s=told["now_s"],
            connections=told["connections"],
            in_flight=sum(region["in_flight"] for region in regions),
            queued=sum(region["queue_depth"] for region in regions),
        )

    async def _ask(self, method: str, route: str, content: object = None) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, f"{self.url}/{route}", json=content) as answer,
            ):
                answer.raise_for_status()
                told: dict[str, Any] = await answer.json()
                return told
        except aiohttp.ClientError as error:
            raise ConnectionError(f"the mock's admin API: {error}") from error
