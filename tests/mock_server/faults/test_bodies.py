"""Faults of what an answer says: broken, halved, empty, a web page."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.mock_server.scripts import body_of
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

Play = Callable[..., Script]


def events(script: Script) -> list[str]:
    """The data of every complete event of a stream."""
    complete = body_of(script).decode().split("\n\n")[:-1]
    return [block.split("data: ", 1)[1] for block in complete]


def parses(text: str | bytes) -> bool:
    """Is it JSON?"""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_malformed_json_is_as_long_as_the_healthy_body_and_does_not_parse(play: Play, whole: Script) -> None:
    """One byte is different, and it makes the JSON invalid."""
    broken = play("malformed_json", whole, stream=False)
    assert len(body_of(broken)) == len(body_of(whole))
    assert not parses(body_of(broken))
    assert len(broken.steps) == len(whole.steps)


@pytest.mark.parametrize(("after", "place"), [(0, 0), (1, 1), (2, 2), (3, 3), (99, 3)])
def test_malformed_json_breaks_one_event_of_a_stream(
    play: Play, chat: Script, after: int, place: int
) -> None:
    """The event after the chunk that was named does not parse; all others are as they were."""
    broken = play("malformed_json", chat, after_chunks=after)
    found = [parses(data) or data == "[DONE]" for data in events(broken)]
    assert found == [i != place for i in range(5)]


def test_malformed_json_works_on_events_of_responses(play: Play, responses: Script) -> None:
    """Exactly one event of the stream does not parse."""
    broken = play("malformed_json", responses, api="responses", after_chunks=1)
    assert [parses(data) for data in events(broken)].count(False) == 1


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.99])
def test_truncated_json_is_a_complete_body_with_half_a_document(
    play: Play, whole: Script, keep: float
) -> None:
    """A proper prefix that does not parse, with a length of its own, a terminal piece and a proper end."""
    cut = play("truncated_json", whole, stream=False, keep=keep)
    head = cut.steps[0]
    pieces = [step for step in cut.steps if isinstance(step, Send)]
    assert isinstance(head, Head)
    assert head.content_length is None
    assert body_of(whole).startswith(body_of(cut))
    assert 0 < len(body_of(cut)) < len(body_of(whole))
    assert not parses(body_of(cut))
    assert pieces[-1].role == "terminal"
    assert cut.steps[-1] == End()


@pytest.mark.parametrize("after", [0, 1, 3, 99])
def test_truncated_json_ends_a_stream_in_the_middle_of_an_event(play: Play, chat: Script, after: int) -> None:
    """All events before it are whole, the last one is half a document, and HTTP calls it the end."""
    cut = play("truncated_json", chat, after_chunks=after)
    *whole_events, last = body_of(cut).decode().split("\n\n")
    assert all(parses(text.removeprefix("data: ")) for text in whole_events)
    assert len(whole_events) == min(after, 3)
    assert last.startswith('data: {"id"')
    assert not parses(last.removeprefix("data: "))
    assert cut.steps[-1] == End()


def test_truncated_json_works_on_events_of_responses(play: Play, responses: Script) -> None:
    """The stream stops inside the JSON of the event after the first delta."""
    cut = play("truncated_json", responses, api="responses", after_chunks=1)
    assert body_of(responses).startswith(body_of(cut))
    assert body_of(cut).rsplit(b"\n\n", 1)[1].startswith(b'event: response.output_text.delta\ndata: {"')


def test_an_empty_body_is_a_success_without_a_byte(play: Play, whole: Script, chat: Script) -> None:
    """Status 200 and nothing else: at once for a body with a length, in the first token's time for a stream."""
    empty = play("empty_body", whole, stream=False)
    assert [type(step) for step in empty.steps] == [Head, End]
    assert empty.status == 200
    assert [type(step) for step in play("empty_body", chat).steps] == [Head, FirstToken, End]


def test_a_web_page_stands_in_for_the_answer(
    play: Play, whole: Script, chat: Script, responses: Script
) -> None:
    """Status 200, HTML in one piece with a length, one content-type, and the other headers as they were."""
    for script, api, stream in ((whole, "chat", False), (chat, "chat", True), (responses, "responses", True)):
        page = play("html_200", script, api=api, stream=stream)
        head, body, end = page.steps
        assert isinstance(head, Head)
        assert (head.status, head.framing, end) == (200, "length", End())
        assert [value for name, value in head.headers if name == "content-type"] == [
            "text/html; charset=UTF-8"
        ]
        assert "x-request-id" in dict(head.headers)
        assert isinstance(body, Send)
        assert body.data.startswith(b"<!DOCTYPE html>")
        assert body.role == "terminal"


def test_the_body_is_right_and_the_content_type_is_not(play: Play, whole: Script, chat: Script) -> None:
    """One content-type, the one that was asked for; every other header and every byte as they were."""
    for script, stream in ((whole, False), (chat, True)):
        called = play("wrong_content_type", script, stream=stream, content_type="text/html")
        head, healthy = called.steps[0], script.steps[0]
        assert isinstance(head, Head)
        assert isinstance(healthy, Head)
        assert sorted(head.headers) == sorted({**dict(healthy.headers), "content-type": "text/html"}.items())
        assert called.steps[1:] == script.steps[1:]


def test_a_content_type_has_to_fit_into_a_header(play: Play, whole: Script) -> None:
    """A line break in it is refused when the plan is loaded."""
    with pytest.raises(ValueError, match="pattern"):
        play("wrong_content_type", whole, stream=False, content_type="text/html\r\nx: y")
