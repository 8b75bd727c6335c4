"""A server in a thread, on either event loop, and raw sockets to call it with."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvloop

from windtunnel.mock_server.control.control import Control
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import Script
from windtunnel.mock_server.server.server import Server
from windtunnel.mock_server.transports.listeners import Listeners
from windtunnel.mock_server.transports.ports import Port

PATIENCE = 20.0
"""Seconds after which a test gives up: far more than anything here takes."""

FAST: dict[str, Any] = {
    "answer": {"first_token": "0.1ms", "tokens": 8, "tokens_per_second": 1_000_000.0, "tokens_per_chunk": 4}
}


class ScriptedEngine(Engine):
    """The real engine, with scripts of a test's choice in place of the healthy answers."""

    def __init__(self, plan: Plan, scripts: Callable[[Ticket], Script | None]) -> None:
        super().__init__(plan)
        self._scripts = scripts

    def start(self, ticket: Ticket, now: float) -> Script:
        """The test's script, once the real engine has taken the slot."""
        healthy = super().start(ticket, now)
        return self._scripts(ticket) or healthy


class WatchedJournal(Journal):
    """A journal in memory that tells a waiting test about every row."""

    __slots__ = ("changed", "rows")

    def __init__(self) -> None:
        super().__init__(None)
        self.rows: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.add = self._add

    def _add(self, row: tuple[Any, ...]) -> None:
        self._recent.append(row)
        with self.changed:
            self.rows.append(dict(zip(SERVED_SCHEMA.names, row, strict=True)))
            self.changed.notify_all()

    def restart(self) -> None:
        """Forget the rows."""
        super().restart()
        self.rows.clear()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The rows, once there are at least `count`."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.rows) >= count, PATIENCE), self.rows
        return list(self.rows)


class Serving:
    """A server on a loop of its own in a thread."""

    def __init__(
        self,
        factory: Callable[[], asyncio.AbstractEventLoop],
        plan: Plan,
        scripts: Callable[[Ticket], Script | None] | None,
        token: str | None,
    ) -> None:
        self._factory = factory
        self._plan = plan
        self._scripts = scripts
        self._token = token
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.journal = WatchedJournal()
        self.ports: dict[str, int] = {}
        self.admin_port = 0
        self.mock: Server
        self.listeners: Listeners
        self.loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # the test has stopped it already, and the loop is closed
            self.loop.call_soon_threadsafe(self.mock.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self._failure is None

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._factory) as runner:
                runner.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the test's thread
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: failures.append(context))
        engine = Engine(self._plan) if self._scripts is None else ScriptedEngine(self._plan, self._scripts)
        self.mock = mock = Server(
            self._plan, engine=engine, journal=self.journal, loop=self.loop, clock=time.monotonic
        )
        mock.control = Control(mock, token=self._token)
        ports = {region: Port(("127.0.0.1", 0)) for region in self._plan.provider.regions}
        admin = Port(("127.0.0.1", 0))
        self.ports = {region: port.number for region, port in ports.items()}
        self.admin_port = admin.number
        self.listeners = Listeners(mock, ports, admin)
        await self.listeners.open()
        self._ready.set()
        await mock.stopped.wait()
        await self.listeners.close()
        for port in (*ports.values(), admin):
            port.close()
        mock.cut()
        await mock.connections.ended(PATIENCE)
        assert len(mock.connections) == 0
        assert not failures, failures

    @property
    def process(self) -> int:
        """The id of the process that serves."""
        return os.getpid()

    @property
    def thread(self) -> int:
        """The system's id of the thread that serves."""
        assert self._thread.native_id is not None
        return self._thread.native_id

    def connect(self, region: str | None = None) -> Client:
        """A connected client."""
        port = self.ports[region] if region else next(iter(self.ports.values()))
        return Client(socket.create_connection(("127.0.0.1", port), PATIENCE))

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` on the server's loop; gives its result."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    def row(self, index: int = 0) -> dict[str, Any]:
        """The served row number `index`, once it is written."""
        return self.journal.wait_for(index + 1)[index]


class Client:
    """A raw socket that speaks just enough HTTP."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray()  # bytes would be copied whole with each piece that comes

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.sock.sendall(data)

    def ask(self, **how: Any) -> None:
        """Send one request (see `request_bytes`)."""
        self.send(request_bytes(**how))

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and with `end`."""
        while end not in self.buffer:
            data = self.sock.recv(65_536)
            assert data, f"closed after {self.buffer!r}"
            self.buffer += data
        return self._take(self.buffer.index(end) + len(end))

    def read_exactly(self, count: int) -> bytes:
        """`count` bytes."""
        while len(self.buffer) < count:
            data = self.sock.recv(65_536)
            assert data, f"closed after {self.buffer!r}"
            self.buffer += data
        return self._take(count)

    def read_to_end(self) -> bytes:
        """Everything until the server closes. Raises ConnectionResetError if that is an RST."""
        while data := self.sock.recv(65_536):
            self.buffer += data
        return self._take(len(self.buffer))

    def _take(self, count: int) -> bytes:
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def head(self) -> tuple[int, dict[str, str]]:
        """The next answer's status and headers, names in lower case."""
        return parse_head(self.read_until(b"\r\n\r\n"))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer, whole, by its own framing."""
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            chunks = []
            while size := int(self.read_until(b"\r\n"), 16):
                chunks.append(self.read_exactly(size))
                assert self.read_exactly(2) == b"\r\n"
            body = b"".join(chunks)
            assert self.read_exactly(2) == b"\r\n"
        else:
            body = self.read_exactly(int(headers["content-length"]))
        return status, headers, body


def parse_head(data: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a head's bytes."""
    first, *lines = data.decode().rstrip("\r\n").split("\r\n")
    pairs = [line.partition(": ") for line in lines]
    return int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}


def request_bytes(
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: Any = None,
    headers: dict[str, str] | None = None,
    call: str | None = None,
    stream: bool = False,
    version: str = "1.1",
) -> bytes:
    """A request, by default for a small chat completion."""
    if body is None and method == "POST":
        body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"host": "localhost", "authorization": "Bearer sk-test", "content-type": "application/json"}
    if call is not None:
        fields["x-windtunnel-call"] = call
    fields |= headers or {}
    if "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(payload)))
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode() + payload


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Both event loops: what the mock needs of one it has from the other."""
    return uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop


@pytest.fixture
def serve(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Callable[..., Serving]]:
    """Start servers: `serve(plan, scripts=…, token=…)`; a plan is a dict in the plan's own form."""
    with ExitStack() as stack:

        def start(
            plan: dict[str, Any] | None = None,
            *,
            scripts: Callable[[Ticket], Script | None] | None = None,
            token: str | None = None,
        ) -> Serving:
            checked = Plan.model_validate({"provider": FAST} if plan is None else plan)
            return stack.enter_context(Serving(loop_factory, checked, scripts, token))

        yield start


@pytest.fixture
def ask() -> Callable[..., bytes]:
    """Build the bytes of a request."""
    return request_bytes
