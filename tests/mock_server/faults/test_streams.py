"""Faults of a running answer's pace: what is sent, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_without_comments, contents, sends
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import FOREVER, Close, End, FirstToken, Head, Script, Send, Tokens, Wait

Play = Callable[..., Script]


def test_slow_first_token_sends_headers_at_once_and_content_late(
    play: Play, chat: Script, responses: Script, whole: Script
) -> None:
    """The wait comes after the head and the first token's work, before any content, and changes no byte."""
    for script, api, stream in ((chat, "chat", True), (responses, "responses", True), (whole, "chat", False)):
        late = play("slow_first_token", script, api=api, stream=stream, seconds="3s")
        assert isinstance(late.steps[0], Head)
        place = late.steps.index(Wait(3.0))
        assert late.steps[place - 1] == FirstToken()
        assert body_without_comments(late) == body_without_comments(script)
        assert contents(Script(late.steps[:place])) == 0


@pytest.mark.parametrize(("after", "before_it"), [(0, 0), (1, 1), (3, 3), (50, 3)])
def test_a_stall_is_silence_after_so_many_chunks(
    play: Play, chat: Script, after: int, before_it: int
) -> None:
    """The silence stands after the chunk that was named, at the latest after the last one, and changes no byte."""
    stalled = play("stall", chat, after_chunks=after, seconds="5s")
    place = stalled.steps.index(Wait(5.0))
    assert contents(Script(stalled.steps[:place])) == before_it
    assert body_without_comments(stalled) == body_without_comments(chat)
    assert stalled.steps[-1] == End()


def test_a_stall_forever_is_the_last_thing_that_happens(play: Play, chat: Script, whole: Script) -> None:
    """Nothing follows an endless silence; a body with a length still promises all of it."""
    assert play("stall", chat).steps[-1] == Wait(FOREVER)
    stalled = play("stall", whole, stream=False)
    head = stalled.steps[0]
    assert isinstance(head, Head)
    assert head.content_length == len(body_without_comments(whole))
    assert stalled.steps[-1] == Wait(FOREVER)


def test_an_answer_in_one_piece_stalls_half_way_through_its_body(play: Play, whole: Script) -> None:
    """Half of the bytes, the silence, the other half; the whole counts for what it counted before."""
    stalled = play("stall", whole, stream=False, seconds="5s")
    first, second = sends(stalled)
    assert len(first.data) == len(body_without_comments(whole)) // 2
    assert first.data + second.data == body_without_comments(whole)
    assert (first.tokens, first.role, second.tokens, second.role) == (0, "body", 9, "terminal")


def test_heartbeats_keep_coming_while_a_stream_is_stalled(play: Play, chat: Script) -> None:
    """A comment every `every`, waits that add up to the stall, and no other change."""
    stalled = play("stall_with_heartbeats", chat, after_chunks=2, seconds="1s", every="300ms")
    beats = [step for step in sends(stalled) if step.role == "comment"]
    waits = [step.seconds for step in stalled.steps if isinstance(step, Wait)]
    assert [beat.data for beat in beats] == [b": ping\n\n"] * 3
    assert waits == pytest.approx([0.3, 0.3, 0.3, 0.1])
    assert body_without_comments(stalled) == body_without_comments(chat)


def test_endless_heartbeats_end_in_silence(play: Play, chat: Script) -> None:
    """A script is finite: after ten thousand comments an endless stall is silent."""
    stalled = play("stall_with_heartbeats", chat, seconds="forever")
    assert sum(step.role == "comment" for step in sends(stalled)) == 10_000
    assert stalled.steps[-1] == Wait(FOREVER)


def test_too_many_heartbeats_are_refused() -> None:
    """A stall of more comments than a script may hold is an error at load."""
    with pytest.raises(ValidationError, match="at most 10000"):
        FAULTS["stall_with_heartbeats"].params.model_validate({"seconds": "1h", "every": "1ms"})


BUFFERED = [
    ("after a stall", ["stall"], 3, False),
    ("after nothing", [], 3, False),
    ("after a cut", ["cut"], 1, True),
]


@pytest.mark.parametrize(
    ("sentence", "before", "chunks", "closed"), BUFFERED, ids=[row[0] for row in BUFFERED]
)
def test_a_buffered_stream_arrives_in_one_go_when_it_would_have_ended(
    play: Play, chat: Script, sentence: str, before: list[str], chunks: int, closed: bool
) -> None:
    """First the head, then all work and all waits, then every byte and the ending, nothing changed."""
    given = chat
    for name in before:
        given = play(name, given, **({"seconds": "2s"} if name == "stall" else {}))
    buffered = play("buffered", given)
    kinds = [type(step) for step in buffered.steps]
    first_send = kinds.index(Send)
    assert kinds[0] is Head
    assert all(kind in (FirstToken, Tokens, Wait) for kind in kinds[1:first_send])
    assert set(kinds[first_send:-1]) == {Send}
    assert contents(buffered) == chunks
    assert body_without_comments(buffered) == body_without_comments(given)
    assert buffered.steps[-1] == (Close() if closed else End())


def test_a_buffer_can_keep_the_headers_back(play: Play, chat: Script) -> None:
    """With `hold_headers` not a byte leaves before the stream has ended."""
    steps = play("buffered", chat, hold_headers=True).steps
    head = next(i for i, step in enumerate(steps) if isinstance(step, Head))
    assert all(isinstance(step, FirstToken | Tokens) for step in steps[:head])
    assert all(isinstance(step, Send | End) for step in steps[head + 1 :])


@pytest.mark.parametrize("name", ["stall", "stall_with_heartbeats", "open_after_done"])
def test_what_never_ends_never_leaves_a_buffer(play: Play, chat: Script, name: str) -> None:
    """Behind a buffering proxy a stream without an end is a head and silence."""
    buffered = play("buffered", play(name, chat))
    assert sends(buffered) == []
    assert buffered.steps[-1] == Wait(FOREVER)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("stall", {"seconds": 5}),
        ("stall", {"after_chunks": -1}),
        ("stall_with_heartbeats", {"every": "0s"}),
        ("slow_first_token", {"seconds": "forever"}),
        ("buffered", {"hold_headers": "perhaps"}),
    ],
)
def test_wrong_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    """Bare numbers, negative counts and unknown values are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)
