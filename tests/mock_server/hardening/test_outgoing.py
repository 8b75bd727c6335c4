"""What goes out is bounded: for each answer, and for all under way together. It is known before an answer is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.mock_server.transports.conftest import FAST
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import Send
from windtunnel.mock_server.transports import exchange, limits

HEADERS = {"authorization": "Bearer sk-test", "content-type": "application/json"}
FORM = {**HEADERS, "content-type": "multipart/form-data; boundary=b"}

SMALL = {
    **dict.fromkeys(
        ("chat.delete", "responses.delete", "conversations.delete", "files.delete", "models.delete"),
        "says that something is gone",
    ),
    **dict.fromkeys(
        ("conversations.create", "conversations.get", "conversations.update", "conversations.items.delete"),
        "a conversation without its items",
    ),
    **dict.fromkeys(
        ("uploads.create", "uploads.parts.create", "uploads.complete", "uploads.cancel"), "an upload's name"
    ),
    **dict.fromkeys(("files.create", "files.retrieve"), "a file's name and purpose"),
    **dict.fromkeys(("batches.create", "batches.retrieve", "batches.cancel"), "one batch"),
    **dict.fromkeys(("models.list", "models.get"), "names of models, of which a plan has at most 1,000"),
    "conversations.items.create": "repeats its own request, which counts as one under way",
    "responses.cancel": "a response without output",
    "responses.compact": "one item",
    "responses.input_tokens": "a number",
}
"""Endpoints whose answers are not counted, and why they are never large."""


def test_every_endpoint_is_counted_or_small() -> None:
    """Who adds an endpoint says how large its answers are."""
    counted = {endpoint.name for endpoint in ENDPOINTS.values() if endpoint.outgoing is not None}
    assert counted | SMALL.keys() == ENDPOINTS.keys()
    assert not counted & SMALL.keys()


HI = [{"role": "user", "content": "hi"}]
LOGPROBS = {"logprobs": True, "top_logprobs": 20}
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"model": "m", "messages": HI, "n": 50}),
    ("/v1/chat/completions", {"model": "m", "messages": HI, "n": 50, "stream": True}),
    ("/v1/chat/completions", {"model": "m", "messages": HI, "n": 9, "verbosity": "high"}),
    ("/v1/chat/completions", {"model": "m", "messages": HI, "n": 9, **LOGPROBS}),
    ("/v1/chat/completions", {"model": "m", "messages": HI, "n": 9, **LOGPROBS, "stream": True}),
    (
        "/v1/chat/completions",
        {
            "model": "m",
            "messages": HI,
            "modalities": ["text", "audio"],
            "audio": {"voice": "a", "format": "wav"},
        },
    ),
    ("/v1/completions", {"model": "m", "prompt": ["a"] * 40, "max_tokens": 900}),
    ("/v1/completions", {"model": "m", "prompt": ["a"] * 40, "max_tokens": 900, "logprobs": 5}),
    (
        "/v1/completions",
        {"model": "m", "prompt": ["a"] * 40, "max_tokens": 900, "logprobs": 5, "stream": True},
    ),
    ("/v1/completions", {"model": "m", "prompt": "word " * 9_000, "n": 3, "echo": True, "logprobs": 0}),
    ("/v1/embeddings", {"model": "text-embedding-3-large", "input": ["a"] * 40}),
    ("/v1/embeddings", {"model": "m", "input": ["a"] * 40, "encoding_format": "base64"}),
    ("/v1/moderations", {"input": ["kill"] * 300}),
    ("/v1/images/generations", {"model": "gpt-image-2", "prompt": "x", "n": 10, "size": "3840x2160"}),
    (
        "/v1/images/generations",
        {"model": "gpt-image-2", "prompt": "x", "n": 3, "size": "3840x2160", "output_format": "jpeg"},
    ),
    (
        "/v1/audio/speech",
        {"model": "tts-1", "voice": "alloy", "input": "x" * 4_000, "response_format": "wav"},
    ),
    (
        "/v1/audio/speech",
        {
            "model": "m",
            "voice": "alloy",
            "input": "x" * 4_000,
            "response_format": "wav",
            "stream_format": "sse",
        },
    ),
    ("/v1/responses", {"model": "m", "input": "x"}),
    ("/v1/responses", {"model": "m", "input": "x", "stream": True}),
    (
        "/v1/responses",
        {
            "model": "m",
            "input": "x",
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 20,
            "stream": True,
        },
    ),
]


@pytest.mark.parametrize(("path", "body"), ANSWERS)
def test_the_estimate_is_not_below_what_goes_out(path: str, body: dict[str, Any]) -> None:
    """It may be above, but it is no guess."""
    engine = Engine(Plan.model_validate({"provider": {"answer": {**FAST["answer"], "tokens": 800}}}))
    request = parse("POST", path, HEADERS, orjson.dumps(body), region="local")
    ticket = engine.identify(request, 0.0)
    estimate = engine.outgoing(ticket, 0.0)
    engine.admit(ticket, 0.0)
    assert ticket.state == "granted", request.problem
    script = engine.start(ticket, 0.0)
    size = sum([len(step.data) for step in script.steps if isinstance(step, Send)])
    assert size <= estimate
    assert estimate < 60 * size


def upload(data: bytes) -> bytes:
    """The form of a file that can be read again."""
    return (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        + data
        + b"\r\n--b--\r\n"
    )


def stored(client: Any) -> dict[str, str]:
    """Store something of every kind; gives the paths of what can be read again."""

    def made(path: str, body: bytes, headers: dict[str, str] | None = None) -> str:
        client.ask(path=path, body=body, headers=headers)
        found: str = orjson.loads(client.answer()[2])["id"]
        return found

    long = "x" * 200_000
    items = {"items": [{"type": "message", "role": "user", "content": long}]}
    file = made("/v1/files", upload(b"x" * 200_000), {"content-type": FORM["content-type"]})
    chat = made(
        "/v1/chat/completions",
        orjson.dumps({"model": "m", "store": True, "messages": [{"role": "user", "content": long}]}),
    )
    response = made("/v1/responses", orjson.dumps({"model": "m", "input": long}))
    conversation = made("/v1/conversations", orjson.dumps(items))
    return {
        "content": f"/v1/files/{file}/content",
        "messages": f"/v1/chat/completions/{chat}/messages",
        "completions": "/v1/chat/completions",
        "input items": f"/v1/responses/{response}/input_items",
        "conversation": f"/v1/conversations/{conversation}/items",
    }


def test_an_answer_that_is_too_large_is_refused(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an overloaded provider: a 503, before anything is made. Others are served."""
    server = serve({"provider": {"answer": {**FAST["answer"], "tokens": 800}}})
    with server.connect() as client:
        paths = stored(client)
    requests: dict[str, dict[str, Any]] = {
        name: {"method": "GET", "path": path, "body": b""} for name, path in paths.items()
    }
    for number, (path, body) in enumerate(ANSWERS):
        requests[f"answer {number}"] = {"path": path, "body": orjson.dumps(body)}
    monkeypatch.setattr(exchange, "MAX_ANSWER", 20_000)
    for name, how in requests.items():
        with server.connect() as client:
            client.ask(**how)
            assert client.answer()[0] == 503, name
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    assert server.call(lambda: server.mock.incoming.held) == 0


def test_contents_count_while_they_go_out(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not read on hold what they were promised; who comes when there is no room gets a 503."""
    server = serve()
    size = 20 * 2**20
    with server.connect() as client:
        client.ask(path="/v1/files", body=upload(b"x" * size), headers={"content-type": FORM["content-type"]})
        path = f"/v1/files/{orjson.loads(client.answer()[2])['id']}/content"
    monkeypatch.setattr(limits, "MAX_HELD", 2 * size + 100_000)
    with server.connect() as one, server.connect() as two, server.connect() as three:
        for client in (one, two):
            client.ask(method="GET", path=path, body=b"")
            assert client.head()[0] == 200
        three.ask(method="GET", path=path, body=b"")
        assert three.answer()[0] == 503
        assert server.call(lambda: server.mock.incoming.held) >= 2 * size
        for client in (one, two):
            assert len(client.read_exactly(size)) == size
    server.journal.wait_for(4)
    assert server.call(lambda: server.mock.incoming.held) == 0
