"""Small healthy answers, as the API makes them, and what a fault may know of the request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from windtunnel.mock_server.faults import FAULTS, FaultContext
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens

HEADERS = (
    ("content-type", "application/json"),
    ("openai-version", "2020-10-01"),
    ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
)


def chunk(text: str | None, finish: str | None = None) -> bytes:
    """One event of a streamed chat completion."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [choice]}).encode() + b"\n\n"


def event(kind: str, number: int) -> bytes:
    """One event of a streamed response."""
    data = {"type": kind, "sequence_number": number}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def chat() -> Script:
    """A streamed chat completion of three chunks."""
    steps: list[Step] = [Head(200, HEADERS, "chunked"), FirstToken(), Send(chunk("one "), 1, "content")]
    for text in ("two ", "three"):
        steps += (Tokens(4), Send(chunk(text), 4, "content"))
    steps += (Send(chunk(None, "stop")), Send(b"data: [DONE]\n\n", 0, "terminal"), End())
    return Script(tuple(steps))


@pytest.fixture
def responses() -> Script:
    """A streamed response of two chunks."""
    return Script(
        (
            Head(200, HEADERS, "chunked"),
            Send(event("response.created", 0) + event("response.in_progress", 1)),
            FirstToken(),
            Send(event("response.output_text.delta", 2), 1, "content"),
            Tokens(4),
            Send(event("response.output_text.delta", 3), 4, "content"),
            Send(event("response.output_text.done", 4)),
            Send(event("response.completed", 5), 0, "terminal"),
            End(),
        )
    )


@pytest.fixture
def whole() -> Script:
    """An answer in one piece."""
    body = json.dumps({"id": "chatcmpl-1", "choices": [{"message": {"content": "one two three"}}]}).encode()
    return Script((Head(200, HEADERS), FirstToken(), Tokens(8), Send(body, 9, "terminal"), End()))


Play = Callable[..., Script]


@pytest.fixture
def play() -> Play:
    """Apply a fault by name: `play("stall", script, api="chat", stream=True, seconds="5s")`."""

    def apply(
        name: str,
        script: Script,
        *,
        api: str = "chat",
        stream: bool = True,
        created: float = 0.0,
        **params: Any,
    ) -> Script:
        kind = FAULTS[name]
        ctx = FaultContext(api=api, model="gpt-4.1", stream=stream, headers=HEADERS, created=created)
        return kind.apply(script, kind.params.model_validate(params), ctx)

    return apply
