"""The last requests, and scripts as a line of text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.control.recent_requests import LARGE, LONG, MAX_REQUESTS, RecentRequests
from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
from windtunnel.mock_server.script import (
    FOREVER,
    LONGEST_TEXT,
    MOST_WORDS,
    Abort,
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Script,
    Send,
    Step,
    Tokens,
    Trickle,
    Wait,
    script_text,
)

CONTENT = Send(b"secret", 4, "content")


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (
            (
                Head(200),
                FirstToken(),
                *[CONTENT, Tokens(4)] * 11,
                CONTENT,
                Wait(5.0),
                Send(b"d", 0, "terminal"),
                End(),
            ),
            "Head 200 · first token · 12×content · stall 5 s · terminal 1 B · End",
        ),
        (
            (Head(200), FirstToken(), Tokens(59), Send(b"x" * 1234, 60, "terminal"), End()),
            "Head 200 · first token · 59 tokens · terminal 1.23 kB · End",
        ),
        ((Wait(FOREVER),), "stall forever"),
        (
            (Head(200), *[Wait(0.3), Send(b": ping", 0, "comment")] * 9999, Abort()),
            "Head 200 · 9999×(stall 0.3 s · comment) · Abort (RST)",
        ),
        ((Head(503), Send(b"{}", role="terminal"), Close()), "Head 503 · terminal 2 B · Close (FIN)"),
        ((Raw(b"HTP"), Trickle(1, 0.1), Close()), "raw 3 B · trickle · Close (FIN)"),
        ((), ""),
    ],
)
def test_a_script_is_a_line_of_text(steps: tuple[Step, ...], text: str) -> None:
    """Steps in order, repetitions counted, and never what their bytes say."""
    assert script_text(Script(steps)) == text


@given(
    st.lists(st.sampled_from([Wait(1.0), Send(b"secret", 1, "content"), Raw(b"x"), Tokens(3)]), max_size=60)
)
def test_no_script_is_too_long_for_a_line(steps: list[Step]) -> None:
    """Whatever the steps, the text is bounded, and says nothing of the bytes."""
    text = script_text(Script((*steps, *[Wait(float(n)) for n in range(200)], End())))
    assert len(text) <= LONGEST_TEXT + 1
    assert "secret" not in text


def _row(number: int) -> tuple[Any, ...]:
    values = dict.fromkeys(SERVED_SCHEMA.names) | {"served_id": f"s{number}", "user_agent": "hidden"}
    return tuple(values.values())


def test_the_latest_come_first_and_the_oldest_are_forgotten() -> None:
    """No more than the last hundred, with the columns that people look at."""
    recent = RecentRequests()
    for number in range(MAX_REQUESTS + 5):
        recent.add(_row(number), Script((Head(200), End())))
    entries = recent.entries()
    assert [entries[0]["served_id"], entries[-1]["served_id"]] == [f"s{MAX_REQUESTS + 4}", "s5"]
    assert len(entries) == MAX_REQUESTS
    assert entries[0]["script"] == "Head 200 · End"
    assert "user_agent" not in entries[0]
    recent.clear()
    assert recent.entries() == []


@pytest.mark.parametrize(
    "steps", [(Head(200), Send(b"x" * (LARGE + 1)), End()), (Head(200), *[CONTENT] * LONG, End())]
)
def test_large_answers_are_not_kept(steps: tuple[Step, ...]) -> None:
    """What would fill the memory is rendered at once, and reads the same."""
    recent = RecentRequests()
    recent.add(_row(0), Script(steps))
    assert isinstance(recent._entries[0][1], str)
    assert recent.entries()[0]["script"] == script_text(Script(steps))


def test_a_request_without_a_script_has_none() -> None:
    """A client that left before it was admitted."""
    recent = RecentRequests()
    recent.add(_row(0), None)
    assert recent.entries()[0]["script"] is None


def test_of_a_long_script_the_beginning_is_told() -> None:
    """Telling half a million steps would hold everybody up."""
    script = Script((Head(200), *[Send(b"x" * (n % 1_000)) for n in range(3 * MOST_WORDS)], End()))
    text = script_text(Script((Head(200), *[Send(b"x")] * (2 * MOST_WORDS), End())))
    assert text == f"Head 200 · {MOST_WORDS - 1}×body 1 B · …"
    assert len(script_text(script)) <= LONGEST_TEXT + 1
