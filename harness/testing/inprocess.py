"""The mock without sockets, under a client of httpx or httpx2: a transport, or the route of a respx router.

    client ─► InProcessMock.handle_request ─► mock_server/transports/inprocess ─► an answer of the client's own library

Waits are virtual: a stall of ten minutes takes none, and the request's timeouts end it as they would. What the client
itself sleeps is real, so the mock's time goes on by that as well: it is real time plus what was skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from windtunnel.harness.errors import InputError
from windtunnel.harness.testing.view import NAME, MockOpenAI
from windtunnel.mock_server.journal.columns import SERVED_NAMES
from windtunnel.mock_server.journal.rows import served_row
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess, InProcessExchange

if TYPE_CHECKING:
    import respx

OPENAI = "https://api.openai.com/v1"


class InProcessMock(MockOpenAI):
    """A mock that is a transport for sync and async clients of httpx and httpx2; and a test's view of it.

    `httpx2.Client(transport=mock)`, `httpx.AsyncClient(transport=mock)`. Its requests take turns: one begins when the
    one before it has been read, or has been closed.
    """

    def __init__(self, *, base_url: str = OPENAI, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self.base_url, self.api_key = base_url, "sk-windtunnel-in-process"
        self._begin(self._plan(NAME))

    def handle(self, request: Any) -> Any:
        """Answer a request with a response of its own library, or raise that library's exception.

        It is also what respx takes as a `side_effect`, and httpx's own `MockTransport` as a handler.
        """
        self._go_on()
        try:
            return self._mock.handle(request)
        finally:
            self._looked = time.monotonic()

    # ---- a transport, as httpx and httpx2 have them

    handle_request = handle

    async def handle_async_request(self, request: Any) -> Any:
        """See `handle`."""
        await request.aread()
        return self.handle(request)

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    # ---- the view

    def _go_on(self) -> None:
        """Let the mock's time go on by what has really passed since it was last looked at."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        self._mock.advance(self._mock.now + passed)

    def _begin(self, plan: dict[str, Any]) -> None:
        self._mock = InProcess(self._checked)
        self._looked = time.monotonic()

    def _change(self, plan: dict[str, Any]) -> None:
        self._go_on()
        self._mock.set_plan(self._checked)

    def _rows(self) -> list[dict[str, Any]]:
        self._go_on()
        return [_row(i, exchange, self._mock.now) for i, exchange in enumerate(self._mock.exchanges, 1)]

    def _now_s(self) -> float:
        self._go_on()
        return self._mock.now


def _row(number: int, exchange: InProcessExchange, now: float) -> dict[str, Any]:
    """The served row of a request."""
    player, over_s = exchange.player, exchange.over_s
    ending = None if over_s is None else "left" if exchange.ticket.abandoned else player and player.ending
    as_served: Any = SimpleNamespace(
        ticket=exchange.ticket,
        player=player,
        served_id=f"s{number}",
        requester=SimpleNamespace(connection=SimpleNamespace(connection_id=0)),
        number=number - 1,
        http_version="1.1",
        delivered_s=None,
        ending=ending or (None if over_s is None else "end"),
    )
    row = dict(zip(SERVED_NAMES, served_row(as_served, now if over_s is None else over_s), strict=True))
    if over_s is None:
        row["ended_s"] = None
    elif row["last_byte_s"] is not None:
        row["last_byte_s"] = min(row["last_byte_s"], over_s)
    return row


def transport(*, base_url: str = OPENAI, seed: int = 0) -> InProcessMock:
    """Return a mock that is a transport: `httpx2.Client(transport=windtunnel.testing.transport())`."""
    return InProcessMock(base_url=base_url, seed=seed)


def router(*, base_url: str = OPENAI, seed: int = 0, **options: Any) -> respx.MockRouter:
    """Return a respx router that has everything below `base_url` answered by a mock, `router.mock_openai`.

    It is used as any router of respx: `with windtunnel.testing.router() as router:`, with further routes.
    The openai SDK 3 uses httpx2, which respx does not see: give it `http_client=httpx.Client()`, or use `transport`.
    """
    try:
        import respx
    except ImportError:
        raise InputError("windtunnel.testing.router", hint="needs respx: pip install respx") from None

    mock = InProcessMock(base_url=base_url, seed=seed)
    made: Any = respx.MockRouter(**{"assert_all_called": False, **options})
    made.route(url__startswith=base_url).mock(side_effect=side_effect(mock))
    made.mock_openai = mock
    return made  # type: ignore[no-any-return]  # it is one, with an attribute more


def side_effect(mock: InProcessMock) -> Callable[[Any], Any]:
    """Return what answers respx's requests (a bound method has a signature that respx would look into)."""

    def answer(request: Any) -> Any:
        return mock.handle(request)

    return answer
