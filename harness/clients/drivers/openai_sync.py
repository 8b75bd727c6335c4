"""The official SDK's blocking client, in greenlets: one client for each instance, shared by all of its calls."""

from __future__ import annotations

import contextlib
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
from windtunnel.harness.clients.greenlet_shell import GreenletShell
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book, RecordingTransport


def _creators(client: openai.OpenAI) -> dict[str, Callable[..., Any]]:
    return {
        "chat": client.chat.completions.create,
        "responses": client.responses.create,
        "embeddings": client.embeddings.create,
    }


class OpenAISync:
    """One copy of an application that uses `OpenAI(...)`."""

    def __init__(self, setting: Setting) -> None:
        undo_gevents_poll()
        book = Book(setting)

        def client(base_url: str) -> tuple[openai.OpenAI, dict[str, Callable[..., Any]]]:
            inner = sdk_http.HTTPTransport(**transport_arguments(setting.profile))
            http_client = openai.DefaultHttpxClient(transport=RecordingTransport(inner, book))
            made = openai.OpenAI(http_client=http_client, **client_arguments(setting, base_url))
            return made, _creators(made)

        self._clients = ClientsByUrl(client, setting.base_url)
        self._client = self._clients.at(setting.base_url)[0]
        self.call = GreenletShell(setting, book, self._request).call

    def warm_up(self, spec: CallSpec) -> None:
        once = self._client.with_options(max_retries=0, timeout=WARM_UP_TIMEOUT_S)
        with contextlib.suppress(Exception):  # a faulty provider is not what a warm-up looks for
            answer = _creators(once)[spec.api](**body_arguments(spec.body))
            if spec.stream:
                with answer:
                    for _ in answer:
                        pass

    def close(self) -> None:
        for client, _ in self._clients.all():
            client.close()

    def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        answer = self._clients.at(live.target.base_url)[1][spec.api](**call_arguments(spec))
        reading.opened = True
        if not spec.stream:
            reading.whole(answer)
            live.content()
            return
        with answer:
            for event in answer:
                if reading.take(event):
                    live.content()
