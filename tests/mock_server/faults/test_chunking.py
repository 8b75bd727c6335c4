"""Faults of the bytes: pieces that really arrive as pieces, and lines that end with CR LF."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_of, sends
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.faults.chunking import MOST_PIECES
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Tokens, Wait

Play = Callable[..., Script]

EURO = 'data: {"delta": "5 €"}\n\n'.encode()


@pytest.mark.parametrize("size", [1, 2, 7, 16, 1000])
def test_no_piece_is_larger_and_no_byte_is_missing(
    play: Play, chat: Script, whole: Script, size: int
) -> None:
    """Pieces have at most so many bytes, and together they are the healthy body with the healthy tokens."""
    for script, stream in ((chat, True), (whole, False)):
        cut = play("fragment", script, stream=stream, bytes=size)
        assert max(len(step.data) for step in sends(cut)) <= size
        assert body_of(cut) == body_of(script)
        assert sum(step.tokens for step in sends(cut)) == sum(step.tokens for step in sends(script))
        for role in ("content", "terminal"):
            assert [s.role for s in sends(cut)].count(role) == [s.role for s in sends(script)].count(role)


def test_a_pause_stands_between_any_two_pieces(play: Play, chat: Script) -> None:
    """The first piece comes when it is due, every other one a pause after the one before it."""
    cut = play("fragment", chat, bytes=16, pause="5ms")
    steps = [step for step in cut.steps if isinstance(step, Send | Wait)]
    assert isinstance(steps[0], Send)
    assert all(step == Wait(0.005) for step in steps[1::2])
    assert all(isinstance(step, Send) for step in steps[::2])


def test_pieces_go_through_characters_and_lines(play: Play) -> None:
    """Where a character or a line ends makes no difference to where a piece does."""
    stream = Script((Head(200), FirstToken(), Send(EURO, 1, "content"), End()))
    pieces = [step.data for step in sends(play("fragment", stream, bytes=20))]
    assert pieces == [EURO[:20], EURO[20:]]
    with pytest.raises(UnicodeDecodeError):
        pieces[0].decode("utf-8")


def test_a_client_that_reads_lines_has_all_of_it_before_the_last_line_feed(play: Play, chat: Script) -> None:
    """The piece that completes `[DONE]` is the one after which a client may leave, not the line feeds behind it."""
    cut = play("fragment", chat, bytes=1)
    assert [step.data for step in sends(cut)[-3:]] == [b"]", b"\n", b"\n"]
    assert [step.role for step in sends(cut)[-3:]] == ["terminal", "body", "body"]


def test_heartbeats_stay_comments_in_pieces(play: Play, chat: Script) -> None:
    """What is no part of the answer is none in pieces either."""
    cut = play("fragment", play("stall_with_heartbeats", chat, seconds="1s"), bytes=3)
    assert b"".join(step.data for step in sends(cut) if step.role == "comment") == b": ping\n\n" * 3


def test_after_very_many_pieces_the_rest_comes_as_it_is(play: Play) -> None:
    """A script is finite: a large body in tiny pieces ends in one large piece, and is complete."""
    body = b"x" * (3 * MOST_PIECES)
    large = Script((Head(200), FirstToken(), Tokens(1), Send(body, 2, "terminal"), End()))
    cut = play("fragment", large, stream=False, bytes=1)
    assert len(sends(cut)) == MOST_PIECES
    assert body_of(cut) == body
    assert sends(cut)[-1].role == "terminal"


def test_every_line_ends_with_cr_lf(play: Play, chat: Script) -> None:
    """No line feed is left alone, and nothing else changes: not in heartbeats, not in pieces."""
    steps = play("stall_with_heartbeats", chat, seconds="1s")
    spelled = play("crlf_events", steps)
    assert body_of(spelled) == body_of(steps).replace(b"\n", b"\r\n")
    assert [(s.tokens, s.role) for s in sends(spelled)] == [(s.tokens, s.role) for s in sends(steps)]
    in_pieces = play("crlf_events", play("fragment", chat, bytes=1))
    assert body_of(in_pieces) == body_of(chat).replace(b"\n", b"\r\n")


def test_what_is_no_stream_of_events_keeps_its_line_feeds(play: Play) -> None:
    """A page, or audio in pieces, is not spelled differently."""
    audio = Script((Head(200), FirstToken(), Send(b"ID3\n\x04", 1, "content"), End()))
    assert play("crlf_events", audio, api="speech") == audio


@pytest.mark.parametrize("params", [{"bytes": 0}, {"pause": "0s"}, {"pause": 2}])
def test_pieces_of_nothing_are_refused(params: dict[str, object]) -> None:
    """No bytes, no pause and a pause without a unit are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS["fragment"].params.model_validate(params)
