"""The loop of a test on the virtual clock: it refuses other hosts, and collects garbage as its time goes on."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Any

from windtunnel.harness.virtual.guard import refuse
from windtunnel.harness.virtual.loop import DeadlockError, VirtualLoop
from windtunnel.harness.virtual.watchdog import waits_at

COLLECT_EVERY_S = 20.0
"""Virtual seconds: a stream that was leaked frees its connection then, not at random."""

MOST_JUMPS = 2_000_000
"""Jumps in time without a message on the network, after which nobody but timers that set themselves anew is left."""


class TestLoop(VirtualLoop):
    """A virtual loop that knows who has ever listened on it; `base_url` is the mock's, for messages."""

    __test__ = False  # its name begins as that of a test class

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url
        self.main: asyncio.Task[Any] | None = None
        """The test itself."""
        self._known: set[tuple[str, int]] = set()
        self._collected_s = 0.0
        self._messages, self._jumps = -1, 0

    def _jump(self, when: float) -> None:
        if when - self._collected_s >= COLLECT_EVERY_S:
            self._collected_s = when
            gc.collect()
        if self.network.messages != self._messages:
            self._messages, self._jumps = self.network.messages, 0
        self._jumps += 1
        if self._jumps > MOST_JUMPS:
            raise DeadlockError("nothing but timers")
        super()._jump(when)

    async def create_server(  # type: ignore[override]  # its overloads are one here
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> Any:
        server = await super().create_server(protocol_factory, host, port, **options)
        self._known.add(server.address)
        return server

    async def create_connection(  # type: ignore[override]  # its overloads are one here
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        if sock is None and host is not None and port is not None:
            self._check(host, port)
        return await super().create_connection(protocol_factory, host, port, ssl=ssl, sock=sock, **options)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self._check(*address[:2])
        await super().sock_connect(sock, address)

    def _check(self, host: str, port: int) -> None:
        if (host, port) not in self._known:
            # anyio connects in a task of its own, whose stack ends there: where the test waits says more.
            place = "" if self.main is None else waits_at(self.main.get_coro())
            instead = f"the mock is at {self._base_url}"
            refuse(f"a connection to {host}:{port} was asked for", instead, place=place)
