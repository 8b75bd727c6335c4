"""Faults that decide how a stream ends: cut, unfinished, never closed, with an error, with another verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_of, contents, sends
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import (
    FOREVER,
    Close,
    End,
    FirstToken,
    Head,
    Script,
    Send,
    Step,
    Tokens,
    Wait,
)

Play = Callable[..., Script]

TEXT = "one two three"
ITEM = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def events_of(script: Script) -> list[dict[str, Any]]:
    """The JSON of every event of a stream."""
    datas = [line[6:] for line in body_of(script).decode().split("\n") if line.startswith("data: ")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


def message(text: str, status: str) -> dict[str, Any]:
    """An output item that is done."""
    return ITEM | {"status": status, "content": [{"type": "output_text", "annotations": [], "text": text}]}


def stream_of_a_response() -> Script:
    """A streamed response of three chunks (1 + 4 + 4 tokens) with all that belongs to it, numbered from 0."""
    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "status": "in_progress",
        "output": [],
        "usage": None,
    }
    usage = {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}
    done = response | {"status": "completed", "output": [message(TEXT, "completed")], "usage": usage}
    numbers = iter(range(100))

    def event(kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": next(numbers), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    opening = event("response.created", response=response)
    added = event("response.output_item.added", output_index=0, item=ITEM)
    steps: list[Step] = [Head(200, (), "chunked"), Send(opening), FirstToken()]
    for i, piece in enumerate(("one ", "two ", "three")):
        delta = event("response.output_text.delta", **PLACE, delta=piece)
        steps += [Send(added + delta, 1, "content")] if i == 0 else [Tokens(4), Send(delta, 4, "content")]
    closing = event("response.output_text.done", **PLACE, text=TEXT)
    closing += event("response.output_item.done", output_index=0, item=message(TEXT, "completed"))
    last = event("response.completed", response=done)
    return Script((*steps, Send(closing), Send(last, 0, "terminal"), End()))


def whole_response() -> Script:
    """The same response in one piece."""
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [message(TEXT, "completed")],
    }
    return Script((Head(200), FirstToken(), Send(json.dumps(body).encode(), 9, "terminal"), End()))


def test_a_cut_ends_the_connection_inside_the_chunked_body(play: Play, chat: Script) -> None:
    """After the chunk that was named there is no further byte and no proper end."""
    cut = play("cut", chat, after_chunks=2)
    assert contents(cut) == 2
    assert cut.steps[-1] == Close()
    assert body_of(chat).startswith(body_of(cut))


def test_eof_without_done_removes_exactly_what_ends_a_chat_stream(play: Play, chat: Script) -> None:
    """All content, a proper end of HTTP, and neither finish_reason nor [DONE]."""
    ended = play("eof_without_done", chat)
    removed = [step for step in chat.steps if step not in ended.steps]
    assert ended.steps[-1] == End()
    assert contents(ended) == contents(chat)
    assert [step.data[:20] for step in removed if isinstance(step, Send)] == [
        b'data: {"id": "chatcm',
        b"data: [DONE]\n\n",
    ]
    assert len(removed) == 2


def test_eof_without_done_removes_exactly_what_ends_a_response(play: Play, responses: Script) -> None:
    """All deltas, and none of the events that say that something is done."""
    ended = play("eof_without_done", responses, api="responses")
    assert contents(ended) == contents(responses)
    assert b"done" not in body_of(ended)
    assert b"completed" not in body_of(ended)
    assert ended.steps[-1] == End()


@pytest.mark.parametrize("after", [0, 1, 2])
def test_eof_without_done_can_come_in_the_middle(play: Play, chat: Script, after: int) -> None:
    """With `after_chunks` only so many chunks are sent before the clean end."""
    ended = play("eof_without_done", chat, after_chunks=after)
    assert contents(ended) == after
    assert ended.steps[-1] == End()


def test_an_error_event_of_a_chat_stream_is_followed_by_done(play: Play, chat: Script) -> None:
    """So many chunks, the error as data, `[DONE]`, a proper end: exactly as seen in public."""
    broken = play("error_event", chat, after_chunks=2)
    *_, error, done = sends(broken)
    assert contents(broken) == 2
    assert json.loads(error.data.removeprefix(b"data: ")) == {
        "error": {
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }
    assert done == Send(b"data: [DONE]\n\n", 0, "terminal")
    assert broken.steps[-1] == End()


SORRY = "The server had an error while processing your request. Sorry about that!"


@pytest.mark.parametrize(("after", "number"), [(0, 2), (1, 3), (2, 4), (9, 5)])
def test_an_error_event_of_a_response_has_the_error_inside_and_a_failure_behind(
    play: Play, after: int, number: int
) -> None:
    """The event is `error`, numbered on from the events before it, with the error inside; `response.failed` ends it."""
    broken = play("error_event", stream_of_a_response(), api="responses", after_chunks=after)
    error, failed = events_of(broken)[-2:]
    assert error == {
        "type": "error",
        "sequence_number": number,
        "error": {"type": "server_error", "code": "server_error", "message": SORRY, "param": None},
    }
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", number + 1)
    assert (failed["response"]["id"], failed["response"]["status"]) == ("resp_1", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": SORRY}
    assert [send.data.split(b"\n")[0] for send in sends(broken)][-2:] == [
        b"event: error",
        b"event: response.failed",
    ]
    assert [send.role for send in sends(broken)][-1] == "terminal"


@pytest.mark.parametrize(
    ("params", "kinds"),
    [({}, ["error"]), ({"then_failed": True}, ["error", "response.failed"])],
)
def test_the_documented_error_event_is_flat_and_may_be_followed(
    play: Play, params: dict[str, Any], kinds: list[str]
) -> None:
    """`form: flat` has code, message and param beside the type, and alone unless a failure is asked for."""
    broken = play(
        "error_event", stream_of_a_response(), api="responses", form="flat", param="input", **params
    )
    *_, last = events = events_of(broken)[3:]
    assert [event["type"] for event in events] == kinds
    assert events[0] == {
        "type": "error",
        "code": "server_error",
        "message": SORRY,
        "param": "input",
        "sequence_number": 3,
    }
    assert last["sequence_number"] == 2 + len(kinds)


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"code": "rate_limit_exceeded"}, "tokens"),
        ({"code": "rate_limit_exceeded", "type": "requests"}, "requests"),
        ({"code": "server_is_overloaded"}, "service_unavailable_error"),
        ({"code": "of_its_own"}, "server_error"),
        ({}, "server_error"),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses", "images"])
def test_the_type_of_an_error_event_goes_with_its_code(
    play: Play, chat: Script, api: str, params: dict[str, Any], kind: str
) -> None:
    """On every API the error has the type that was asked for, else the one that OpenAI gives to its code."""
    script = chat if api == "chat" else stream_of_a_response()
    broken = play("error_event", script, api=api, **params)
    errors = [event["error"] for event in events_of(broken) if "error" in event]
    assert [error["type"] for error in errors] == [kind]


def test_without_a_failure_behind_it_the_error_event_is_the_last(play: Play) -> None:
    """`then_failed: false` leaves the nested event alone."""
    broken = play("error_event", stream_of_a_response(), api="responses", then_failed=False)
    assert events_of(broken)[-1]["type"] == "error"
    assert sends(broken)[-1].role == "terminal"


@pytest.mark.parametrize("order", [("error_event", "response_failed"), ("response_failed", "error_event")])
@pytest.mark.parametrize("form", ["nested", "flat"])
def test_an_error_event_and_a_failure_compose_in_either_order(
    play: Play, order: tuple[str, str], form: str
) -> None:
    """Both are in the stream, the error first, numbered on, the failure with the code that its own rule gives it."""
    params: dict[str, dict[str, Any]] = {
        "error_event": {"after_chunks": 1, "code": "rate_limit_exceeded", "form": form},
        "response_failed": {"after_chunks": 2, "code": "vector_store_timeout"},
    }
    script = stream_of_a_response()
    for name in order:
        script = play(name, script, api="responses", **params[name])
    error, failed = events_of(script)[-2:]
    assert (error["type"], error.get("error", error)["code"]) == ("error", "rate_limit_exceeded")
    assert failed["response"]["error"]["code"] == "vector_store_timeout"
    assert [event["sequence_number"] for event in events_of(script)] == list(range(len(events_of(script))))
    assert contents(script) == 1


@pytest.mark.parametrize("api", ["images", "speech", "transcriptions"])
def test_an_error_event_of_another_stream_has_a_type_and_the_error_inside(
    play: Play, responses: Script, api: str
) -> None:
    """Streams of typed events without numbers end with an event `error`, and without `[DONE]`."""
    broken = play("error_event", responses, api=api, code="moderation_blocked", message="No.")
    name, data = sends(broken)[-1].data.decode().strip().split("\n")
    assert name == "event: error"
    error = {"message": "No.", "type": "server_error", "param": None, "code": "moderation_blocked"}
    assert json.loads(data.removeprefix("data: ")) == {"type": "error", "error": error}
    assert sends(broken)[-1].role == "terminal"


def test_completions_and_resumed_responses_fail_like_their_relatives(play: Play, chat: Script) -> None:
    """A legacy completion's error is followed by `[DONE]`, a resumed response's carries the next number."""
    assert sends(play("error_event", chat, api="completions"))[-1].data == b"data: [DONE]\n\n"
    resumed = play("error_event", stream_of_a_response(), api="stored", after_chunks=0)
    assert [event["type"] for event in events_of(resumed)[-2:]] == ["error", "response.failed"]


def test_audio_in_pieces_has_no_event_to_send_an_error_in(play: Play) -> None:
    """A stream that is no stream of events stays as it is."""
    audio = Script(
        (Head(200), FirstToken(), Send(b"ID3\x04", 1, "content"), Send(b"\xff\xfb", 0, "terminal"), End())
    )
    assert play("error_event", audio, api="speech") == audio


@pytest.mark.parametrize(
    ("params", "ending"), [({}, (Wait(FOREVER),)), ({"seconds": "30s"}, (Wait(30.0), End()))]
)
def test_a_stream_that_is_done_can_stay_open(
    play: Play, chat: Script, params: dict[str, Any], ending: tuple[Step, ...]
) -> None:
    """Every byte is sent, `[DONE]` is still what completes the answer, and the proper end comes late or never."""
    stays = play("open_after_done", chat, **params)
    assert stays.steps == (*chat.steps[:-1], *ending)
    assert sends(stays)[-1].role == "terminal"


def test_what_was_cut_off_does_not_stay_open(play: Play, chat: Script) -> None:
    """A connection that ends with a FIN ends."""
    cut = play("cut", chat)
    assert play("open_after_done", cut) == cut


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, {"code": "server_error", "message": "The model failed to generate a response."}),
        (
            {"code": "rate_limit_exceeded"},
            {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again later."},
        ),
        ({"code": "invalid_prompt", "message": "No."}, {"code": "invalid_prompt", "message": "No."}),
        (
            {"code": "vector_store_timeout"},
            {"code": "vector_store_timeout", "message": "The response failed."},
        ),
    ],
)
def test_a_response_fails_in_mid_stream(play: Play, params: dict[str, Any], error: dict[str, Any]) -> None:
    """After so many chunks comes `response.failed`, numbered, with the response as it was, its error and no output."""
    broken = play("response_failed", stream_of_a_response(), api="responses", after_chunks=2, **params)
    last = events_of(broken)[-1]
    assert contents(broken) == 2
    assert (last["type"], last["sequence_number"]) == ("response.failed", 4)
    assert last["response"]["id"] == "resp_1"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == error
    assert last["response"]["output"] == []
    assert [step.role for step in sends(broken)][-1] == "terminal"
    assert broken.steps[-1] == End()


@pytest.mark.parametrize(
    ("after", "text", "tokens"), [(0, "", 0), (1, "one ", 1), (2, "one two ", 5), (9, TEXT, 9)]
)
def test_an_incomplete_response_closes_what_was_open(play: Play, after: int, text: str, tokens: int) -> None:
    """Every open text and item is closed with what was said so far, numbers go on, and the bill is for that much."""
    short = play("response_incomplete", stream_of_a_response(), api="responses", after_chunks=after)
    *_, text_done, item_done, last = events_of(short)
    assert [event["sequence_number"] for event in events_of(short)] == list(range(len(events_of(short))))
    assert (text_done["type"], text_done["text"]) == ("response.output_text.done", text)
    assert item_done["item"] == message(text, "incomplete")
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"] == [message(text, "incomplete")]
    assert last["response"]["usage"] == {
        "input_tokens": 5,
        "output_tokens": tokens,
        "total_tokens": 5 + tokens,
    }
    assert sum(step.tokens for step in sends(short)) == tokens


def test_a_resumed_response_is_incomplete_with_its_whole_text_so_far(play: Play) -> None:
    """What was said before the place where a stream is resumed is part of the text that is closed."""
    head, _, begin, _, *later = stream_of_a_response().steps
    resumed = Script((head, begin, *later))
    short = play("response_incomplete", resumed, api="stored", after_chunks=1, reason="content_filter")
    assert events_of(short)[-1]["response"]["output"] == [message("one two ", "incomplete")]
    assert events_of(short)[-1]["response"]["incomplete_details"] == {"reason": "content_filter"}


def test_a_response_in_one_piece_says_that_it_failed_or_is_incomplete(play: Play) -> None:
    """Status 200 all the same; an incomplete one has half of its text, and tokens and ending stay."""
    failed = play("response_failed", whole_response(), api="responses", stream=False)
    short = play("response_incomplete", whole_response(), api="stored", stream=False)
    assert (failed.status, json.loads(body_of(failed))["status"]) == (200, "failed")
    assert json.loads(body_of(short))["output"] == [message(TEXT[:6], "incomplete")]
    assert (sends(short)[0].tokens, sends(short)[0].role, short.steps[-1]) == (9, "terminal", End())


def test_what_is_stored_and_no_response_cannot_fail_like_one(play: Play, whole: Script) -> None:
    """A chat completion that is fetched again stays as it is."""
    assert play("response_failed", whole, api="stored", stream=False) == whole
    assert play("response_incomplete", whole, api="stored", stream=False) == whole


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cut", {"after_chunk": 1}),
        ("eof_without_done", {"after_chunks": "x"}),
        ("open_after_done", {"seconds": 5}),
        ("response_failed", {"code": ""}),
        ("response_incomplete", {"reason": "boredom"}),
    ],
)
def test_wrong_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    """Unknown names, bare numbers and reasons that do not exist are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)
