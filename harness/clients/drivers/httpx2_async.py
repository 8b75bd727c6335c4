"""Plain httpx2 on the process's one loop: what people write who talk to the API without the SDK."""

from __future__ import annotations

import contextlib

import httpx2

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, ClientsByUrl, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.openai_common import (
    WARM_UP_TIMEOUT_S,
    socket_timeouts,
    transport_arguments,
)
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll
from windtunnel.harness.clients.loop_shell import LoopShell
from windtunnel.harness.clients.reading import JsonAnswer, Reading
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book
from windtunnel.harness.clients.sse import DONE, PATHS, event_of
from windtunnel.harness.plan import API_KEY


class Httpx2Async:
    """One copy of an application that uses `httpx2.AsyncClient`."""

    def __init__(self, setting: Setting) -> None:
        undo_gevents_poll()
        profile = setting.profile
        book = Book(setting)

        def client(base_url: str) -> httpx2.AsyncClient:
            return httpx2.AsyncClient(
                base_url=base_url,
                headers={"authorization": f"Bearer {API_KEY}"},
                timeout=socket_timeouts(profile.timeouts, httpx2),
                transport=AsyncRecordingTransport(
                    httpx2.AsyncHTTPTransport(**transport_arguments(profile, httpx2)), book
                ),
            )

        self._clients = ClientsByUrl(client, setting.base_url)
        self._client = self._clients.at(setting.base_url)
        self.call = LoopShell(setting, book, self._request).call

    async def warm_up(self, spec: CallSpec) -> None:
        with contextlib.suppress(httpx2.HTTPError):  # a faulty provider is not what a warm-up looks for
            await self._client.post(PATHS[spec.api], json=spec.body, timeout=WARM_UP_TIMEOUT_S)

    async def close(self) -> None:
        for client in self._clients.all():
            await client.aclose()

    async def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        headers = {CALL_HEADER: spec.call_id}
        path = PATHS[spec.api]
        client = self._clients.at(live.target.base_url)
        if not spec.stream:
            answer = await client.post(path, json=spec.body, headers=headers)
            answer.raise_for_status()
            reading.opened = True
            reading.whole(answer.json(object_hook=JsonAnswer))
            live.content()
            return
        async with client.stream("POST", path, json=spec.body, headers=headers) as stream:
            if not stream.is_success:
                await stream.aread()
                stream.raise_for_status()
            reading.opened = True
            async for line in stream.aiter_lines():
                event = event_of(line)
                if event == DONE:
                    return
                if event is not None and reading.take(event):
                    live.content()
