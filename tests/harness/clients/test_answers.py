"""What a driver makes of an answer: what an application would have, and what it would not notice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.clients.conftest import DRIVERS, Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of
from windtunnel.harness.clients.reading import (
    AnswerFailedError,
    ChatReading,
    EmbeddingReading,
    JsonAnswer,
    Reading,
    ResponseReading,
)
from windtunnel.mock_server.api.truth import Choice, digest

WHOLE = digest([(0, "Hello there", None, [], "stop")])


def streamed(*events: Any) -> Any:
    return lambda exchange: stream_of(exchange, events)


@pytest.mark.parametrize("driver", DRIVERS)
def test_streamed_and_whole_answers_have_one_digest(play: Play, driver: str) -> None:
    """The same answer has the same digest however it was sent and whichever client read it."""
    events = [delta("Hel"), delta("lo the"), delta("re"), delta(finish="stop")]
    as_stream = play(driver, streamed(*events), stream=True).call
    in_one = play(driver, lambda exchange: exchange.json(completion())).call
    assert (as_stream["digest"], in_one["digest"]) == (WHOLE, WHOLE)
    assert len(as_stream["gaps_s"]) == 2
    assert as_stream["gaps_max_s"] == max(as_stream["gaps_s"])
    assert in_one["gaps_s"] == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stream_that_ends_without_its_end_is_taken_for_success(play: Play, driver: str) -> None:
    """A clean end without finish reason and [DONE] is `ok` to the client, and its digest is not the truth's."""

    def half(exchange: Exchange) -> None:
        exchange.stream()
        exchange.event(delta("Hello"))
        exchange.end()

    call = play(driver, half, stream=True).call
    assert (call["outcome"], call["saw_done"], call["finish_reason"]) == ("ok", False, None)
    assert call["digest"] == digest([(0, "Hello", None, [], None)])


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_application_that_checks_the_end_gets_an_error(play: Play, driver: str) -> None:
    """The same half answer is an error to a profile that looks for the end, and retrying it can help."""

    def half_at_first(exchange: Exchange) -> None:
        exchange.stream()
        exchange.event(delta("Hello there", "stop" if exchange.number else None))
        exchange.end()

    once = play(driver, half_at_first, stream=True, checks=["end"]).call
    assert (once["outcome"], once["error_type"], once["digest"]) == ("error", "UnfinishedAnswerError", None)
    retries = {"kind": "fixed", "tries": 2, "base": "1ms", "retry_on": ["broken_answer"]}
    again = play(driver, half_at_first, stream=True, checks=["end"], retries=retries).call
    assert (again["outcome"], again["attempts_seen"], again["digest"]) == ("ok", 2, WHOLE)


@pytest.mark.parametrize("checks", [[], ["finish_reason"]])
@pytest.mark.parametrize("driver", DRIVERS)
def test_an_answer_that_says_it_is_cut_is_incomplete_if_anyone_looks(
    play: Play, driver: str, checks: list[str]
) -> None:
    """finish_reason `length` is always recorded, and an outcome of its own only for a profile that checks it."""
    call = play(driver, lambda exchange: exchange.json(completion(finish="length")), checks=checks).call
    assert call["declared_incomplete"] is True
    assert call["outcome"] == ("incomplete" if checks else "ok")


@pytest.mark.parametrize("checks", [[], ["refusal"]])
def test_a_refusal_is_incomplete_if_anyone_looks(play: Play, checks: list[str]) -> None:
    """A refusal is declared, and an outcome of its own only for a profile that checks it."""
    refusal = completion(text="", refusal="I cannot help with that.")
    call = play("openai", lambda exchange: exchange.json(refusal), checks=checks).call
    assert call["declared_incomplete"] is True
    assert call["outcome"] == ("incomplete" if checks else "ok")


BROKEN_BODIES = [
    ('{"id": "x", "cho', {"content_type": "application/json"}, "truncated JSON"),
    ("", {"content_type": "application/json"}, "an empty body"),
    ("<html>hello</html>", {"content_type": "text/html"}, "HTML with status 200"),
]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("body", "headers", "what"), BROKEN_BODIES)
def test_a_body_that_is_no_answer_is_an_error(
    play: Play, driver: str, body: str, headers: dict[str, str], what: str
) -> None:
    """What cannot be read as an answer ends in an error of the application, not in an answer."""

    def broken(exchange: Exchange) -> None:
        exchange.head(content_length=str(len(body)), **headers)
        exchange.send(body)

    call = play(driver, broken).call
    assert call["status"] == 200
    if (
        driver == "python" and "html" in body
    ):  # the SDK hands out HTML as text, and its user took that for an answer
        assert (call["outcome"], call["digest"]) == ("ok", digest([]))
    else:
        assert (call["outcome"], call["digest"]) == ("error", None), what


WRONG_TYPES = [
    {"index": 0, "delta": {"content": 7}, "finish_reason": None},
    {"index": 0, "delta": {"content": ["Hello"]}, "finish_reason": None},
    {"index": "first", "delta": {"content": "Hello"}, "finish_reason": None},
    {"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": 7, "arguments": "{}"}}]}},
    {"index": 0, "delta": {"content": "Hi"}, "finish_reason": 7},
]


@pytest.mark.parametrize("choice", WRONG_TYPES)
@pytest.mark.parametrize("driver", ["openai", "httpx2-async"])
def test_values_of_wrong_types_leave_a_row(play: Play, driver: str, choice: dict[str, Any]) -> None:
    """Whatever types a stream's values have, the call is recorded: what cannot be put together is its failure."""
    call = play(driver, streamed({"choices": [choice]}, delta(" there", finish="stop")), stream=True).call
    assert call["outcome"] in ("ok", "error")
    assert (call["digest"] is None) == (call["outcome"] == "error")
    assert call["digest"] != WHOLE


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_error_event_in_mid_stream_is_an_error(play: Play, driver: str) -> None:
    """An error inside a 200 stream ends the call as an error, whatever came before."""
    error = {
        "error": {"message": "The server had an error", "type": "server_error", "param": None, "code": None}
    }
    call = play(driver, streamed(delta("Hello"), error), stream=True).call
    assert (call["outcome"], call["digest"]) == ("error", None)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_retry_forgets_what_the_failed_try_had_delivered(play: Play, driver: str) -> None:
    """The row of a call that was retried after half an answer tells of the second answer alone."""

    def broken_at_first(exchange: Exchange) -> None:
        if exchange.number:
            stream_of(exchange, [delta("Hello there"), delta(finish="stop")])
            return
        exchange.stream()
        for piece in ("Bad", " half", " answer"):
            exchange.event(delta(piece))
        exchange.reset()

    retries = {"kind": "fixed", "tries": 2, "base": "1ms", "retry_on": ["everything"]}
    played = play(driver, broken_at_first, stream=True, retries=retries)
    call = played.call
    assert (call["outcome"], call["digest"], call["served_id"]) == ("ok", WHOLE, "s1")
    assert call["gaps_s"] == []
    assert call["first_token_s"] > played.attempts[1]["started_s"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_embeddings_are_read_to_the_last_bit(play: Play, driver: str) -> None:
    """Vectors have the digest of their 32-bit floats, whichever encoding the client asked for."""
    import base64
    import struct

    packed = base64.b64encode(struct.pack("<3f", 0.25, -0.5, 0.125)).decode()

    def embed(exchange: Exchange) -> None:
        text = exchange.body.get("encoding_format") == "base64"
        vector = packed if text else [0.25, -0.5, 0.125]
        item = {"object": "embedding", "index": 0, "embedding": vector}
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        exchange.json({"object": "list", "data": [item], "model": "m", "usage": usage})

    call = play(driver, embed, api="embeddings", body={"model": "m", "input": "Hello"}).call
    assert (call["outcome"], call["digest"]) == ("ok", digest([(0, packed, None, [], None)]))


def test_what_the_scenario_adds_to_the_body_is_sent_as_it_is(play: Play) -> None:
    """Keys that the SDK may not know go into the body all the same."""
    body = {"model": "m", "messages": [], "max_completion_tokens": 9, "n": 2, "brand_new": {"x": 1}}
    played = play("openai", lambda exchange: exchange.json(completion()), body=body)
    assert played.server.requests[0][2] == body


def read(reading: Reading, *events: dict[str, Any]) -> list[Choice]:
    for event in events:
        reading.take(nodes(event))
    return reading.choices()


def nodes(value: Any) -> Any:
    if isinstance(value, dict):
        return JsonAnswer({key: nodes(inner) for key, inner in value.items()})
    return [nodes(inner) for inner in value] if isinstance(value, list) else value


def test_pieces_of_several_choices_and_tools_are_put_together() -> None:
    """Interleaved choices and the pieces of parallel tool calls end up where they belong."""

    def tool(index: int, name: str | None, arguments: str) -> dict[str, Any]:
        return {"index": index, "function": {"name": name, "arguments": arguments}}

    reading = ChatReading()
    choices = read(
        reading,
        delta("A", index=0),
        delta("B", index=1),
        delta(tool_calls=[tool(0, "f", '{"x":'), tool(1, "g", "{}")], index=1),
        delta(tool_calls=[tool(0, None, " 1}")], index=1),
        delta(finish="stop", index=0),
        delta(finish="tool_calls", index=1),
    )
    assert choices == [(0, "A", "", [], "stop"), (1, "B", "", [("f", '{"x": 1}'), ("g", "{}")], "tool_calls")]
    assert (reading.complete, reading.finish_reason) == (True, "stop")


def test_a_choice_without_its_end_makes_the_whole_unfinished() -> None:
    """With n choices the answer is complete only when each of them has a finish reason."""
    reading = ChatReading()
    read(reading, delta("A", index=0), delta("B", index=1), delta(finish="stop", index=0))
    assert reading.complete is False


def test_empty_deltas_and_usage_are_no_content() -> None:
    """The role chunk, an empty delta, a finish reason and the usage chunk carry no content."""
    reading = ChatReading()
    events = [delta("", role="assistant"), delta(), delta(finish="stop"), {"choices": [], "usage": {}}]
    assert [reading.take(nodes(event)) for event in events] == [False] * 4


RESPONSE_ENDS = [
    ({"type": "response.completed", "response": {"status": "completed"}}, "stop", False),
    (
        {
            "type": "response.incomplete",
            "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        },
        "length",
        True,
    ),
    (
        {
            "type": "response.incomplete",
            "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        },
        "content_filter",
        True,
    ),
]


@pytest.mark.parametrize(("end", "reason", "declared"), RESPONSE_ENDS)
def test_the_end_of_a_response_is_its_finish_reason(end: dict[str, Any], reason: str, declared: bool) -> None:
    """Every proper end of a Responses stream maps to the finish reason that the truth has."""
    reading = ResponseReading()
    text = {"type": "response.output_text.delta", "delta": "Hello"}
    assert read(reading, text, end) == [(0, "Hello", "", [], reason)]
    assert (reading.complete, reading.declared_incomplete) == (True, declared)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "no"},
        {
            "type": "response.failed",
            "response": {"status": "failed", "error": {"code": "x", "message": "no"}},
        },
    ],
)
def test_a_response_that_failed_raises(event: dict[str, Any]) -> None:
    """`response.failed` and `error` end the reading with an exception."""
    with pytest.raises(AnswerFailedError):
        read(ResponseReading(), event)


def test_a_function_call_of_a_response_is_kept_raw() -> None:
    """A function call's arguments are kept exactly as they were sent, and make the finish reason."""
    reading = ResponseReading()
    item = {"type": "function_call", "name": "f", "arguments": '{"x":  1}'}
    choices = read(
        reading,
        {"type": "response.function_call_arguments.delta", "delta": '{"x":  1}'},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"status": "completed"}},
    )
    assert choices == [(0, "", "", [("f", '{"x":  1}')], "tool_calls")]


def test_an_embedding_is_never_streamed() -> None:
    """A reader of embeddings refuses events."""
    with pytest.raises(NotImplementedError):
        EmbeddingReading().take(JsonAnswer())
