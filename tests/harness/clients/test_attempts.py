"""Every HTTP request that a client makes is recorded, also the ones that never get an answer."""

from __future__ import annotations

import socket

import pytest

from tests.harness.clients.conftest import DRIVERS, SDKS, Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of

# What the libraries call the same thing. The SDK over aiohttp takes refusals, resets and a full pool for timeouts.
NAMES = {
    "aiohttp": {
        "ConnectError": "ClientConnectorError",
        "ReadTimeout": "SocketTimeoutError",
        "PoolTimeout": "ConnectionTimeoutError",
        "reset": "ClientOSError",
        "cut": "ClientPayloadError",
    },
    "openai-aiohttp": {
        "ConnectError": "ConnectTimeout",
        "PoolTimeout": "ConnectTimeout",
        "reset": "ConnectTimeout",
    },
}
THREE_TRIES = {"kind": "fixed", "tries": 3, "base": "1ms", "retry_on": ["everything"]}
EVENTS = [delta("", role="assistant"), delta("Hello"), delta(" there"), delta(finish="stop")]


def named(driver: str, error: str) -> str:
    """What this driver's library calls an error of httpx2."""
    return NAMES.get(driver, {}).get(error, error)


def healthy(exchange: Exchange) -> None:
    if exchange.body.get("stream"):
        stream_of(exchange, EVENTS)
    else:
        exchange.json(completion())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_healthy_call_leaves_one_call_and_one_attempt(play: Play, driver: str, stream: bool) -> None:
    """A call that goes well is one row with its answer, and one attempt whose times are in order."""
    played = play(driver, healthy, stream=stream)
    call, (attempt,) = played.call, played.attempts
    assert (call["outcome"], call["attempts_seen"], call["finish_reason"]) == ("ok", 1, "stop")
    assert (call["served_id"], call["status"], call["saw_done"]) == ("s0", 200, True)
    assert call["tokens_received"] == 3
    assert call["started_s"] <= attempt["started_s"] <= attempt["connected_s"] <= attempt["sent_s"]
    assert attempt["sent_s"] <= attempt["headers_s"] <= attempt["first_byte_s"] <= attempt["last_byte_s"]
    assert attempt["last_byte_s"] <= attempt["ended_s"]
    if (
        driver == "python" and not stream
    ):  # a callable that returns whole text shows no moment of its first content
        assert call["first_token_s"] is call["last_content_s"] is None
    else:
        assert call["first_token_s"] <= call["last_content_s"] <= call["ended_s"]
    assert attempt["error_type"] is None
    assert attempt["pool_wait_s"] >= 0
    assert attempt["http_version"] == "1.1"


@pytest.mark.parametrize("driver", DRIVERS)
def test_connecting_has_its_own_time(play: Play, driver: str) -> None:
    """The attempt that connects says how long that took, one on a kept connection says nothing of it."""
    played = play(
        driver,
        lambda exchange: exchange.json({"error": {}}, 500) if not exchange.number else healthy(exchange),
        retries=THREE_TRIES,
    )
    first, second = played.attempts
    waited = first["pool_wait_s"] + first["connect_s"]
    assert first["connect_s"] > 0
    assert first["started_s"] + waited <= first["connected_s"] + 1e-9
    assert [second[name] for name in ("dns_s", "connect_s", "tls_s", "connected_s")] == [None] * 4


def test_the_look_up_of_a_name_is_no_part_of_connecting(play: Play) -> None:
    """aiohttp shows how long it looks up a name; an address has no such time."""
    played = play("aiohttp", healthy)
    assert played.attempts[0]["dns_s"] is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    named_one = play("aiohttp", f"http://localhost:{port}/v1").attempts[0]
    assert named_one["dns_s"] > 0
    assert named_one["connect_s"] > 0
    assert named_one["dns_s"] + named_one["connect_s"] <= named_one["ended_s"] - named_one["started_s"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_three_tries_around_the_client_are_three_attempts(play: Play, driver: str) -> None:
    """A client that tries three times leaves exactly three attempts for each call, numbered from 0."""
    played = play(driver, lambda exchange: exchange.json({"error": {}}, 500), calls=5, retries=THREE_TRIES)
    numbers = [(row["call_id"], row["attempt"]) for row in played.attempts]
    assert numbers == [(f"c{call}", attempt) for call in range(5) for attempt in range(3)]
    assert {row["attempts_seen"] for row in played.calls} == {3}
    sent = [
        (headers["x-windtunnel-call"], headers["x-windtunnel-attempt"])
        for _, headers, _ in played.server.requests
    ]
    assert sorted(sent) == [(call, str(attempt)) for call, attempt in numbers]


@pytest.mark.parametrize("driver", SDKS)
def test_the_sdks_own_retries_are_recorded_each(play: Play, driver: str) -> None:
    """Retries that the SDK makes inside one call of ours are attempts of their own, with the SDK's own count."""

    def fail(exchange: Exchange) -> None:
        exchange.json({"error": {}}, 503, retry_after_ms="1")

    played = play(driver, fail, sdk={"max_retries": 2})
    assert [(row["attempt"], row["sdk_retry_count"]) for row in played.attempts] == [(0, 0), (1, 1), (2, 2)]
    assert played.call["error_type"] == "InternalServerError"
    assert played.call["status"] == 503


@pytest.mark.parametrize("driver", SDKS)
def test_retries_around_the_sdk_multiply_with_its_own(play: Play, driver: str) -> None:
    """Three tries around an SDK with one retry are six requests."""

    def fail(exchange: Exchange) -> None:
        exchange.json({"error": {}}, 503, retry_after_ms="1")

    played = play(driver, fail, sdk={"max_retries": 1}, retries={**THREE_TRIES, "respect_retry_after": False})
    assert [row["sdk_retry_count"] for row in played.attempts] == [0, 1] * 3
    assert [row["attempt"] for row in played.attempts] == list(range(6))


@pytest.mark.parametrize(
    ("driver", "error", "cause"),
    [
        ("openai", "APITimeoutError", "ReadTimeout"),
        ("openai-async", "APITimeoutError", "ReadTimeout"),
        ("openai-aiohttp", "APITimeoutError", "ReadTimeout"),
        ("httpx2", "ReadTimeout", "ReadTimeout"),
        ("httpx2-async", "ReadTimeout", "ReadTimeout"),
        ("aiohttp", "SocketTimeoutError", None),
        ("python", "APITimeoutError", "ReadTimeout"),
    ],
)
def test_a_read_timeout_is_an_attempt(play: Play, driver: str, error: str, cause: str | None) -> None:
    """A server that never answers leaves an attempt without status that ended in a read timeout."""
    played = play(driver, Exchange.until_left, timeouts={"read": "100ms"})
    (attempt,) = played.attempts
    assert (played.call["outcome"], played.call["error_type"], played.call["error_cause"]) == (
        "timeout",
        error,
        cause,
    )
    assert (attempt["status"], attempt["headers_s"]) == (None, None)
    assert attempt["error_type"] == named(driver, "ReadTimeout")
    assert attempt["ended_s"] - attempt["sent_s"] >= 0.09


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_refused_connection_is_an_attempt(play: Play, driver: str) -> None:
    """Where nothing listens, the attempt is recorded as one that never connected."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    played = play(driver, f"http://127.0.0.1:{port}/v1")
    (attempt,) = played.attempts
    assert attempt["error_type"] == named(driver, "ConnectError")
    assert (attempt["connected_s"], attempt["sent_s"], attempt["status"]) == (None, None, None)
    assert attempt["connect_s"] > 0  # in vain
    assert played.call["outcome"] == ("timeout" if driver == "openai-aiohttp" else "error")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reset_is_an_attempt(play: Play, driver: str) -> None:
    """A connection reset before the answer is an attempt that was sent and broke."""
    played = play(driver, Exchange.reset)
    (attempt,) = played.attempts
    assert attempt["error_type"] in ("ReadError", "RemoteProtocolError", named(driver, "reset"))
    assert attempt["sent_s"] is not None
    assert attempt["status"] is None
    assert played.call["outcome"] == ("timeout" if driver == "openai-aiohttp" else "error")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_full_pool_is_an_attempt_that_reached_nobody(play: Play, driver: str) -> None:
    """A call that waits in vain for a connection of the local pool is recorded, and the server never saw it."""
    played = play(
        driver,
        Exchange.until_left,
        calls=2,
        pool={"connections": 1},
        timeouts={"pool": "50ms", "read": "500ms"},
    )
    errors = sorted(row["error_type"] for row in played.attempts)
    assert errors == sorted(named(driver, error) for error in ("PoolTimeout", "ReadTimeout"))
    assert len(played.server.requests) == 1
    in_vain = next(row for row in played.attempts if row["error_type"] != named(driver, "ReadTimeout"))
    assert in_vain["pool_wait_s"] == in_vain["ended_s"] - in_vain["started_s"] >= 0.04
    if driver != "aiohttp":  # which has no cause behind its own name
        assert named(driver, "PoolTimeout") in {row["error_cause"] for row in played.calls}
    assert {row["outcome"] for row in played.calls} == {"timeout"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stream_cut_in_the_middle_is_an_attempt_with_its_bytes(play: Play, driver: str) -> None:
    """An answer that breaks off keeps its status, its bytes and the error that broke it."""

    def cut(exchange: Exchange) -> None:
        exchange.stream()
        exchange.event(delta("Half"))
        exchange.reset()

    played = play(driver, cut, stream=True)
    (attempt,) = played.attempts
    assert attempt["status"] == 200
    assert attempt["body_bytes"] > 0
    assert attempt["error_type"] in ("ReadError", "RemoteProtocolError", named(driver, "cut"))
    assert attempt["body_complete"] is False
    assert (played.call["outcome"], played.call["digest"]) == ("error", None)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kept_connection_is_the_same_connection(play: Play, driver: str) -> None:
    """Attempts on one connection carry one connection id, and only the first of them connected."""
    played = play(
        driver,
        lambda exchange: (
            exchange.json({"error": {}}, 500) if exchange.number < 2 else exchange.json(completion())
        ),
        retries=THREE_TRIES,
    )
    assert len({row["connection_id"] for row in played.attempts}) == 1
    assert [row["connected_s"] is None for row in played.attempts] == [False, True, True]
    assert played.call["outcome"] == "ok"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_cancelled_call_is_recorded_with_its_attempt(play: Play, driver: str) -> None:
    """What still runs when the load ends leaves its rows: a cancelled call, and an attempt that was broken off."""
    played = play(driver, Exchange.until_left, calls=3, cancel_after_s=0.3)
    assert [row["outcome"] for row in played.calls] == ["cancelled"] * 3
    assert len(played.attempts) == 3
    assert {row["error_type"] for row in played.attempts} <= {"GreenletExit", "CancelledError"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_warm_up_call_is_not_recorded(play: Play, driver: str, stream: bool) -> None:
    """The first call of an instance reaches the server without an id and leaves no row."""
    played = play(driver, healthy, warm_up=True, stream=stream)
    assert (len(played.calls), len(played.attempts)) == (1, 1)
    assert ["x-windtunnel-call" in headers for _, headers, _ in played.server.requests] == [False, True]
