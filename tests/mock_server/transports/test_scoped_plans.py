"""Plans that belong to one API key, a wall clock, and the list of connections, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mock_server.transports.conftest import FAST, PATIENCE, Client, Serving
from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.schemas import CONNECTIONS_SCHEMA
from windtunnel.mock_server.journal.segments import read_segments
from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0

MINE, THEIRS = {"authorization": "Bearer sk-mine"}, {"authorization": "Bearer sk-theirs"}


def control(client: Client, method: str, path: str, body: Any = None) -> Any:
    """One request to the admin API, which must succeed; gives its JSON."""
    client.ask(method=method, path=f"/_windtunnel/{path}", body=body)
    status, _, answer = client.answer()
    assert status == 200, answer
    return json.loads(answer)


def test_two_suites_share_one_server(serve: Callable[..., Any]) -> None:
    """Each key meets its own plan, with slots, phases and stores of its own, and the rows say which one."""
    server: Serving = serve({"name": "base", "provider": FAST})
    mine = {"provider": FAST, "rules": [{"fault": "overloaded"}]}
    theirs = {"provider": {**FAST, "capacity": {"slots": 0, "queue": 0}}}
    with server.connect() as client:
        control(client, "PUT", "plans/mine", {"plan": mine, "key": "sk-mine"})
        control(client, "PUT", "plans/theirs", {"plan": theirs, "key": key_hash("sk-theirs")})
        statuses = []
        for headers in (MINE, THEIRS, {}):
            client.ask(headers=headers)
            statuses.append(client.answer()[0])
        assert statuses == [503, 503, 200]
        assert [row["plan"] for row in server.journal.wait_for(3)] == ["mine", "theirs", "base"]
        health = control(client, "GET", "health")["provider"]
        assert health["plan"] == "base"
        assert set(health["plans"]) == {"mine", "theirs"}
        assert health["plans"]["mine"]["rules"][0]["fault"] == "overloaded"
        control(client, "DELETE", "plans/mine")
        client.ask(headers=MINE)
        assert client.answer()[0] == 200


def test_a_scoped_phase_ends_in_time(serve: Callable[..., Any]) -> None:
    """A queued request under a scoped plan starts when that plan's next phase brings slots."""
    server: Serving = serve({"provider": FAST})
    phases = [
        {"name": "dark", "for": "50ms", "provider": {"capacity": {"slots": 0}}},
        {"name": "light", "for": "60s", "provider": {"capacity": {"slots": 4}}},
    ]
    with server.connect() as client:
        control(client, "PUT", "plans/mine", {"plan": {"provider": FAST, "phases": phases}, "key": "sk-mine"})
        client.ask(headers=MINE)
        assert client.answer()[0] == 200
    row = server.row()
    assert row["phase_index"] == 1 or row["started_s"] > row["arrived_s"]


def test_taking_a_plan_away_ends_what_is_under_it(serve: Callable[..., Any]) -> None:
    """Requests under a deleted plan get an RST and a row that says so; those of others go on."""
    stalled = {"x-windtunnel-fault": "stall; after_chunks=1"}
    server: Serving = serve({"provider": FAST})
    with server.connect() as client, server.connect() as victim, server.connect() as other:
        control(client, "PUT", "plans/mine", {"plan": {"provider": FAST}, "key": "sk-mine"})
        victim.ask(call="c0", stream=True, headers=MINE | stalled)
        other.ask(call="c1", stream=True, headers=stalled)
        victim.head()
        other.head()
        control(client, "DELETE", "plans/mine")
        with pytest.raises(ConnectionResetError):
            victim.read_to_end()
        (row,) = server.journal.wait_for(1)
        assert (row["call_id"], row["ending"], row["plan"]) == ("c0", "cut", "mine")
        assert [
            exchange.ticket.call_id for exchange in server.call(lambda: list(server.mock.exchanges.values()))
        ] == ["c1"]


def test_a_named_plan_is_put_in_force_by_its_name(serve: Callable[..., Any]) -> None:
    """The buttons of a page need no more than a name."""
    server: Serving = serve({"provider": FAST})
    with server.connect() as client:
        control(
            client, "PUT", "plans/incident", {"plan": {"provider": FAST, "rules": [{"fault": "overloaded"}]}}
        )
        client.ask()
        assert client.answer()[0] == 200
        control(client, "POST", "plan/use", {"name": "incident"})
        client.ask()
        assert client.answer()[0] == 503
    assert server.row(1)["plan"] == "incident"


def test_a_reset_begins_scoped_plans_anew_too(serve: Callable[..., Any]) -> None:
    """They stay, with nothing counted."""
    server: Serving = serve({"provider": FAST})
    failing = {"provider": FAST, "rules": [{"fault": "overloaded", "first": 1, "per": "rule"}]}
    with server.connect() as client:
        control(client, "PUT", "plans/mine", {"plan": failing, "key": "sk-mine"})
        statuses = []
        for again in (False, False, True):
            if again:
                control(client, "POST", "reset", {})
            client.ask(headers=MINE)
            statuses.append(client.answer()[0])
    assert statuses == [503, 200, 503]


def test_answers_state_the_real_time_or_a_fixed_one(serve: Callable[..., Any]) -> None:
    """With a wall clock `created` follows it, from a reset's t0 on as well; without one it counts from the epoch."""
    server: Serving = serve({"provider": FAST})
    with server.connect() as client:
        client.ask()
        assert DEFAULT_UNIX_T0 <= json.loads(client.answer()[2])["created"] <= DEFAULT_UNIX_T0 + PATIENCE
        server.mock.clock.unix_time = lambda: 2_000_000_000.0
        control(client, "POST", "reset", {"t0": server.mock.clock.monotonic() - 1000.0})
        client.ask()
        assert 2_000_000_000 <= json.loads(client.answer()[2])["created"] <= 2_000_000_000 + PATIENCE


def test_connections_are_listed_with_their_times(serve: Callable[..., Any], tmp_path: Path) -> None:
    """One row a connection: when it was accepted and when it was over, null if it was open at the end."""
    server: Serving = serve({"provider": FAST})
    on_disk = Journal(tmp_path)
    server.call(lambda: setattr(server.journal, "_connections", on_disk._connections))
    with server.connect() as kept:
        with server.connect() as client:
            client.ask()
            client.answer()
        while server.call(lambda: len(server.mock.connections)) > 1:
            pass
        kept.ask()
        kept.answer()
        server.__exit__()
    on_disk.close()
    (path,) = tmp_path.glob("connections-*.arrows")
    table = read_segments([path])
    assert table.schema.equals(CONNECTIONS_SCHEMA)
    rows = {row["connection_id"]: row for row in table.to_pylist()}
    used = [row["connection_id"] for row in server.journal.rows]
    closed, left = rows[used[0]], rows[used[1]]
    assert 0 <= closed["opened_s"] < closed["closed_s"]
    assert left["closed_s"] is None
    assert left["region"] == "local"
    assert len(rows) == 2
