"""Requests in time: what the provider model promises, seen on sockets and in the records."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
from windtunnel.mock_server.journal.segments import rows_to_batch

EARLY = 0.003
LATE = 0.1
"""Seconds by which event loops round, and by which a busy machine may be late."""


def _about(seconds: float) -> Any:
    """Equal to what is hardly earlier and not much later."""
    return pytest.approx(seconds + (LATE - EARLY) / 2, abs=(LATE + EARLY) / 2)


def _plan(**provider: Any) -> dict[str, Any]:
    answer = {"first_token": "300ms", "tokens": 1, "tokens_per_second": 1000.0}
    return {"provider": {"answer": answer, **provider}}


def test_an_answer_of_300_ms(serve: Callable[..., Any]) -> None:
    """An answer due after 300 ms comes after 300 ms, on the socket and in the records, and never sooner."""
    server = serve(_plan())
    measured = []
    with server.connect() as client:
        for _ in range(5):
            asked = time.monotonic()
            client.ask()
            client.answer()
            measured.append(time.monotonic() - asked)
    rows = server.journal.wait_for(5)
    recorded = [row["last_byte_s"] - row["arrived_s"] for row in rows]
    for durations in (sorted(measured), sorted(recorded)):
        assert durations[0] > 0.2985
        assert durations[0] == _about(0.3)
    for row in rows:
        assert row["started_s"] == row["arrived_s"]
        assert row["first_byte_s"] == _about(row["started_s"])
        assert row["ended_s"] >= row["last_byte_s"]


def test_one_slot_serves_one_after_the_other(serve: Callable[..., Any]) -> None:
    """Under one slot requests wait in order, see no byte while they wait, and start when the slot comes free."""
    server = serve(_plan(capacity={"slots": 1}))
    clients = [server.connect() for _ in range(3)]
    try:
        for n, client in enumerate(clients):
            client.ask(call=f"c{n}")
            while len(server.call(lambda: list(server.mock.exchanges))) <= n:
                pass
        for client in clients:
            assert client.answer()[0] == 200
    finally:
        for client in clients:
            client.sock.close()
    rows = server.journal.wait_for(3)
    assert [row["call_id"] for row in rows] == ["c0", "c1", "c2"]
    assert [row["queue_depth"] for row in rows] == [0, 0, 1]
    for before, row in itertools.pairwise(rows):
        assert row["started_s"] == _about(before["started_s"] + 0.3)
        assert row["started_s"] >= before["last_byte_s"]
        assert row["first_byte_s"] >= row["started_s"]


def test_a_full_queue_refuses_at_once(serve: Callable[..., Any]) -> None:
    """A request that finds the queue full gets its 503 without waiting, and takes nothing."""
    server = serve(_plan(capacity={"slots": 1, "queue": 0}))
    with server.connect() as first, server.connect() as second:
        first.ask()
        first.head()
        second.ask()
        assert second.answer()[0] == 503
    row = server.row()
    assert (row["status"], row["started_s"], row["tokens_billed"]) == (503, None, 0)


def test_a_long_queue_of_quick_answers(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """Hundreds that leave the queue at one moment are all served: letting one out may let out the next."""
    answer = {"first_token": "0.01ms", "tokens": 1, "tokens_per_second": 1_000_000.0}
    server = serve({"provider": {"answer": answer, "capacity": {"slots": 0, "queue": 2000}}})
    clients = [server.connect() for _ in range(600)]
    try:
        for client in clients:
            client.send(ask())
        while server.call(server.mock.load)[1] < 600:
            pass
        open_again = {"provider": {"answer": answer, "capacity": {"slots": 1, "queue": 2000}}}
        plan = type(server.mock.plan).model_validate(open_again)
        server.call(lambda: server.mock.set_plan(plan))
        assert all(client.answer()[0] == 200 for client in clients)
    finally:
        for client in clients:
            client.sock.close()
    assert len(server.journal.wait_for(600)) == 600


def test_a_round_trip_delays_both_ways(serve: Callable[..., Any]) -> None:
    """Half a round trip on either side of the answer, and a whole one more for a new connection."""
    server = serve(_plan(regions={"far": {"rtt": "80ms"}}))
    with server.connect() as client:
        durations = []
        for _ in range(2):
            asked = time.monotonic()
            client.ask()
            client.answer()
            durations.append(time.monotonic() - asked)
    assert durations[0] == _about(0.3 + 0.160)
    assert durations[1] == _about(0.3 + 0.080)
    rows = server.journal.wait_for(2)
    assert [row["rtt_s"] for row in rows] == [0.08, 0.08]
    assert rows[1]["started_s"] == _about(rows[1]["arrived_s"] + 0.04)
    assert rows[1]["first_byte_s"] == _about(rows[1]["started_s"] + 0.04)


def test_phases_count_from_a_t0_ahead(serve: Callable[..., Any]) -> None:
    """After a reset to a t0 in the future, times are negative until then and phases change when they are due."""
    phases = [
        {"name": "quick", "for": "300ms"},
        {"name": "broken", "for": "300ms", "rules": [{"fault": "server_error"}]},
        {"name": "after", "for": "1h"},
    ]
    answer = {"first_token": "0.1ms", "tokens": 1, "tokens_per_second": 1000.0}
    server = serve({"provider": {"answer": answer}, "phases": phases})
    t0 = time.monotonic() + 0.3
    server.call(lambda: server.mock.reset(t0))
    stop = threading.Event()
    with server.connect() as client:
        while not stop.is_set():
            client.ask()
            client.answer()
            if time.monotonic() > t0 + 0.8:
                stop.set()
    rows = server.journal.rows
    assert rows[0]["arrived_s"] < -0.1
    for row in rows:
        expected = 0 if row["arrived_s"] < 0.3 else 1 if row["arrived_s"] < 0.6 else 2
        assert row["phase_index"] == expected
        assert row["status"] == (500 if expected == 1 else 200)
        assert row["faults"] == (("server_error",) if expected == 1 else ())
    assert {row["phase_index"] for row in rows} == {0, 1, 2}


def test_a_phase_lets_the_queue_go_on(serve: Callable[..., Any]) -> None:
    """A phase that brings slots back starts those who wait, at its beginning and without any new request."""
    phases = [
        {"name": "dark", "for": "250ms", "provider": {"capacity": {"slots": 0}}},
        {"name": "light", "for": "1h"},
    ]
    server = serve({**_plan(), "phases": phases})
    server.call(server.mock.reset)
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    assert server.row()["started_s"] == _about(0.25)


def test_speed_follows_the_busy_slots(serve: Callable[..., Any]) -> None:
    """With a slowdown, an answer under way speeds up as soon as another one leaves its slot."""
    answer = {"first_token": "1ms", "tokens": 41, "tokens_per_second": 200.0, "slowdown": 1.0}
    server = serve({"provider": {"answer": answer, "capacity": {"slots": 2, "abandoned": "stop"}}})
    with server.connect() as stays:
        with server.connect() as leaves:
            leaves.ask()
            leaves.head()
            stays.ask(call="stays")
            stays.head()
            leaves.sock.close()
        server.row()
        stays.read_until(b"}}")
    row = next(row for row in server.journal.wait_for(2) if row["call_id"] == "stays")
    # 40 tokens at 200 / (1 + 1/2) a second; at two busy slots the whole time it would take 0.4 s.
    assert 0.3 - EARLY < row["last_byte_s"] - row["started_s"] < 0.4 - EARLY


def test_a_reset_cuts_off_what_is_under_way(serve: Callable[..., Any]) -> None:
    """A reset ends requests in flight with an RST, forgets all rows, and leaves no trace of them later."""
    server = serve(_plan())
    with server.connect() as early, server.connect() as client:
        early.ask()
        early.answer()
        server.row()
        client.ask()
        client.head()
        server.call(server.mock.reset)
        assert server.journal.rows == []
        with pytest.raises(ConnectionResetError):
            client.read_to_end()
        early.ask(call="fresh")
        early.answer()
    assert [row["call_id"] for row in server.journal.wait_for(1)] == ["fresh"]
    assert server.call(lambda: server.mock.snapshot())["in_flight"] == 0


def test_the_end_writes_rows_for_what_still_runs(serve: Callable[..., Any]) -> None:
    """When the server stops, requests that run or wait get a row that says `cut`, billed up to then."""
    answer = {"first_token": "50ms", "tokens": 1000, "tokens_per_second": 100.0, "tokens_per_chunk": 1}
    server = serve({"provider": {"answer": answer, "capacity": {"slots": 1}}})
    with server.connect() as running, server.connect() as waiting:
        running.ask(call="running", stream=True)
        running.head()
        running.read_until(b'"content":"')
        waiting.ask(call="waiting")
        while not server.call(server.mock.load)[1]:
            pass
        server.loop.call_soon_threadsafe(server.mock.stop)
        rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
        running.read_to_end()
    assert {row["ending"] for row in rows.values()} == {"cut"}
    assert 0 < rows["running"]["tokens_billed"] < 1000
    assert rows["waiting"]["started_s"] is None


def test_rows_are_complete(serve: Callable[..., Any]) -> None:
    """A row has a value for every column of the schema, of its type, and says who called for what."""
    server = serve()
    headers = {
        "user-agent": "OpenAI/Python 3.52.0",
        "x-stainless-package-version": "3.52.0",
        "x-stainless-retry-count": "2",
        "x-windtunnel-attempt": "5",
    }
    with server.connect() as client:
        client.ask(call="c7", stream=True, headers=headers)
        _, answered, body = client.answer()
        client.ask(call="c7", headers={**headers, "x-windtunnel-step": "0"})
        client.answer()
    first, second = server.journal.wait_for(2)
    batch = rows_to_batch([tuple(first.values()), tuple(second.values())], SERVED_SCHEMA)
    assert isinstance(batch, pa.RecordBatch)
    assert first["served_id"] == answered["x-windtunnel-served"]
    assert (first["call_id"], first["identity"], first["attempt"], second["attempt"]) == (
        "c7",
        "header",
        0,
        0,
    )
    assert (first["step"], first["identity_certainty"]) == (0, 1.0)
    assert (first["client_attempt"], first["sdk_retry_count"]) == (5, 2)
    assert (first["user_agent"], first["sdk_version"]) == ("OpenAI/Python 3.52.0", "3.52.0")
    assert (first["api"], first["model"], first["stream"], second["stream"]) == (
        "chat",
        "gpt-4.1-mini",
        True,
        False,
    )
    assert first["tokens_planned"] == first["tokens_sent"] == first["tokens_billed"] == 8
    assert first["prompt_tokens_billed"] == first["prompt_tokens"] > 0
    assert first["bytes_sent"] > len(body)
    assert first["truth_digest"] == second["truth_digest"]
    assert "sk-test" not in str(first)
    times = [first[name] for name in ("arrived_s", "started_s", "first_byte_s", "last_byte_s", "ended_s")]
    assert times == sorted(times)


def test_one_fault_on_one_request(serve: Callable[..., Any]) -> None:
    """`x-windtunnel-fault` brings one fault to one request, and the row says that it was asked for."""
    server = serve()
    with server.connect() as client:
        client.ask(headers={"x-windtunnel-fault": "overloaded"})
        assert client.answer()[0] == 503
        client.ask(headers={"x-windtunnel-fault": "stall; after_chunks=1; seconds=0.2"}, stream=True)
        asked = time.monotonic()
        assert client.answer()[0] == 200
        assert time.monotonic() - asked > 0.19
        client.ask(headers={"x-windtunnel-fault": "stal"})
        status, _, body = client.answer()
        assert status == 400
        assert b"stall" in body
        client.ask()
        assert client.answer()[0] == 200
    rows = server.journal.wait_for(4)
    assert [row["fault_declared"] for row in rows][:2] == ["overloaded", "stall; after_chunks=1; seconds=0.2"]
    assert [row["faults"] for row in rows][:2] == [("overloaded",), ("stall",)]
