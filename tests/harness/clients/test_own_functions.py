"""A user's own functions, plain and async, whole and streamed: every attempt is seen, over every transport."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of
from windtunnel.mock_server.api.truth import digest

PLAIN = ("requests", "urllib3", "urllib", "httpx", "httpx2", "openai")
ASYNC = ("httpx", "httpx2", "aiohttp", "openai")
FUNCTIONS = [f"plain_{name}" for name in PLAIN] + [f"async_{name}" for name in ASYNC]
WHOLE = digest([(0, "Hello there", None, [], "stop")])
AGAIN = {"kind": "fixed", "tries": 2, "base": "1ms", "retry_on": ["everything"]}


def kind_of(name: str) -> dict[str, Any]:
    return {"target": f"own_functions:{name}", "target_kind": "plain" if name[:2] != "as" else "async"}


def healthy(exchange: Exchange) -> None:
    if exchange.body.get("stream"):
        stream_of(exchange, [delta("Hello"), delta(" there"), delta(finish="stop")])
    else:
        exchange.json(completion())


def refused_once(exchange: Exchange) -> None:
    if exchange.number:
        healthy(exchange)
    else:
        exchange.json({"error": {"message": "slow down"}}, status=429, retry_after="0")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_429_and_its_retry_are_two_attempts(play: Play, name: str, stream: bool) -> None:
    """The attempts are those that the server had: one refused, and one whole, on their connections."""
    chosen = kind_of(f"{name}_stream" if stream else name)
    played = play("python", refused_once, calls=3, stream=stream, retries=AGAIN, **chosen)
    assert [call["outcome"] for call in played.calls] == ["ok"] * 3
    assert {call["digest"] for call in played.calls} == {WHOLE}
    found = [(row["call_id"], row["attempt"], row["status"], row["served_id"]) for row in played.attempts]
    expected = [
        (call, n, status, f"s{n}") for call in ("c0", "c1", "c2") for n, status in enumerate((429, 200))
    ]
    assert found == expected
    assert len(played.server.requests) == len(found)
    seen = sorted(
        (headers["x-windtunnel-call"], int(headers["x-windtunnel-attempt"]))
        for _, headers, _ in played.server.requests
    )
    assert seen == sorted((call, attempt) for call, attempt, *_ in expected)
    for row in played.attempts:
        times = [
            row[key] for key in ("started_s", "connected_s", "sent_s", "headers_s", "first_byte_s", "ended_s")
        ]
        known = [one for one in times if one is not None]
        assert known == sorted(known), row
        assert row["connection_id"] is not None
        assert row["body_bytes"] > 0 or row["status"] == 429


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_stalled_stream_ends_by_its_own_timeout(play: Play, name: str) -> None:
    """The first content, and that no more came, are known: the attempt has the error, the call what it was told."""

    def stalls(exchange: Exchange) -> None:
        exchange.stream()
        exchange.event(delta("Hello"))
        exchange.until_left()

    began = time.monotonic()
    played = play("python", stalls, stream=True, **kind_of(f"{name}_stream"))
    assert time.monotonic() - began < 15
    (attempt,) = played.attempts
    call = played.call
    assert call["outcome"] in ("timeout", "error"), call
    assert call["first_token_s"] is not None
    assert attempt["status"] == 200
    assert attempt["error_type"] is not None
    assert not attempt["body_complete"]
    if "openai" not in name:  # of which the harness reads the SDK's own stream
        assert call["error_place"].startswith("own_functions.py:")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_content_and_gaps_are_those_of_the_pieces(play: Play, name: str) -> None:
    """Each piece that a generator yields is content: there is a first one, and a gap before each other one."""
    played = play("python", healthy, stream=True, **kind_of(f"{name}_stream"))
    assert (played.call["outcome"], played.call["digest"]) == ("ok", WHOLE)
    assert played.call["first_token_s"] is not None
    assert len(played.call["gaps_s"]) == 1
    assert played.call["tokens_received"] == 3


@pytest.mark.parametrize("name", [f"plain_{name}" for name in PLAIN])
def test_a_watchdog_ends_a_function_that_blocks(play: Play, name: str) -> None:
    """It waits in a greenlet, into which the deadline is thrown; the attempt ends with it."""
    timeouts = {"total": "300ms"}
    played = play("python", Exchange.until_left, timeouts=timeouts, **kind_of(name))
    assert played.call["outcome"] == "deadline"
    (attempt,) = played.attempts
    assert attempt["error_type"] is not None


@pytest.mark.parametrize(("name", "requests"), [("in_a_pool", 2), ("in_a_thread", 1)])
def test_threads_of_a_call_are_in_its_context(play: Play, name: str, requests: int) -> None:
    """What a plain function does in threads, its own or shared ones, is recorded for the right call."""
    played = play("python", healthy, calls=4, **kind_of(name))
    assert [call["outcome"] for call in played.calls] == ["ok"] * 4
    assert sorted(row["call_id"] for row in played.attempts) == sorted([f"c{n}" for n in range(4)] * requests)
    assert sorted(headers["x-windtunnel-call"] for _, headers, _ in played.server.requests) == sorted(
        row["call_id"] for row in played.attempts
    )
