"""The mock as a test server of aiohttp: on the loop of the test, under `aiohttp.test_utils.TestClient` or by its URL.

Sockets and waits are those of the loop: real ones, or none at all on the virtual clock.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

from aiohttp.test_utils import BaseTestServer
from aiohttp.web import BaseRunner
from yarl import URL

from windtunnel.harness.testing.view import NAME, MockOpenAI
from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.options import ServeOptions
from windtunnel.mock_server.server.server import Server
from windtunnel.mock_server.transports.listeners import Listeners
from windtunnel.mock_server.transports.ports import bind, url

SETTLE_S = 1.0
SETTLE_STEP_S = 0.01
ENDING_S = 1.0


class AiohttpServer(MockOpenAI, BaseTestServer):
    """A mock that runs on the test's own loop: `async with windtunnel.testing.aiohttp_server() as server`."""

    __test__ = False

    def __init__(self, *, seed: int = 0) -> None:
        MockOpenAI.__init__(self, seed=seed)
        BaseTestServer.__init__(self)
        self.api_key = "sk-windtunnel-aiohttp"
        self._planned = self._plan(NAME)
        self._server: Server | None = None
        self._close_ports: Any = None

    async def start_server(self, loop: asyncio.AbstractEventLoop | None = None, **_: Any) -> None:
        """Listen on a free port of the running loop."""
        if self._server is not None:
            return
        running = asyncio.get_running_loop()
        plan = Plan.model_validate(self._planned)
        self._server = Server(plan, journal=Journal(), loop=running, clock=running.time)
        if hasattr(running, "network"):
            root = await self._listen_in_memory(running, plan.provider.default_region)
        else:
            root = await self._listen(plan)
        self._root = URL(root)
        self.scheme, self.host, self.port = "http", self._root.host or "", self._root.port
        self.base_url = f"{root}/v1"

    async def _listen(self, plan: Plan) -> str:
        assert self._server is not None
        options = ServeOptions(plan=plan)
        ports = bind(options)
        listeners = Listeners(self._server, ports)
        await listeners.open()

        async def close() -> None:
            await listeners.close()
            for port in ports.values():
                port.close()

        self._close_ports = close
        return url(options.host, next(iter(ports.values())))

    async def _listen_in_memory(self, loop: Any, region: str) -> str:
        from windtunnel.harness.virtual.network.ports import Ports, listen

        assert self._server is not None
        listener = await listen(loop, self._server, region)
        Ports(self._server, {region: listener})

        async def close() -> None:
            listener.close()

        self._close_ports = close
        return f"http://127.0.0.1:{listener.address[1]}"

    async def close(self) -> None:
        """End all requests, and close the port."""
        server = self._server
        if server is None or self._closed:
            return
        self._closed = True
        await self._close_ports()
        server.cut()
        await server.connections.ended(ENDING_S)

    async def __aenter__(self) -> Self:
        await self.start_server()
        return self

    @property
    def started(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def _make_runner(self, **_: Any) -> BaseRunner:
        raise NotImplementedError("the mock has a server of its own")

    async def settle(self) -> None:
        """Wait until the mock has seen who has left: their connections are closed a moment after they leave."""
        for _ in range(round(SETTLE_S / SETTLE_STEP_S)):
            if not any(one.waiting for one in self.served):
                return
            await asyncio.sleep(SETTLE_STEP_S)

    def _begin(self, plan: dict[str, Any]) -> None:
        self._planned = plan
        if self._server is not None:
            self._server.begin_test(Plan.model_validate(plan), key_hash(self.api_key))

    def _change(self, plan: dict[str, Any]) -> None:
        self._planned = plan
        if self._server is not None:
            self._server.set_plan(Plan.model_validate(plan))

    def _rows(self) -> list[dict[str, Any]]:
        return [] if self._server is None else self._server.requests()

    def _now_s(self) -> float:
        return 0.0 if self._server is None else self._server.now()


def aiohttp_server(*, seed: int = 0) -> AiohttpServer:
    """Return a test server of aiohttp that is a mock: `async with aiohttp_server() as server`."""
    return AiohttpServer(seed=seed)
