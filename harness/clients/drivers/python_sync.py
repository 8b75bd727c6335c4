"""Any plain function of a user's own: it blocks, in a greenlet of its own for each call.

In real time gevent has patched sockets, locks and sleeps, so it blocks nobody else. On the virtual clock it blocks on
the virtual network; what cannot be there (a thread, a real socket) ends the cell with its place.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any, NoReturn

from greenlet import getcurrent

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.openai_common import WARM_UP_TIMEOUT_S, limits, socket_timeouts
from windtunnel.harness.clients.drivers.python_call import AnswerTypeError, read_plain_answer
from windtunnel.harness.clients.drivers.python_common import OwnApplication, close_kept
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll
from windtunnel.harness.clients.greenlet_shell import GreenletShell
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book, RecordingTransport
from windtunnel.harness.clients.recording.own_clients import asking
from windtunnel.harness.inputs.lifetime import SetupError

LOOK_AGAIN_S = 0.01
"""How often a call looks whether the set-up, which another one began, is over."""

_in_greenlet: ContextVar[bool] = ContextVar("windtunnel_in_greenlet", default=False)


class PythonSync:
    """One copy of an application that is the user's own, and blocks."""

    def __init__(self, setting: Setting) -> None:
        refuse_loops()  # before its module is imported, which may take `run` from asyncio by name
        self._application = OwnApplication(setting)
        undo_gevents_poll()
        self._setting = setting
        self._book = book = Book(setting)
        self._tools = BlockingTools(setting, book)
        self._opened: bool | None = None
        self.call = GreenletShell(setting, book, self._request).call

    def warm_up(self, spec: CallSpec) -> None:
        application, here = self._application, getcurrent()
        try:
            self._open()
        except SetupError as error:
            application.refuse(error)
        timer = self._setting.waiting.alarm(WARM_UP_TIMEOUT_S, lambda: here.throw(TimeoutError()))
        try:
            with in_greenlet():
                answer = application.ask(spec, self._tools, None)
                returned = read_plain_answer(answer, spec.api, lambda: None)
            application.look_at(returned, spec.api)
        except AnswerTypeError as error:
            application.refuse(error)
        except Exception:  # noqa: BLE001  # a faulty provider is not what a warm-up looks for
            return
        finally:
            timer.close()

    def close(self) -> None:
        self._tools.close()
        self._application.lifetime.close()

    def _open(self) -> None:
        """Set up, once; whoever comes meanwhile waits."""
        while self._opened is False:
            self._setting.waiting.sleep(LOOK_AGAIN_S)
        if self._opened is None:
            self._opened = False
            try:
                self._application.lifetime.open(self._application.given)
            finally:
                self._opened = True

    def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        before = live.attempt
        live.keeps = True
        live.asked()
        try:
            self._open()
            with in_greenlet(), asking(self._book, spec.call_id, self._application.servers):
                answer = self._application.ask(spec, self._tools, live)
                strict = self._setting.profile.returns == "message"
                returned = read_plain_answer(answer, spec.api, live.content, strict=strict)
            self._application.delivered(returned, live, reading)
        except Exception as error:
            self._application.failed(error, live, before, reading)
            raise


class BlockingTools:
    """Blocking HTTP clients of one instance that record; made when first asked for."""

    def __init__(self, setting: Setting, book: Book) -> None:
        self.kept: dict[str, Any] = {}
        self._setting = setting
        self._book = book
        self._client: Any = None
        self._session: Any = None

    def http_client(self) -> Any:
        if self._client is None:
            profile = self._setting.profile
            transport = self.recorded(sdk_http.HTTPTransport(limits=limits(profile.pool)))
            self._client = sdk_http.Client(
                transport=transport, timeout=socket_timeouts(profile.timeouts), follow_redirects=True
            )
        return self._client

    def session(self) -> Any:
        """A session of requests: what it sends is recorded like that of any other one."""
        if self._session is None:
            import requests

            self._session = requests.Session()
        return self._session

    def recorded(self, transport: Any) -> RecordingTransport:
        return RecordingTransport(transport, self._book)

    def close(self) -> None:
        """Close what was made here, and what the callable kept if it has a way to be closed."""
        for close in close_kept(self.kept, ("close",)):
            close()
        for one in (self._client, self._session):
            if one is not None:
                one.close()


@contextmanager
def in_greenlet() -> Iterator[None]:
    """A plain function runs here, in a greenlet beside others."""
    token = _in_greenlet.set(True)
    try:
        yield
    finally:
        _in_greenlet.reset(token)


@cache
def refuse_loops() -> None:
    """Let `asyncio.run` raise AnswerTypeError in a plain function: its loop would stop all other greenlets, or fail."""
    original = asyncio.run

    @wraps(original)
    def run(main: Any, **named: Any) -> Any:
        if _in_greenlet.get():
            _refuse(main)
        return original(main, **named)

    asyncio.run = run


def _refuse(coro: Any) -> NoReturn:
    if inspect.iscoroutine(coro):
        coro.close()
    raise AnswerTypeError("is a plain function and calls asyncio.run", "`async def`, with `await` in it")
