"""The official SDK's async client, on the process's one loop: one client for each instance."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from typing import Any

import openai

from windtunnel.harness.clients.base import CallSpec, ClientsByUrl, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.openai_common import (
    WARM_UP_TIMEOUT_S,
    body_arguments,
    call_arguments,
    client_arguments,
    transport_arguments,
)
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.loop_shell import LoopShell
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book


def _creators(client: openai.AsyncOpenAI) -> dict[str, Callable[..., Any]]:
    return {
        "chat": client.chat.completions.create,
        "responses": client.responses.create,
        "embeddings": client.embeddings.create,
    }


class OpenAIAsync:
    """One copy of an application that uses `AsyncOpenAI(...)`."""

    def __init__(self, setting: Setting) -> None:
        undo_gevents_poll()
        platform.platform()  # looked up and kept now, so that the SDK's first call on the loop finds it ready
        book = Book(setting)

        def client(base_url: str) -> tuple[openai.AsyncOpenAI, dict[str, Callable[..., Any]]]:
            http_client = self._http_client(setting, book)
            made = openai.AsyncOpenAI(http_client=http_client, **client_arguments(setting, base_url))
            return made, _creators(made)

        self._clients = ClientsByUrl(client, setting.base_url)
        self._client = self._clients.at(setting.base_url)[0]
        self.call = LoopShell(setting, book, self._request).call

    def _http_client(self, setting: Setting, book: Book) -> Any:
        """Make the `AsyncClient`, of the SDK's own library, that requests are sent with."""
        inner = sdk_http.AsyncHTTPTransport(**transport_arguments(setting.profile))
        return openai.DefaultAsyncHttpxClient(transport=AsyncRecordingTransport(inner, book))

    async def warm_up(self, spec: CallSpec) -> None:
        once = self._client.with_options(max_retries=0, timeout=WARM_UP_TIMEOUT_S)
        with contextlib.suppress(Exception):  # a faulty provider is not what a warm-up looks for
            answer = await _creators(once)[spec.api](**body_arguments(spec.body))
            if spec.stream:
                async with answer:
                    async for _ in answer:
                        pass

    async def close(self) -> None:
        for client, _ in self._clients.all():
            await client.close()

    async def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        answer = await self._clients.at(live.target.base_url)[1][spec.api](**call_arguments(spec))
        reading.opened = True
        if not spec.stream:
            reading.whole(answer)
            live.content()
            return
        async with answer:
            async for event in answer:
                if reading.take(event):
                    live.content()
