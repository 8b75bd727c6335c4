"""The admin API on real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def test_admin_and_answers_share_a_connection(serve: Callable[..., Any]) -> None:
    """Admin requests are answered between others on one connection, and leave no row."""
    server = serve()
    with server.connect() as client:
        client.ask()
        client.ask(method="GET", path="/_windtunnel/health")
        client.ask()
        client.ask(method="GET", path="/metrics")
        answers = [client.answer() for _ in range(4)]
    assert [status for status, _, _ in answers] == [200] * 4
    assert ["x-windtunnel-served" in headers for _, headers, _ in answers] == [True, False, True, False]
    assert b'windtunnel_requests_total{api="chat",region="local",status="200"} 2.0' in answers[3][2]
    assert len(server.journal.wait_for(2)) == 2


def test_served_records_while_it_runs(serve: Callable[..., Any]) -> None:
    """The served records are JSON lines, and there as soon as their answers are."""
    server = serve()
    with server.connect() as client:
        for n in range(20):
            client.ask(call=f"c{n}")
            client.answer()
        client.ask(method="GET", path="/_windtunnel/served")
        status, headers, body = client.answer()
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    assert [json.loads(line)["call_id"] for line in body.splitlines()] == [f"c{n}" for n in range(20)]


def test_a_reader_of_records_that_leaves(serve: Callable[..., Any]) -> None:
    """A client that leaves in the middle of the served records disturbs nobody."""
    server = serve()
    with server.connect() as client:
        for _ in range(50):
            client.ask()
            client.answer()
    with server.connect() as client:
        client.ask(method="GET", path="/_windtunnel/served")
        client.head()
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200


def test_the_plan_changes_while_it_runs(serve: Callable[..., Any]) -> None:
    """A plan that is put changes the very next answer; a bad one changes nothing and says what is wrong."""
    server = serve()
    with server.connect() as client:
        client.ask(method="GET", path="/_windtunnel/plan")
        plan = json.loads(client.answer()[2])
        client.ask(method="PUT", path="/_windtunnel/plan", body=plan | {"rules": [{"fault": "overloaded"}]})
        assert client.answer()[0] == 200
        client.ask()
        assert client.answer()[0] == 503
        client.ask(method="PUT", path="/_windtunnel/plan", body=plan | {"rules": [{"fault": "overloadd"}]})
        status, _, body = client.answer()
        assert status == 400
        assert json.loads(body)["error"]["path"] == "rules.0.fault"
        client.ask()
        assert client.answer()[0] == 503
        client.ask(method="PUT", path="/_windtunnel/plan", body=plan)
        client.answer()
        client.ask()
        assert client.answer()[0] == 200


def test_a_token_guards_the_admin_api_alone(serve: Callable[..., Any]) -> None:
    """With a token the admin API needs it, and the API itself goes on taking any key."""
    server = serve(token="secret")
    with server.connect() as client:
        client.ask(method="GET", path="/_windtunnel/health", headers={"authorization": "Bearer sk-test"})
        assert client.answer()[0] == 401
        client.ask(method="GET", path="/_windtunnel/health", headers={"authorization": "Bearer secret"})
        assert client.answer()[0] == 200
        client.ask()
        assert client.answer()[0] == 200


def test_stop_by_request(serve: Callable[..., Any]) -> None:
    """A stop is answered before the server ends."""
    server = serve()
    with server.connect() as client:
        client.ask(method="POST", path="/_windtunnel/stop", body=b"")
        status, _, body = client.answer()
        assert (status, json.loads(body)) == (200, {"status": "stopping"})
        assert client.read_to_end() == b""
