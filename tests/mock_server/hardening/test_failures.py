"""Bugs, put in on purpose: one request fails, says so, and gives back what it held; nobody else notices."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from windtunnel.mock_server.provider.regions import RegionState
from windtunnel.mock_server.transports.failures import FAILED, MAX_PLACES, Failures

Serve = Callable[..., Any]

SECRET = "sk-what-the-client-said"
ONE_SLOT = {"provider": {"capacity": {"slots": 1}, "answer": {"first_token": "1ms", "tokens": 2}}}


def fail(*_: Any, **__: Any) -> Any:
    """What a bug does, with something of the request in its words."""
    raise RuntimeError(SECRET)


def once(failing: Callable[..., Any], sound: Callable[..., Any]) -> Callable[..., Any]:
    """The first call fails, the others are sound."""
    left = [failing]
    return lambda *args, **kwargs: (left.pop() if left else sound)(*args, **kwargs)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("engine", "identify"),
        ("engine", "admit"),
        ("engine", "start"),
        ("engine", "_finish"),
        ("schedule", "add"),
        ("mock", "record"),
        ("admission", "planned"),
    ],
)
def test_a_request_that_fails(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, owner: str, name: str
) -> None:
    """Wherever a request fails, its client gets a 500 (or had its answer), and its slot goes to the next one."""
    server = serve(ONE_SLOT)
    mock = server.mock
    if owner in ("admission", "schedule"):
        kind = type(getattr(mock.engine, f"_{owner}"))
        monkeypatch.setattr(kind, name, once(fail, getattr(kind, name)))
    else:
        target = mock if owner == "mock" else mock.engine
        monkeypatch.setattr(target, name, once(fail, getattr(target, name)), raising=True)
    with server.connect() as client:
        client.ask()
        status, _, body = client.answer()
        if status != 200:
            error = json.loads(body)["error"]
            assert (status, error["type"], error["message"]) == (500, "server_error", FAILED)
            assert client.read_to_end() == b""
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    assert sum(mock.counters.failures.by_place.values()) == 1
    assert server.call(lambda: (len(mock.exchanges), mock.engine.snapshot(mock.now())["in_flight"])) == (0, 0)
    (record,) = [record for record in caplog.records if record.name == "windtunnel.mock_server"]
    assert record.levelno == logging.ERROR
    assert "in fail" in record.getMessage()
    assert SECRET not in record.getMessage()


def test_a_stream_that_fails(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has some of its answer gets a reset connection, not a second head."""
    server = serve({"provider": {"answer": {"first_token": "1ms", "tokens": 8, "tokens_per_second": 20.0}}})
    with server.connect() as client:
        client.ask(stream=True)
        assert client.head()[0] == 200
        monkeypatch.setattr(RegionState, "due", fail)
        with pytest.raises(ConnectionResetError):
            client.read_to_end()
    assert server.row()["ending"] == "failed"


def test_a_request_that_waited_for_a_failing_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request in the queue starts when the one before it has failed, and failing in the queue hurts no other."""
    server = serve(
        {**ONE_SLOT, "provider": {**ONE_SLOT["provider"], "answer": {"first_token": "40ms", "tokens": 1}}}
    )
    engine = server.mock.engine
    monkeypatch.setattr(engine, "_finish", once(fail, engine._finish))
    with server.connect() as first, server.connect() as second, server.connect() as third:
        for client in (first, second, third):
            client.ask()
        assert first.answer()[0] in (200, 500)
        assert second.answer()[0] == 200
        assert third.answer()[0] == 200


def test_an_admin_request_that_fails(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing admin request gets a 500, one that fails while it is written a reset connection, others answers."""
    server = serve()
    journal = server.journal

    def torn() -> Any:
        yield b"{}"
        fail()

    monkeypatch.setattr(type(journal), "json_lines", lambda _: torn())
    monkeypatch.setattr(server.mock, "snapshot", once(fail, server.mock.snapshot))
    headers = {"host": "localhost"}
    with server.connect() as client:
        client.ask(method="GET", path="/_windtunnel/health", headers=headers)
        assert client.answer()[0] == 500
    with server.connect() as client:
        client.ask(method="GET", path="/_windtunnel/served", headers=headers)
        assert client.head()[0] == 200
        with pytest.raises(ConnectionResetError):
            client.read_to_end()
    with server.connect() as client:
        client.ask(method="GET", path="/metrics", headers=headers)
        text = client.answer()[2].decode()
    assert text.count("windtunnel_failures_total{") == 1
    assert "} 2.0" in text.partition("windtunnel_failures_total{")[2].partition("\n")[0]


def test_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand failures of one place are one record and a count; places are told apart up to a number."""
    failures = Failures()
    for n in range(1_000):
        try:
            fail()
        except RuntimeError as error:
            failures.note(error)
        try:
            exec(compile("\n" * n + "raise ValueError", "place", "exec"))
        except ValueError as error:
            failures.note(error)
    assert len(failures.by_place) == MAX_PLACES + 1
    assert failures.by_place["elsewhere"] == 1_000 - (MAX_PLACES - 1)
    assert len(caplog.records) == MAX_PLACES + 1
