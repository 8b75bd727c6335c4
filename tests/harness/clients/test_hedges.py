"""Hedges and fallbacks in real time: two tries of one call at once, in tasks and in greenlets."""

from __future__ import annotations

import pytest

from tests.harness.clients.conftest import DRIVERS, Play
from tests.harness.clients.fault_server import Exchange, delta, stream_of
from tests.harness.clients.test_watchdogs import silent_stream

ONCE_MORE = {"kind": "fixed", "tries": 2, "base": "1s", "retry_on": ["5xx"]}
AT_ONCE = {"after": 1, "extra_tokens": 1.0}


def hello(exchange: Exchange) -> None:
    stream_of(exchange, [delta("Hello"), delta(finish="stop")])


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_faster_of_two_tries_is_the_answer(play: Play, driver: str) -> None:
    """One call measures; the other's retry hears nothing, so a hedge is sent: it answers, the retry is cancelled."""

    def handler(exchange: Exchange) -> None:
        if exchange.headers["x-windtunnel-call"] == "c0" or exchange.number == 2:
            hello(exchange)
        elif exchange.number == 0:
            exchange.json({}, status=500)
        else:
            silent_stream(exchange)

    played = play(driver, handler, calls=2, stream=True, retries=ONCE_MORE, hedge=AT_ONCE)
    call = next(row for row in played.calls if row["call_id"] == "c1")
    assert (call["outcome"], call["attempts_seen"], call["tokens_received"]) == ("ok", 3, 2)
    attempts = {row["attempt"]: row for row in played.attempts if row["call_id"] == "c1"}
    assert sorted(attempts) == [0, 1, 2]
    assert not attempts[1]["body_complete"]
    assert attempts[1]["started_s"] < attempts[2]["started_s"] < attempts[1]["ended_s"] <= call["ended_s"]
    assert call["served_id"] == attempts[2]["served_id"]


@pytest.mark.parametrize("driver", ["openai", "openai-async"])
def test_a_call_that_is_cancelled_takes_both_of_its_tries_along(play: Play, driver: str) -> None:
    """Neither try outlives its call, and each has its row."""

    def handler(exchange: Exchange) -> None:
        if exchange.headers["x-windtunnel-call"] == "c0":
            hello(exchange)
        elif exchange.number == 0:
            exchange.json({}, status=500)
        else:
            silent_stream(exchange)

    played = play(
        driver, handler, calls=2, stream=True, retries=ONCE_MORE, hedge=AT_ONCE, timeouts={"total": "4s"}
    )
    call = next(row for row in played.calls if row["call_id"] == "c1")
    attempts = [row for row in played.attempts if row["call_id"] == "c1"]
    assert (call["outcome"], call["error_type"]) == ("deadline", "DeadlineExceeded")
    assert call["attempts_seen"] == len(attempts) == 3
    assert max(row["ended_s"] for row in attempts) <= call["ended_s"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_local_model_answers_when_the_provider_does_not(play: Play, driver: str) -> None:
    """The call is ok after one attempt, and belongs to no region."""
    local = {"first_content": "50ms", "tokens": 7, "tokens_per_second": 100}
    played = play(
        driver,
        lambda exchange: exchange.json({}, status=503),
        stream=True,
        fallback={"to": [{"local": local}]},
    )
    call = played.call
    assert (call["outcome"], call["attempts_seen"], call["tokens_received"]) == ("ok", 1, 7)
    assert (call["region"], call["model"], call["served_id"]) == ("", "local", None)
    assert call["last_content_s"] - call["first_token_s"] >= 0.06
