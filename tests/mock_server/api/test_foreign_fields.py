"""Bodies with fields of other servers, refused as OpenAI refuses them, or taken without them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.mock_server.scripts import body_of
from windtunnel.mock_server.api.foreign_fields import MOST_FIELDS
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.request import Request

USER = [{"role": "user", "content": "x"}]
CHAT: dict[str, Any] = {"model": "m", "messages": USER}
VLLM: dict[str, Any] = {
    "ignore_eos": True,
    "min_tokens": 5,
    "top_k": 20,
    "repetition_penalty": 1.1,
    "stop_token_ids": [1, 2],
    "chat_template_kwargs": {"enable_thinking": False},
    "stream_options.odd": 1,
}


def read(path: str, body: dict[str, Any], *, accept: bool) -> Request:
    headers = {"authorization": "Bearer sk-x", "content-type": "application/json"}
    return parse("POST", path, headers, orjson.dumps(body), region="local", unknown_fields=accept)


def message(request: Request) -> str:
    """What is wrong with it."""
    assert request.problem is not None
    said: str = orjson.loads(body_of(request.problem))["error"]["message"]
    return said


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/completions", {"model": "m", "prompt": "x"}),
        ("/v1/responses", {"model": "m", "input": "x"}),
        ("/v1/embeddings", {"model": "m", "input": "x"}),
        ("/v1/moderations", {"input": "x"}),
        ("/v1/audio/speech", {"model": "tts-1", "input": "x", "voice": "alloy"}),
        ("/v1/images/generations", {"prompt": "x"}),
    ],
)
def test_fields_of_others_are_refused_or_left_out(path: str, body: dict[str, Any]) -> None:
    """By default they are a 400; where they are accepted the request is what it was without them."""
    assert "arameter" in message(read(path, {**body, **VLLM}, accept=False))
    accepted = read(path, {**body, **VLLM}, accept=True)
    assert accepted.problem is None
    assert accepted.body == read(path, body, accept=False).body


def test_what_a_load_generator_for_a_vllm_sends_is_taken() -> None:
    """Both limits of the output, a foreign option of streams, and no end of the text."""
    more = {
        "max_tokens": 9,
        "max_completion_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "ignore_eos": True,
        "stop": None,
    }
    accepted = read("/v1/chat/completions", {**CHAT, **more}, accept=True)
    assert accepted.problem is None
    assert accepted.max_tokens == 7
    assert accepted.body["stream_options"] == {"include_usage": True}


def test_what_is_wrong_otherwise_is_refused_all_the_same() -> None:
    """A wrong value, and a missing field, are errors behind foreign fields too; and too many are too many."""
    wrong = {**CHAT, **VLLM, "temperature": 9}
    assert "temperature" in message(read("/v1/chat/completions", wrong, accept=True))
    assert "messages" in message(read("/v1/chat/completions", {"model": "m", **VLLM}, accept=True))
    many = {f"f{n}": n for n in range(MOST_FIELDS + 1)}
    assert "Unknown parameter" in message(read("/v1/chat/completions", {**CHAT, **many}, accept=True))
