"""Answers cut by the request's own limit: the cut is the truth, and a client that reads all of it has the truth."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.mock_server.api.sdk_clients import in_process, sdk
from windtunnel.harness.clients.reading import ChatReading, Reading, ResponseReading
from windtunnel.mock_server.api.truth import digest

USER: Any = [{"role": "user", "content": "Speak."}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "minLength": 200}}, "required": ["a"]}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
TOOL: Any = {"type": "function", "function": {"name": "t", "parameters": SCHEMA}}


def read(client: openai.OpenAI, api: str, *, stream: bool, **body: Any) -> Reading:
    """What an application has in hand."""
    reading: Reading = ChatReading() if api == "chat" else ResponseReading()
    answer: Any
    if api == "chat":
        answer = client.chat.completions.create(model="m", messages=USER, stream=stream, **body)
    else:
        answer = client.responses.create(model="m", input="Speak.", stream=stream, **body)
    if not stream:
        reading.whole(answer)
        return reading
    for event in answer:
        reading.take(event)
    return reading


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", {"max_tokens": 5}),
        ("chat", {"max_completion_tokens": 1}),
        ("chat", {"max_tokens": 5, "n": 3}),
        ("chat", {"max_tokens": 5, "response_format": FORM}),
        ("chat", {"max_tokens": 5, "tools": [TOOL], "tool_choice": "required"}),
        ("responses", {"max_output_tokens": 16, "reasoning": {"effort": "low"}}),
        ("responses", {"max_output_tokens": 16}),
    ],
)
def test_the_truth_of_a_cut_answer_is_what_was_sent(api: str, body: dict[str, Any], stream: bool) -> None:
    """The digest of what a client reads is that of the server, finish reason `length` and all, whole or streamed."""
    mock = in_process(answer={"first_token": "1ms", "tokens": 60, "tokens_per_second": 1000.0})
    with sdk(mock) as client:
        reading = read(client, api, stream=stream, **body)
    (ticket,) = mock.tickets
    assert reading.finish_reason == "length"
    assert reading.declared_incomplete
    assert digest(reading.choices()) == ticket.truth_digest
    limit = next(value for name, value in body.items() if name.startswith("max_"))
    assert ticket.tokens_planned == limit * body.get("n", 1)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_limit_that_is_not_reached_cuts_nothing(api: str) -> None:
    """An answer of exactly as many tokens as are allowed is whole, and says so."""
    mock = in_process(answer={"first_token": "1ms", "tokens": 60, "tokens_per_second": 1000.0})
    body = {"max_tokens" if api == "chat" else "max_output_tokens": 60}
    with sdk(mock) as client:
        reading = read(client, api, stream=True, **body)
    assert reading.finish_reason == "stop"
    assert digest(reading.choices()) == mock.tickets[0].truth_digest
