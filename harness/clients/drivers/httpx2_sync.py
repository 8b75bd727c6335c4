"""Plain httpx2 in greenlets: what people write who talk to the API without the SDK."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx2

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, ClientsByUrl, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.openai_common import (
    WARM_UP_TIMEOUT_S,
    socket_timeouts,
    transport_arguments,
)
from windtunnel.harness.clients.gevent_patches import undo_gevents_poll
from windtunnel.harness.clients.greenlet_shell import GreenletShell
from windtunnel.harness.clients.reading import JsonAnswer, Reading
from windtunnel.harness.clients.recording.httpx2 import Book, RecordingTransport
from windtunnel.harness.clients.sse import DONE, PATHS, event_of
from windtunnel.harness.plan import API_KEY


class Httpx2Sync:
    """One copy of an application that uses `httpx2.Client`."""

    def __init__(self, setting: Setting) -> None:
        undo_gevents_poll()
        profile = setting.profile
        book = Book(setting)

        def client(base_url: str) -> httpx2.Client:
            return httpx2.Client(
                base_url=base_url,
                headers={"authorization": f"Bearer {API_KEY}"},
                timeout=socket_timeouts(profile.timeouts, httpx2),
                transport=RecordingTransport(
                    httpx2.HTTPTransport(**transport_arguments(profile, httpx2)), book
                ),
            )

        self._clients = ClientsByUrl(client, setting.base_url)
        self._client = self._clients.at(setting.base_url)
        self.call = GreenletShell(setting, book, self._request).call

    def warm_up(self, spec: CallSpec) -> None:
        with contextlib.suppress(httpx2.HTTPError):  # a faulty provider is not what a warm-up looks for
            self._client.post(PATHS[spec.api], json=spec.body, timeout=WARM_UP_TIMEOUT_S)

    def close(self) -> None:
        for client in self._clients.all():
            client.close()

    def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        headers = {CALL_HEADER: spec.call_id}
        path = PATHS[spec.api]
        client = self._clients.at(live.target.base_url)
        if not spec.stream:
            answer = client.post(path, json=spec.body, headers=headers)
            answer.raise_for_status()
            reading.opened = True
            reading.whole(answer.json(object_hook=JsonAnswer))
            live.content()
            return
        with client.stream("POST", path, json=spec.body, headers=headers) as stream:
            if not stream.is_success:
                stream.read()
                stream.raise_for_status()
            reading.opened = True
            for event in _events(stream):
                if reading.take(event):
                    live.content()


def _events(stream: httpx2.Response) -> Iterator[Any]:
    """Every event of a stream, up to `[DONE]`."""
    for line in stream.iter_lines():
        event = event_of(line)
        if event == DONE:
            return
        if event is not None:
            yield event
