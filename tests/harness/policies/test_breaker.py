"""The circuit breaker: when it opens, what it lets through, when it closes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.inputs.policies import Breaker
from windtunnel.harness.policies.breaker import CircuitBreaker
from windtunnel.harness.policies.failure import Failure

ERROR = Failure("status", ValueError(), 503)


def breaker(**parts: Any) -> CircuitBreaker:
    small = {"rate": 0.5, "calls": 4, "window": "10s", "open": "30s", "probes": 2}
    return CircuitBreaker(Breaker.model_validate({**small, **parts}))


def tried(tested: CircuitBreaker, failures: list[Failure | None], now: float = 0.0) -> list[bool]:
    """Make one try after the other; whether each was let through."""
    made = []
    for failure in failures:
        leave = tested.ask(now)
        made.append(leave is not None)
        if leave is not None:
            tested.ended(leave, failure, now)
    return made


def opened(**parts: Any) -> CircuitBreaker:
    """A breaker that opened at 0."""
    tested = breaker(**parts)
    tried(tested, [ERROR] * 4)
    assert tested.state(0.0) == "open"
    return tested


def test_it_opens_at_its_rate_and_not_before_its_minimum() -> None:
    """Three failures of three are too few tries to say anything; of four tries two are enough."""
    tested = breaker()
    assert tried(tested, [ERROR, ERROR, ERROR]) == [True] * 3
    assert tested.state(0.0) == "closed"
    tested = breaker()
    assert tried(tested, [None, None, ERROR, ERROR, None]) == [True, True, True, True, False]


def test_a_try_older_than_the_window_does_not_count() -> None:
    """Failures of ten seconds ago are forgotten."""
    tested = breaker()
    tried(tested, [ERROR, ERROR, ERROR], now=0.0)
    tried(tested, [ERROR], now=10.0)
    assert tested.state(10.0) == "closed"
    tried(tested, [ERROR], now=9.0)
    tried(tested, [None, ERROR], now=11.0)
    assert tested.state(11.0) == "open"


@pytest.mark.parametrize(
    ("failure", "counted"),
    [
        (Failure("timeout", ValueError()), True),
        (Failure("connection", ValueError()), True),
        (Failure("broken_answer", ValueError()), True),
        (Failure("status", ValueError(), 429), True),
        (Failure("status", ValueError(), 500), True),
        (Failure("status", ValueError(), 400), False),
        (Failure("status", ValueError(), 401), False),
    ],
)
def test_what_counts(failure: Failure, counted: bool) -> None:
    """By default trouble of the provider counts, and what the caller did wrong does not."""
    tested = breaker()
    tried(tested, [failure] * 4)
    assert (tested.state(0.0) == "open") is counted
    only_statuses = breaker(counts=["4xx"])
    tried(only_statuses, [failure] * 4)
    assert (only_statuses.state(0.0) == "open") is (failure.status in (400, 401, 429))


def test_nothing_passes_while_it_is_open() -> None:
    """For its time nothing is sent, to the second."""
    tested = opened()
    assert tested.ask(29.999) is None
    assert tested.state(29.999) == "open"
    assert tested.ask(30.0) is not None


def test_probes_close_it_if_all_succeed() -> None:
    """Two probes at once and no third; when both succeeded it is closed, with an empty window."""
    tested = opened()
    first, second, third = tested.ask(31.0), tested.ask(31.0), tested.ask(31.0)
    assert first is not None
    assert second is not None
    assert third is None
    tested.ended(first, None, 32.0)
    assert tested.state(32.0) == "half_open"
    assert tested.ask(32.0) is None
    tested.ended(second, None, 33.0)
    assert tested.state(33.0) == "closed"
    assert tried(tested, [ERROR, ERROR, ERROR], now=34.0) == [True] * 3
    assert tested.state(34.0) == "closed"


def test_one_failed_probe_opens_it_again_for_the_whole_time() -> None:
    """It waits anew from the failure on; a probe that succeeds after that changes nothing."""
    tested = opened()
    first, second = tested.ask(31.0), tested.ask(31.0)
    assert first is not None
    assert second is not None
    tested.ended(first, ERROR, 35.0)
    tested.ended(second, None, 36.0)
    assert tested.ask(64.9) is None
    assert tested.ask(65.0) is not None


def test_a_caller_who_errs_is_an_answer_too() -> None:
    """A 400 to a probe shows that the provider is there."""
    tested = opened(probes=1)
    assert tried(tested, [Failure("status", ValueError(), 400)], now=31.0) == [True]
    assert tested.state(31.0) == "closed"


def test_what_began_before_says_nothing_about_the_new_state() -> None:
    """A try from before it opened that fails late does not fail a probe, and does not open it twice."""
    tested = breaker()
    late = tested.ask(0.0)
    assert late is not None
    tried(tested, [ERROR] * 4)
    tested.ended(late, ERROR, 20.0)
    assert tested.ask(30.0) is not None
    later = breaker(probes=1)
    old = later.ask(0.0)
    assert old is not None
    tried(later, [ERROR] * 4)
    assert tried(later, [None], now=30.0) == [True]
    later.ended(old, ERROR, 31.0)
    assert tried(later, [ERROR] * 3, now=31.0) == [True] * 3
    assert later.state(31.0) == "closed"


def test_a_probe_that_was_called_off_gives_its_place_back() -> None:
    """Without that, cancelled probes would keep a breaker half open for ever."""
    tested = opened(probes=1)
    leave = tested.ask(31.0)
    assert leave is not None
    assert tested.ask(31.0) is None
    tested.forgotten(leave)
    assert tried(tested, [None], now=32.0) == [True]
    assert tested.state(32.0) == "closed"


@given(st.lists(st.tuples(st.floats(0, 8), st.booleans()), max_size=150))
def test_between_two_openings_lies_the_whole_time(events: list[tuple[float, bool]]) -> None:
    """However tries end, none is let through while it is open, and after that only probes until they have ended."""
    tested = breaker()
    now, opened_at, probes = 0.0, None, 0
    for pause, succeeds in events:
        now += pause
        before = tested.state(now)
        leave = tested.ask(now)
        assert (leave is None) == (before == "open")
        if leave is None:
            assert opened_at is not None
            assert now < opened_at + 30
            continue
        probes += before == "half_open"
        tested.ended(leave, None if succeeds else ERROR, now)
        if tested.state(now) == "open":
            opened_at, probes = now, 0
        elif before == "half_open":
            assert (tested.state(now) == "closed") == (probes == 2)
            probes = 0 if probes == 2 else probes
