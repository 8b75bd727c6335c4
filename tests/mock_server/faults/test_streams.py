"""Faults of a running answer: what is sent, what is not, and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from mock_server.faults import FAULTS
from mock_server.script import FOREVER, Close, End, FirstToken, Head, Script, Send, Wait

Play = Callable[..., Script]


def sends(script: Script) -> list[Send]:
    """The pieces of the body, heartbeats included."""
    return [step for step in script.steps if isinstance(step, Send)]


def body_of(script: Script) -> bytes:
    """Everything that a script sends of its body, without heartbeats."""
    return b"".join(step.data for step in sends(script) if step.role != "comment")


def contents(script: Script) -> int:
    """How many chunks carry content."""
    return sum(step.role == "content" for step in sends(script))


def test_slow_first_token_sends_headers_at_once_and_content_late(
    play: Play, chat: Script, responses: Script, whole: Script
) -> None:
    """The wait comes after the head and the first token's work, before any content, and changes no byte."""
    for script, api, stream in ((chat, "chat", True), (responses, "responses", True), (whole, "chat", False)):
        late = play("slow_first_token", script, api=api, stream=stream, seconds="3s")
        assert isinstance(late.steps[0], Head)
        place = late.steps.index(Wait(3.0))
        assert late.steps[place - 1] == FirstToken()
        assert body_of(late) == body_of(script)
        assert contents(Script(late.steps[:place])) == 0


@pytest.mark.parametrize(("after", "before_it"), [(0, 0), (1, 1), (3, 3), (50, 3)])
def test_a_stall_is_silence_after_so_many_chunks(
    play: Play, chat: Script, after: int, before_it: int
) -> None:
    """The silence stands after the chunk that was named, at the latest after the last one, and changes no byte."""
    stalled = play("stall", chat, after_chunks=after, seconds="5s")
    place = stalled.steps.index(Wait(5.0))
    assert contents(Script(stalled.steps[:place])) == before_it
    assert body_of(stalled) == body_of(chat)
    assert stalled.steps[-1] == End()


def test_a_stall_forever_is_the_last_thing_that_happens(play: Play, chat: Script, whole: Script) -> None:
    """Nothing follows an endless silence; a body with a length still promises all of it."""
    assert play("stall", chat).steps[-1] == Wait(FOREVER)
    stalled = play("stall", whole, stream=False)
    head = stalled.steps[0]
    assert isinstance(head, Head)
    assert head.content_length == len(body_of(whole))
    assert stalled.steps[-1] == Wait(FOREVER)


def test_an_answer_in_one_piece_stalls_half_way_through_its_body(play: Play, whole: Script) -> None:
    """Half of the bytes, the silence, the other half; the whole counts for what it counted before."""
    stalled = play("stall", whole, stream=False, seconds="5s")
    first, second = sends(stalled)
    assert len(first.data) == len(body_of(whole)) // 2
    assert first.data + second.data == body_of(whole)
    assert (first.tokens, first.role, second.tokens, second.role) == (0, "body", 9, "terminal")


def test_heartbeats_keep_coming_while_a_stream_is_stalled(play: Play, chat: Script) -> None:
    """A comment every `every`, waits that add up to the stall, and no other change."""
    stalled = play("stall_with_heartbeats", chat, after_chunks=2, seconds="1s", every="300ms")
    beats = [step for step in sends(stalled) if step.role == "comment"]
    waits = [step.seconds for step in stalled.steps if isinstance(step, Wait)]
    assert [beat.data for beat in beats] == [b": ping\n\n"] * 3
    assert waits == pytest.approx([0.3, 0.3, 0.3, 0.1])
    assert body_of(stalled) == body_of(chat)


def test_endless_heartbeats_end_in_silence(play: Play, chat: Script) -> None:
    """A script is finite: after ten thousand comments an endless stall is silent."""
    stalled = play("stall_with_heartbeats", chat, seconds="forever")
    assert sum(step.role == "comment" for step in sends(stalled)) == 10_000
    assert stalled.steps[-1] == Wait(FOREVER)


def test_too_many_heartbeats_are_refused() -> None:
    """A stall of more comments than a script may hold is an error at load."""
    with pytest.raises(ValidationError, match="at most 10000"):
        FAULTS["stall_with_heartbeats"].params.model_validate({"seconds": "1h", "every": "1ms"})


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


@pytest.mark.parametrize(("after", "number"), [(0, 2), (1, 3), (2, 4), (9, 4)])
def test_an_error_event_of_a_response_carries_the_next_sequence_number(
    play: Play, responses: Script, after: int, number: int
) -> None:
    """The event is `error`, numbered on from the events before it, and the last one."""
    broken = play("error_event", responses, api="responses", after_chunks=after)
    name, data = sends(broken)[-1].data.decode().strip().split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "error",
        "code": "server_error",
        "message": "The server had an error while processing your request. Sorry about that!",
        "param": None,
        "sequence_number": number,
    }
    assert sends(broken)[-1].role == "terminal"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("stall", {"seconds": 5}),
        ("stall", {"after_chunks": -1}),
        ("stall_with_heartbeats", {"every": "0s"}),
        ("slow_first_token", {"seconds": "forever"}),
        ("cut", {"after_chunk": 1}),
        ("eof_without_done", {"after_chunks": "x"}),
    ],
)
def test_wrong_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    """Bare numbers, negative counts and unknown names are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)
