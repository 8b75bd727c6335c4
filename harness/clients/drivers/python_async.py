"""Any async function of a user's own: `driver: python`, `target: package.module:function`.

Its attempts are recorded where they go through the clients that its `UserCall` hands it, or through clients of httpx,
httpx2, aiohttp or `http.client` that it builds itself (`recording/own_clients.py`). What it sends in other ways is seen
by the server alone: then the table of attempts has no row of it, and metrics that need one are absent.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any

import aiohttp
import httpx2

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.aiohttp_async import session_for
from windtunnel.harness.clients.drivers.openai_common import WARM_UP_TIMEOUT_S, limits, socket_timeouts
from windtunnel.harness.clients.drivers.python_call import AnswerTypeError, read_answer
from windtunnel.harness.clients.drivers.python_common import OwnApplication, close_kept
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll, undo_gevents_sockets
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.loop_shell import LoopShell
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book
from windtunnel.harness.clients.recording.own_clients import asking
from windtunnel.harness.inputs.lifetime import SetupError


class PythonAsync:
    """One copy of an application that is the user's own."""

    def __init__(self, setting: Setting) -> None:
        self._application = OwnApplication(setting)
        undo_gevents_poll()
        undo_gevents_sockets()
        self._setting = setting
        self._book = book = Book(setting)
        self._tools = RecordedTools(setting, book)
        self._opening: asyncio.Future[None] | None = None
        self.call = LoopShell(setting, book, self._request).call

    async def warm_up(self, spec: CallSpec) -> None:
        application = self._application
        try:
            await self._open()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WARM_UP_TIMEOUT_S):
                    returned = await read_answer(await self._asked(spec, None), spec.api, lambda: None)
                    application.look_at(returned, spec.api)
        except (SetupError, AnswerTypeError) as error:
            application.refuse(error)
        except Exception:  # noqa: BLE001  # a faulty provider is not what a warm-up looks for
            return

    async def close(self) -> None:
        await self._tools.close()
        await self._application.lifetime.close_async()

    async def _open(self) -> None:
        """Set up, once; whoever comes meanwhile waits."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(
                self._application.lifetime.open_async(self._application.given)
            )
        await asyncio.shield(self._opening)

    async def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        before = live.attempt
        live.keeps = True
        live.asked()
        try:
            with asking(self._book, spec.call_id, self._application.servers):
                answer = await self._asked(spec, live)
                strict = self._setting.profile.returns == "message"
                returned = await read_answer(answer, spec.api, live.content, strict=strict)
            self._application.delivered(returned, live, reading)
        except Exception as error:
            self._application.failed(error, live, before, reading)
            raise

    async def _asked(self, spec: CallSpec, live: LiveTry | None) -> Any:
        if self._opening is None or not self._opening.done():
            await self._open()
        answer = self._application.ask(spec, self._tools, live)
        return await answer if inspect.isawaitable(answer) else answer


class RecordedTools:
    """HTTP clients of one instance that record; made when first asked for."""

    def __init__(self, setting: Setting, book: Book) -> None:
        self.kept: dict[str, Any] = {}
        self._setting = setting
        self._book = book
        self._client: Any = None
        self._session: aiohttp.ClientSession | None = None

    def http_client(self) -> Any:
        if self._client is None:
            profile = self._setting.profile
            transport = self.recorded(sdk_http.AsyncHTTPTransport(limits=limits(profile.pool)))
            self._client = sdk_http.AsyncClient(
                transport=transport, timeout=socket_timeouts(profile.timeouts), follow_redirects=True
            )
        return self._client

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = session_for(self._setting, self._book)
        return self._session

    def recorded(self, transport: Any) -> httpx2.AsyncBaseTransport:
        return AsyncRecordingTransport(transport, self._book)

    async def close(self) -> None:
        """Close what was made here, and what the callable kept if it has a way to be closed."""
        for close in close_kept(self.kept, ("aclose", "close")):
            closed = close()
            if inspect.isawaitable(closed):
                await closed
        if self._client is not None:
            await self._client.aclose()
        if self._session is not None:
            await self._session.close()
