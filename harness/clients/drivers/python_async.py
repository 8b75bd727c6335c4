"""Any async callable of a user's own: `driver: python`, `target: package.module:function`.

Its attempts are recorded where they go through the clients that its `UserCall` hands it, or through clients of httpx,
httpx2 or aiohttp that it builds itself (`recording/own_clients.py`). What it sends in other ways is seen by the server
alone: then the table of attempts has no row of it, and metrics that need one are absent.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import platform
from typing import Any

import aiohttp
import httpx2

from windtunnel.harness.clients.base import API_KEY, CALL_HEADER, CallSpec, Setting
from windtunnel.harness.clients.call import LiveCall
from windtunnel.harness.clients.drivers.aiohttp_async import session_for
from windtunnel.harness.clients.drivers.openai_common import WARM_UP_TIMEOUT_S, limits, socket_timeouts
from windtunnel.harness.clients.drivers.python_call import UserCall, compare, read_answer
from windtunnel.harness.clients.error_text import place_of
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll, undo_gevents_sockets
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.loop_shell import LoopShell
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book
from windtunnel.harness.clients.recording.own_clients import asking, watch_own_clients
from windtunnel.harness.inputs.target import arguments_of, in_environment, load_target

REDIRECTED = 300
"""Below it, an answer has begun to be handed to the callable."""


class PythonAsync:
    """One copy of an application that is the user's own."""

    def __init__(self, setting: Setting) -> None:
        profile = setting.profile
        assert profile.target is not None  # a profile with this driver has one
        platform.platform()  # looked up and kept now, as an SDK may ask for it on the loop
        watch_own_clients()
        # Before its module is imported: it may build a client then.
        os.environ.update(in_environment(setting.base_url, API_KEY))
        self._target = load_target(profile.target, profile.target_folders)
        self._arguments = arguments_of(self._target)
        undo_gevents_poll()
        undo_gevents_sockets()
        self._setting = setting
        self._book = book = Book(setting)
        self._tools = RecordedTools(setting, book)
        self.call = LoopShell(setting, book, self._request).call

    async def warm_up(self, spec: CallSpec) -> None:
        with contextlib.suppress(Exception):  # a faulty provider is not what a warm-up looks for
            async with asyncio.timeout(WARM_UP_TIMEOUT_S):
                await read_answer(await self._asked(spec, {}), spec.api, lambda: None)

    async def close(self) -> None:
        await self._tools.close()

    async def _request(self, spec: CallSpec, live: LiveCall, reading: Reading) -> None:
        before = live.attempt
        live.keeps = True
        live.asked()
        try:
            with asking(self._book, spec.call_id, self._setting.base_url):
                answer = await self._asked(spec, {CALL_HEADER: spec.call_id})
                strict = self._setting.profile.returns == "message"
                returned = await read_answer(answer, spec.api, live.content, strict=strict)
            handed = live.handed
            if handed is not None:
                live.attempt = handed.row  # the answer that counts, if others were begun beside it
            compare(
                returned,
                None if handed is None else handed.read(spec.api),
                self._setting.profile.returns,
                spec.api,
                reading,
            )
        except Exception as error:
            live.place = place_of(error, self._setting.profile.target_folders)
            attempt = live.attempt
            if attempt is not None and attempt is not before and attempt.status is not None:
                reading.opened = reading.opened or attempt.status < REDIRECTED
            raise

    async def _asked(self, spec: CallSpec, headers: dict[str, str]) -> Any:
        call = UserCall(
            call_id=spec.call_id,
            api=spec.api,
            stream=spec.stream,
            body=dict(spec.body),
            base_url=self._setting.base_url,
            api_key=API_KEY,
            headers=headers,
            tools=self._tools,
        )
        asked = self._arguments
        named = {name: call.argument(what) for name, what in asked.by_name}
        answer = self._target(*map(call.argument, asked.by_position), **named)
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
        for kept in self.kept.values():
            close = getattr(kept, "aclose", None) or getattr(kept, "close", None)
            if callable(close):
                closed = close()
                if inspect.isawaitable(closed):
                    await closed
        if self._client is not None:
            await self._client.aclose()
        if self._session is not None:
            await self._session.close()
