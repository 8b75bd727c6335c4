"""Faults of single events: which one is hit, what it looks like then, and that all others are left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_of, tokens_of
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens

Play = Callable[..., Script]


def events_of(script: Script) -> list[bytes]:
    """The events of a stream, each with what ends it."""
    return [event + b"\n\n" for event in body_of(script).split(b"\n\n")[:-1]]


def difference(script: Script, healthy: Script) -> list[tuple[bytes, bytes]]:
    """The events that differ, of streams with equally many."""
    pairs = zip(events_of(script), events_of(healthy), strict=True)
    return [(event, before) for event, before in pairs if event != before]


@pytest.mark.parametrize(("after", "index"), [(0, 0), (1, 1), (2, 2), (9, 2)])
@pytest.mark.parametrize("name", ["bad_json_event", "bad_utf8_event"])
def test_the_event_after_so_many_chunks_is_hit(
    play: Play, chat: Script, name: str, after: int, index: int
) -> None:
    """Exactly one event changes: the next one with content, or the last one that there is."""
    broken = play(name, chat, after_chunks=after)
    [(_, before)] = difference(broken, chat)
    assert before == events_of(chat)[index]
    assert tokens_of(broken) == tokens_of(chat)
    assert broken.steps[-1] == End()


def test_an_events_json_stops_half_way(play: Play, chat: Script) -> None:
    """The event is ended properly, its data is the first half of what it was."""
    [(event, before)] = difference(play("bad_json_event", chat), chat)
    assert event.endswith(b"\n\n")
    assert before.startswith(event.removesuffix(b"\n\n"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(event.removeprefix(b"data: "))


def test_half_an_events_json_is_never_half_a_character(play: Play) -> None:
    """Wherever the half is, what is sent of the event is UTF-8."""
    for padding in range(6):
        data = json.dumps({"content": "x" * padding + "€" * 20}, ensure_ascii=False).encode()
        stream = Script((Head(200), FirstToken(), Send(b"data: %b\n\n" % data, 1, "content"), End()))
        [event] = events_of(play("bad_json_event", stream))
        event.decode("utf-8")


def test_half_a_character_stands_in_the_text_of_an_event(play: Play, chat: Script) -> None:
    """Without it the event is what it was; with it, it is no UTF-8; decoded leniently, it is still JSON."""
    [(event, before)] = difference(play("bad_utf8_event", chat), chat)
    assert event.replace(b"\xe2\x82", b"") == before
    with pytest.raises(UnicodeDecodeError):
        event.decode("utf-8")
    data = json.loads(event.removeprefix(b"data: ").decode("utf-8", "replace"))
    assert data["choices"][0]["delta"]["content"] == "\ufffdtwo "


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("event", b"event: keepalive\n\n"),
        ("id", b"id: 1\n\n"),
        ("retry", b"retry: 3000\n\n"),
        ("data", b"data:\n\n"),
    ],
)
def test_an_event_without_data_is_one_more(play: Play, chat: Script, line: str, sent: bytes) -> None:
    """It stands where it was asked for, and everything else is as it was."""
    events = events_of(play("dataless_event", chat, after_chunks=2, line=line))
    assert events == [*events_of(chat)[:2], sent, *events_of(chat)[2:]]


def test_events_are_sent_twice_and_count_once(play: Play, chat: Script, responses: Script) -> None:
    """The copies are byte for byte the same, right behind each other, and carry no further tokens."""
    one, two, three, *rest = events_of(chat)
    for count, expected in (
        (1, [one, two, two, three, *rest]),
        (9, [one, two, two, three, three, *rest]),
    ):
        doubled = play("duplicate_events", chat, count=count)
        assert events_of(doubled) == expected
        assert tokens_of(doubled) == tokens_of(chat)
    numbers = [
        json.loads(event.partition(b"data: ")[2])["sequence_number"]
        for event in events_of(play("duplicate_events", responses, api="responses", after_chunks=0))
    ]
    assert numbers == [0, 1, 2, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("after", "order"),
    [(0, [1, 0, 2, 3, 4]), (1, [0, 2, 1, 3, 4]), (2, [0, 1, 3, 2, 4]), (9, [0, 1, 3, 2, 4])],
)
def test_two_events_change_places(play: Play, chat: Script, after: int, order: list[int]) -> None:
    """A chunk changes places with the next one, the last one with what follows it; `[DONE]` stays the end."""
    swapped = play("swapped_events", chat, after_chunks=after)
    assert events_of(swapped) == [events_of(chat)[i] for i in order]
    assert tokens_of(swapped) == tokens_of(chat)
    work = [step for step in swapped.steps if isinstance(step, FirstToken | Tokens)]
    assert work == [step for step in chat.steps if isinstance(step, FirstToken | Tokens)]


def test_events_that_travel_together_are_told_apart(play: Play) -> None:
    """In a piece of several events only the one with content is hit: those that announce it stay whole."""
    first = b'event: a\ndata: {"a":1}\n\nevent: b\ndata: {"delta":"x"}\n\n'
    stream = Script(
        (Head(200), Send(first, 1, "content"), Send(b'event: c\ndata: {"c":1}\n\n', 0, "terminal"), End())
    )
    doubled = play("duplicate_events", stream, api="responses", after_chunks=0)
    assert [event[:8] for event in events_of(doubled)] == [b"event: a", b"event: b", b"event: b", b"event: c"]


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def with_usage(*documents: dict[str, Any]) -> Script:
    """A stream of these documents that ends with `[DONE]`."""
    steps: list[Step] = [Head(200), FirstToken()]
    steps += [Send(b"data: %b\n\n" % json.dumps(document).encode()) for document in documents]
    return Script((*steps, Send(b"data: [DONE]\n\n", 0, "terminal"), End()))


@pytest.mark.parametrize(
    ("documents", "left"),
    [
        (
            [{"choices": [{"index": 0}], "usage": None}, {"choices": [], "usage": USAGE}],
            [{"choices": [{"index": 0}], "usage": None}],
        ),
        ([{"choices": [{"index": 0}], "usage": USAGE}], [{"choices": [{"index": 0}]}]),
        (
            [{"type": "response.completed", "response": {"id": "r", "usage": USAGE}}],
            [{"type": "response.completed", "response": {"id": "r"}}],
        ),
        (
            [{"choices": [{"delta": {"content": '"usage": {'}}]}],
            [{"choices": [{"delta": {"content": '"usage": {'}}]}],
        ),
    ],
    ids=["a chunk of its own", "beside the last choice", "in a response", "only spoken of"],
)
def test_a_stream_does_not_say_what_it_used(
    play: Play, documents: list[dict[str, Any]], left: list[dict[str, Any]]
) -> None:
    """The chunk that holds nothing but the usage does not come; elsewhere the field is missing."""
    events = events_of(play("missing_usage", with_usage(*documents)))
    assert [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]] == left
    assert events[-1] == b"data: [DONE]\n\n"


def test_a_whole_answer_does_not_say_what_it_used(play: Play, whole: Script) -> None:
    """The field is gone; an answer that never had it, or is no JSON, stays as it was."""
    used = Script((Head(200), Send(json.dumps({"id": "x", "usage": USAGE}).encode(), 1, "terminal"), End()))
    bare = play("missing_usage", used, stream=False)
    assert bare.steps[1] == Send(b'{"id":"x"}', 1, "terminal")
    assert play("missing_usage", whole, stream=False) == whole
    broken = Script((Head(200), Send(b'{"usage": {]', 1, "terminal"), End()))
    assert play("missing_usage", broken, stream=False) == broken


@pytest.mark.parametrize(
    "name", ["bad_json_event", "bad_utf8_event", "dataless_event", "duplicate_events", "swapped_events"]
)
def test_audio_in_pieces_has_no_events(play: Play, name: str) -> None:
    """A stream that is no stream of events stays as it is, byte for byte."""
    audio = Script(
        (Head(200), FirstToken(), Send(b"ID3\n\n\x04", 1, "content"), Send(b"\xff", 0, "terminal"), End())
    )
    assert play(name, audio, api="speech") == audio


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("bad_json_event", {"after_chunks": -1}),
        ("dataless_event", {"line": "comment"}),
        ("duplicate_events", {"count": 0}),
        ("missing_usage", {"after_chunks": 1}),
    ],
)
def test_wrong_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    """Negative places, unknown lines and copies that are none are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)
