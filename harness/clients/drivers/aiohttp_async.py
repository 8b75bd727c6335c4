"""Plain aiohttp: `ClientSession.post`, as people write it by hand who talk to the API without the SDK."""

from __future__ import annotations

import contextlib
import json
from functools import partial

import aiohttp

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.openai_common import WARM_UP_TIMEOUT_S
from windtunnel.harness.clients.gevent_patches import undo_gevents_sockets
from windtunnel.harness.clients.loop_shell import LoopShell
from windtunnel.harness.clients.reading import JsonAnswer, Reading
from windtunnel.harness.clients.recording.aiohttp import recording_session
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.clients.sse import DONE, PATHS, event_of
from windtunnel.harness.inputs.profile import Pool, Profile
from windtunnel.harness.plan import API_KEY

LOADS = partial(json.loads, object_hook=JsonAnswer)
REFUSED = 400


class AiohttpAsync:
    """One copy of an application that uses `aiohttp.ClientSession`."""

    def __init__(self, setting: Setting) -> None:
        undo_gevents_sockets()
        book = Book(setting)
        self._session = session_for(setting, book)
        self._url = setting.base_url
        self.call = LoopShell(setting, book, self._request).call

    async def warm_up(self, spec: CallSpec) -> None:
        limit = aiohttp.ClientTimeout(total=WARM_UP_TIMEOUT_S)
        url = self._url + PATHS[spec.api]
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # not what a warm-up looks for
            async with self._session.post(url, json=spec.body, timeout=limit) as answer:
                await answer.read()

    async def close(self) -> None:
        await self._session.close()

    async def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        headers = {CALL_HEADER: spec.call_id}
        url = live.target.base_url + PATHS[spec.api]
        async with self._session.post(url, json=spec.body, headers=headers) as answer:
            if answer.status >= REFUSED:
                await answer.read()  # so that the connection can be used again
                answer.raise_for_status()
            reading.opened = True
            if not spec.stream:
                reading.whole(await answer.json(loads=LOADS))
                live.content()
                return
            async for line in answer.content:
                event = event_of(line.decode())
                if event == DONE:
                    return
                if event is not None and reading.take(event):
                    live.content()


def session_for(setting: Setting, book: Book) -> aiohttp.ClientSession:
    """A recording session with the profile's timeouts and pool, and the API's key."""
    profile = setting.profile
    return recording_session(
        book,
        connector(profile.pool),
        timeout=client_timeout(profile),
        headers={"authorization": f"Bearer {API_KEY}"},
    )


def connector(pool: Pool) -> aiohttp.TCPConnector:
    """A connector of the pool's size; what is not given has no limit. aiohttp keeps every connection."""
    return aiohttp.TCPConnector(limit=pool.connections or 0, keepalive_timeout=pool.expiry)


def client_timeout(profile: Profile) -> aiohttp.ClientTimeout:
    """aiohttp's own timeouts: its `connect` is the wait for the pool and connecting together."""
    timeouts = profile.timeouts
    return aiohttp.ClientTimeout(
        total=profile.sdk.get("timeout"),
        connect=timeouts.pool,
        sock_connect=timeouts.connect,
        sock_read=timeouts.read,
    )
