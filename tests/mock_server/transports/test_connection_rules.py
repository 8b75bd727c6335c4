"""A region's rules for connections: idle ones end, announced or not, told or not; one too many is turned away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

Serve = Callable[..., Any]


def _plan(**rules: Any) -> dict[str, Any]:
    answer = {"first_token": "0ms", "tokens": 1}
    return {"provider": {"answer": answer, "regions": {"local": {"connections": rules}}}}


def test_an_idle_connection_is_closed_after_its_time(serve: Serve) -> None:
    """It ends with a FIN, after an answer as well as before any request; one that is used goes on."""
    server = serve(_plan(idle="200ms"))
    with server.connect() as client, server.connect() as unused:
        began = time.monotonic()
        for _ in range(3):
            client.ask()
            assert "keep-alive" not in client.answer()[1]
        assert client.read_to_end() == b""
        assert unused.read_to_end() == b""
        assert time.monotonic() - began >= 0.198
    assert not server.call(lambda: server.mock.client_connections)


def test_a_slow_answer_does_not_expire(serve: Serve) -> None:
    """Time counts from the end of an answer: a connection at work is not idle."""
    plan = _plan(idle="100ms")
    plan["provider"]["answer"] = {"first_token": "400ms", "tokens": 1}
    server = serve(plan)
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
        assert client.read_to_end() == b""


def test_the_time_is_announced_in_whole_seconds(serve: Serve) -> None:
    """`keep-alive: timeout=` stands in each answer that the connection outlives, and in no other."""
    server = serve(_plan(idle="90s", announce=True))
    with server.connect() as client:
        client.ask()
        assert client.answer()[1]["keep-alive"] == "timeout=90"
        client.ask(headers={"connection": "close"})
        assert "keep-alive" not in client.answer()[1]


def test_the_last_request_of_a_connection_is_told(serve: Serve) -> None:
    """With `requests: 2` the second answer says `connection: close`, and the connection is closed."""
    server = serve(_plan(requests=2))
    with server.connect() as client:
        client.ask()
        assert "connection" not in client.answer()[1]
        client.ask()
        assert client.answer()[1]["connection"] == "close"
        assert client.read_to_end() == b""


@pytest.mark.parametrize("expiry", ["reset", "silent"])
def test_a_forgotten_connection_ends_with_what_is_sent_next(serve: Serve, expiry: str) -> None:
    """Nothing is told at the expiry; the next request is reset, or never answered and never recorded."""
    server = serve(_plan(idle="50ms", expiry=expiry))
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        client.ask()
        with pytest.raises(TimeoutError if expiry == "silent" else ConnectionResetError):
            client.sock.recv(1)
        assert len(server.journal.rows) == 1
        assert server.call(lambda: server.mock.client_connections) == (1 if expiry == "silent" else 0)


def test_one_connection_too_many_is_reset(serve: Serve) -> None:
    """A full region resets a new connection; once one has gone there is room again."""
    server = serve(_plan(most=1))
    with server.connect() as first:
        first.ask()
        assert first.answer()[0] == 200
        with (
            pytest.raises(ConnectionResetError),
            server.connect() as second,
        ):  # on loopback, maybe while connecting
            second.sock.recv(1)
    _until(lambda: not server.call(lambda: server.mock.client_connections))
    with server.connect() as third:
        third.ask()
        assert third.answer()[0] == 200


def test_one_connection_too_many_may_be_told(serve: Serve) -> None:
    """`busy` answers its first request with a 503, and closes."""
    server = serve(_plan(most=1, when_full="busy"))
    with server.connect() as first, server.connect() as second:
        first.ask()
        assert first.answer()[0] == 200
        second.ask()
        status, headers, body = second.answer()
        assert status == 503
        assert headers["connection"] == "close"
        assert b"Too many connections" in body
        first.ask()
        assert first.answer()[0] == 200


def test_one_connection_too_many_may_wait(serve: Serve) -> None:
    """`wait` connects it and reads nothing until another one has gone; one that gives up meanwhile is forgotten."""
    server = serve(_plan(most=1, when_full="wait"))
    with server.connect() as first:
        first.ask()
        assert first.answer()[0] == 200
        with server.connect() as second, server.connect() as third:
            second.ask()
            third.ask()
            second.sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                second.sock.recv(1)
            assert len(server.journal.rows) == 1
            first.sock.close()
            second.sock.settimeout(20)
            assert second.answer()[0] == 200
            second.sock.close()
            assert third.answer()[0] == 200


def test_a_phase_changes_the_rules(serve: Serve) -> None:
    """A connection that becomes idle later ends by the rules of then."""
    plan = _plan(idle="60s")
    later = {"regions": {"local": {"connections": {"idle": "50ms"}}}}
    plan["phases"] = [{"name": "a", "for": "300ms"}, {"name": "b", "for": "60s", "provider": later}]
    server = serve(plan)
    with server.connect() as client:
        client.ask()
        client.answer()
        _until(lambda: server.call(server.mock.now) > 0.3)
        client.ask()
        client.answer()
        assert client.read_to_end() == b""


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"announce": True}, "announce without idle"),
        ({"expiry": "silent"}, "expiry without idle"),
        ({"idle": "100ms", "announce": True}, "an idle of 0.1 s that is announced"),
        ({"when_full": "wait"}, "when_full without most"),
        ({"idle": "0s"}, "idle"),
        ({"most": 0}, "most"),
        ({"ilde": "5s"}, "ilde"),
    ],
)
def test_rules_that_do_nothing_are_refused(rules: dict[str, Any], told: str) -> None:
    """Each is named at its key, with what was found."""
    with pytest.raises(ValueError, match=told):
        Plan.model_validate(_plan(**rules))


def test_a_mock_without_sockets_has_no_connections() -> None:
    """It refuses rules for them, as it refuses a link."""
    with pytest.raises(ValueError, match="connections"):
        InProcess(Plan.model_validate(_plan(idle="5s")))


def _until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not so():
        assert time.monotonic() < end
        time.sleep(0.005)
