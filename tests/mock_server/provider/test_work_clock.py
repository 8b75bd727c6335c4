"""The clock of work: how far answers have got when the speed changes while they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.provider.work_clock import WorkClock

changes = st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.5, 500.0)), max_size=12)


def integral(pieces: list[tuple[float, float]], start: float, end: float) -> float:
    """∫ rate dt from `start` to `end`, where `pieces` are (from, rate) in order."""
    total = 0.0
    for i, (begin, rate) in enumerate(pieces):
        until = pieces[i + 1][0] if i + 1 < len(pieces) else float("inf")
        total += rate * max(0.0, min(end, until) - max(start, begin))
    return total


@settings(deadline=None)
@given(st.floats(0.5, 500.0), changes, st.floats(0.0, 20.0), st.integers(0, 2000))
def test_a_token_is_due_when_the_integral_of_the_rate_says(
    rate: float, later: list[tuple[float, float]], first_token_at: float, tokens: int
) -> None:
    """Once no change of rate is to come, the work between first token and due time is exactly the tokens."""
    clock, now, pieces = WorkClock(rate), 0.0, [(-1e9, rate)]
    progress = clock.begin(first_token_at, 0.0)
    for pause, other in later:
        now += pause
        clock.change(other, now)
        pieces.append((now, other))
    due = clock.due(progress, tokens)
    if due >= now:  # the past is not asked for: a token due earlier was played when it was due
        assert integral(pieces, first_token_at, due) == pytest.approx(tokens, rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(st.floats(0.5, 500.0), changes, st.floats(0.0, 5.0), st.floats(0.0, 30.0))
def test_generated_counts_the_work_done(
    rate: float, later: list[tuple[float, float]], first_token_at: float, ask: float
) -> None:
    """What was generated after the first token by now is the integral of the rate; nothing before it."""
    clock, now, pieces = WorkClock(rate), 0.0, [(-1e9, rate)]
    progress = clock.begin(first_token_at, 0.0)
    for pause, other in later:
        now += pause
        clock.change(other, now)
        pieces.append((now, other))
    at = now + ask
    if at < first_token_at:
        assert clock.generated(progress, at) < 0
    else:
        expected = integral(pieces, first_token_at, at)
        assert clock.generated(progress, at) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_half_the_speed_in_the_middle_takes_twice_as_long_for_the_rest() -> None:
    """40 tokens at 80 a second, then 40 at 40 a second: 0.5 s and 1 s."""
    clock = WorkClock(80.0)
    progress = clock.begin(1.0, 0.0)
    assert clock.due(progress, 80) == pytest.approx(2.0)
    clock.change(40.0, 1.5)
    assert clock.due(progress, 80) == pytest.approx(2.5)


def test_a_change_before_the_first_token_counts_from_the_first_token_on() -> None:
    """The time to the first token is not work: a change of rate leaves it where it is."""
    clock = WorkClock(80.0)
    progress = clock.begin(1.0, 0.0)
    clock.change(40.0, 0.5)
    assert clock.due(progress, 0) == 1.0
    assert clock.due(progress, 40) == pytest.approx(2.0)


def test_the_clock_remembers_only_answers_that_still_wait_for_their_first_token() -> None:
    """A million answers one after the other leave nothing behind."""
    clock = WorkClock(80.0)
    for i in range(10_000):
        clock.begin(i + 0.5, float(i))
    assert len(clock._pending) <= 2
