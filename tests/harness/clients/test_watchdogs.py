"""The layers of timeout that no socket has, over real sockets, in both shells."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.harness.clients.conftest import DRIVERS, Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of

RETRY_TIMEOUTS = {"kind": "fixed", "tries": 2, "base": "1ms", "retry_on": ["timeout", "broken_answer"]}


def comments_for_ever(exchange: Exchange) -> None:
    """Comments and empty deltas until the client leaves: bytes, and no content."""
    left = threading.Event()
    watcher = threading.Thread(target=lambda: (exchange.until_left(), left.set()))
    watcher.start()
    while not left.wait(0.02):
        exchange.chunk(": ping\n\n")
        exchange.event(delta(""))
    watcher.join()


def silent_stream(exchange: Exchange) -> None:
    exchange.stream()
    comments_for_ever(exchange)


def stalled_stream(exchange: Exchange) -> None:
    exchange.stream()
    exchange.event(delta("Hello"))
    comments_for_ever(exchange)


@pytest.mark.parametrize("driver", DRIVERS)
def test_first_content_is_awaited_whatever_else_arrives(play: Play, driver: str) -> None:
    """Comments and empty deltas keep a read timeout quiet, but not the watchdog for the first content."""
    played = play(driver, silent_stream, stream=True, timeouts={"first_content": "200ms", "read": "5s"})
    call, (attempt,) = played.call, played.attempts
    assert (call["outcome"], call["error_type"]) == ("timeout", "FirstContentTimeout")
    assert call["ended_s"] - attempt["started_s"] >= 0.19
    assert attempt["error_type"] in ("FirstContentTimeout", "CancelledError")
    assert attempt["body_bytes"] > 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_contents_are_awaited_one_after_another(play: Play, driver: str) -> None:
    """A stall in mid-stream is noticed by the time since the last content, heartbeats or not."""
    timeouts = {"first_content": "10s", "between_contents": "200ms", "read": "5s"}
    played = play(driver, stalled_stream, stream=True, timeouts=timeouts)
    call = played.call
    assert (call["outcome"], call["error_type"]) == ("timeout", "BetweenContentsTimeout")
    assert call["ended_s"] - call["last_content_s"] >= 0.19
    assert played.attempts[0]["last_content_s"] == call["last_content_s"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_watchdog_ends_the_try_and_a_retry_may_follow(play: Play, driver: str) -> None:
    """After a watchdog the policy decides as after any failure, and the next try has its full time."""

    def silent_at_first(exchange: Exchange) -> None:
        if exchange.number:
            stream_of(exchange, [delta("Hello"), delta(finish="stop")])
        else:
            silent_stream(exchange)

    timeouts = {"first_content": "300ms", "read": "5s"}
    played = play(driver, silent_at_first, stream=True, timeouts=timeouts, retries=RETRY_TIMEOUTS)
    assert (played.call["outcome"], played.call["attempts_seen"]) == ("ok", 2)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_total_covers_all_tries_and_waits(play: Play, driver: str) -> None:
    """The deadline of the whole call ends it in the middle of whichever try it is in."""
    retries = {"kind": "fixed", "tries": 100, "base": "10ms", "retry_on": ["everything"]}
    played = play(driver, Exchange.until_left, timeouts={"read": "150ms", "total": "400ms"}, retries=retries)
    call = played.call
    assert call["outcome"] == "deadline"
    assert 0.39 <= call["ended_s"] - call["started_s"] < 5
    assert call["wait_budget_s"] == 0.4
    assert 2 <= call["attempts_seen"] <= 3


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_wait_that_would_not_fit_is_not_begun(play: Play, driver: str) -> None:
    """A Retry-After beyond the deadline ends the call at once: waiting for it could help nobody."""

    def later(exchange: Exchange) -> None:
        exchange.json({"error": {}}, 429, retry_after="30")

    retries = {"kind": "fixed", "tries": 3, "base": "1ms"}
    call = play(driver, later, timeouts={"total": "20s"}, retries=retries).call
    assert (call["outcome"], call["attempts_seen"], call["status"]) == ("deadline", 1, 429)
    assert call["ended_s"] - call["started_s"] < 15


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_watched_call_that_goes_well_is_left_alone(play: Play, driver: str) -> None:
    """Watchdogs of a call that ended in time never ring, not even for the calls after it."""
    timeouts = {"first_content": "5s", "between_contents": "5s", "total": "10s"}
    played = play(driver, lambda exchange: exchange.json(completion()), timeouts=timeouts, calls=20)
    assert {row["outcome"] for row in played.calls} == {"ok"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_budget_is_shared_by_the_calls_of_an_instance(play: Play, driver: str) -> None:
    """Ten failing calls that deposit 0.1 each pay for exactly one retry between them."""
    retries = {"kind": "fixed", "tries": 3, "base": "1ms", "retry_on": ["everything"]}
    budget = {"kind": "ratio", "deposit": 0.1, "cap": 10, "start": 0}
    played = play(driver, lambda exchange: exchange.json({}, 500), calls=10, retries=retries, budget=budget)
    assert len(played.attempts) == 11


@pytest.mark.alone
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_limiter_spaces_the_attempts_of_an_instance(play: Play, driver: str) -> None:
    """With 1,200 a minute, attempts of calls that begin together start 50 ms apart."""
    played = play(
        driver,
        lambda exchange: exchange.json(completion()),
        calls=4,
        limiter={"rpm": 1200},
        warm_up=True,  # a client's first request takes longer, and would be the first of the four
    )
    starts = sorted(row["started_s"] for row in played.attempts)
    assert starts[-1] - starts[0] >= 0.149
    assert max(row["limiter_wait_s"] for row in played.calls) >= 0.04
    assert {row["outcome"] for row in played.calls} == {"ok"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_limiter_sheds_what_could_not_be_done_in_time(play: Play, driver: str) -> None:
    """A call whose turn comes only after its deadline is shed without any attempt."""
    timeouts = {"total": "5s"}
    played = play(
        driver, lambda exchange: exchange.json(completion()), calls=2, limiter={"rpm": 1}, timeouts=timeouts
    )
    assert sorted(row["outcome"] for row in played.calls) == ["ok", "shed"]
    assert len(played.attempts) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_breaker_refuses_is_shed(play: Play, driver: str) -> None:
    """After two failures of two tries nothing is sent: the other calls are shed, and the row says by whom."""
    breaker = {"rate": 0.5, "calls": 2, "window": "60s", "open": "60s", "probes": 1}
    played = play(
        driver, lambda exchange: exchange.json({}, 500), calls=6, breaker=breaker, limiter={"rpm": 600}
    )
    outcomes = Counter((call["outcome"], call["attempts_seen"]) for call in played.calls)
    assert outcomes == {("error", 1): 2, ("shed", 0): 4}
    assert {call["error_type"] for call in played.calls if call["outcome"] == "shed"} == {"BreakerOpen"}


@pytest.mark.parametrize("driver", ["openai", "openai-async"])
def test_a_retry_that_the_breaker_refuses_sheds_its_call(play: Play, driver: str) -> None:
    """A call whose retry is refused is shed as well, with the error that it would have retried as the cause."""
    breaker = {"rate": 0.5, "calls": 1, "window": "60s", "open": "60s", "probes": 1}
    retries = {"kind": "fixed", "tries": 3, "base": "1ms", "retry_on": ["5xx"]}
    played = play(driver, lambda exchange: exchange.json({}, 500), breaker=breaker, retries=retries)
    call = played.call
    assert (call["outcome"], call["attempts_seen"], call["error_type"]) == ("shed", 1, "BreakerOpen")
    assert call["error_cause"] == "InternalServerError"
