"""A client that speaks HTTP/2 frame by frame, over a real socket to a server in a thread."""

from __future__ import annotations

import json
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
import uvloop

from tests.mock_server.transports.conftest import FAST, Serving
from windtunnel.mock_server.plan.plan import Plan

PATIENCE = 20.0

CHAT = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}


class Http2Client:
    """A connection with prior knowledge. `events` are those of each stream, 0 for the connection's own."""

    def __init__(self, port: int, *, settings: dict[int, int] | None = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        if settings:
            self.h2.local_settings.update(settings)
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.events: dict[int, list[Any]] = defaultdict(list)
        self.acknowledges = True
        self.flush()

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        """Write what h2 has prepared."""
        self.sock.sendall(self.h2.data_to_send())

    def ask(
        self,
        body: Any = CHAT,
        *,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        fields: tuple[tuple[str, str], ...] = (),
        end: bool = True,
    ) -> int:
        """Send a request; returns the number of its stream."""
        stream = self.h2.get_next_available_stream_id()
        payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [
            (":method", method),
            (":authority", "localhost"),
            (":scheme", "http"),
            (":path", path),
            ("authorization", "Bearer sk-test"),
            ("content-type", "application/json"),
            *fields,
        ]
        self.h2.send_headers(stream, head, end_stream=end and not payload)
        if payload:
            self.h2.send_data(stream, payload, end_stream=end)
        self.flush()
        return stream

    def read(self) -> bool:
        """Read once and sort what came; False at the end of the connection."""
        data = self.sock.recv(65_536)
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self.events[getattr(event, "stream_id", 0) or 0].append(event)
            if isinstance(event, h2.events.DataReceived) and self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        return True

    def until(self, stream: int, *kinds: type[h2.events.Event]) -> Any:
        """Read until one of these events has come on a stream, and return it."""
        while True:
            for event in self.events[stream]:
                if isinstance(event, kinds):
                    return event
            assert self.read(), f"closed; came: {dict(self.events)}"

    def answer(self, stream: int) -> tuple[int, dict[str, str], bytes]:
        """The whole answer of a stream."""
        ended = self.until(stream, h2.events.StreamEnded, h2.events.StreamReset)
        assert isinstance(ended, h2.events.StreamEnded), ended
        head = self.until(stream, h2.events.ResponseReceived)
        fields = dict(head.headers)
        return int(fields[":status"]), fields, self.body(stream)

    def body(self, stream: int) -> bytes:
        """What has come of a stream's body."""
        return b"".join([one.data for one in self.events[stream] if isinstance(one, h2.events.DataReceived)])

    def reset_code(self, stream: int) -> h2.errors.ErrorCodes:
        """The code of the RST_STREAM that ends a stream."""
        return self.until(stream, h2.events.StreamReset).error_code


@pytest.fixture(scope="module")
def one_server() -> Iterator[Serving]:
    """A server that all tests of a module talk to."""
    with Serving(uvloop.new_event_loop, Plan.model_validate({"provider": FAST}), None, None) as server:
        yield server


@pytest.fixture
def dial() -> Iterator[Callable[..., Http2Client]]:
    """Connect clients: `dial(server)`, with the client's settings; they are closed at the end."""
    with ExitStack() as stack:

        def connect(server: Any, region: str | None = None, **how: Any) -> Http2Client:
            port = server.ports[region] if region else next(iter(server.ports.values()))
            return stack.enter_context(Http2Client(port, **how))

        yield connect
