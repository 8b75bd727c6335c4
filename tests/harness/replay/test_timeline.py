"""Timelines: what is shown of what was noted."""

from __future__ import annotations

import io
import json

from rich.console import Console

from windtunnel.harness.replay.timeline import (
    ProviderView,
    TimelineEvent,
    as_json,
    folded,
    from_json,
    rows,
    show,
)

CALM = ProviderView("calm", "open", 1, 8, 0, 4, requests=(59, 60))
BUSY = ProviderView("incident", "closed (refuse)", 8, 8, 4, 4)


def tokens(count: int) -> list[TimelineEvent]:
    return [TimelineEvent(1.0 + 0.1 * n, "wire ←", f"token {n}", CALM, repeats=True) for n in range(count)]


def test_an_event_survives_a_file() -> None:
    """What is read back from JSON is what was written."""
    event = TimelineEvent(1.5, "pool", "asked", CALM, {"idle": 2})
    assert from_json(json.loads(json.dumps(as_json(event)))) == event


def test_long_streams_are_folded() -> None:
    """Of a long run of tokens the ends are shown, and how many are not; short runs stay whole."""
    shown = [event.what for event in folded(tokens(50))]
    assert shown[:3] == ["token 0", "token 1", "token 2"]
    assert shown[3].startswith("… 44 more")
    assert shown[4:] == ["token 47", "token 48", "token 49"]
    assert len(list(folded(tokens(7)))) == 7


def test_a_stall_within_a_fold_is_told() -> None:
    """The longest gap of what is folded away is named."""
    run = tokens(20)
    stalled = [
        *run[:10],
        *(TimelineEvent(one.at_s + 5.0, one.who, one.what, CALM, repeats=True) for one in run[10:]),
    ]
    assert any("longest gap 5.100 s" in event.what for event in folded(stalled))


def test_the_provider_is_said_where_it_changed() -> None:
    """A line has the provider's state exactly if it is another one than the line before."""
    events = [
        TimelineEvent(0.0, "app", "a", CALM),
        TimelineEvent(1.0, "app", "b", CALM),
        TimelineEvent(2.0, "app", "c", BUSY),
    ]
    states = [row[4] for row in rows(events, 0.5)]
    assert states[1] == ""
    assert "59/60 req" in states[0]
    assert "port closed (refuse)" in states[2]
    assert [row[1] for row in rows(events, 0.5)] == ["-0.500000", "+0.500000", "+1.500000"]


def test_a_terminal_gets_a_table() -> None:
    """On a terminal the same lines stand in a table, brackets and all."""
    out = io.StringIO()
    show([TimelineEvent(0.0, "app", "[bold]", CALM)], 0.0, Console(file=out, force_terminal=True, width=120))
    assert "[bold]" in out.getvalue()
