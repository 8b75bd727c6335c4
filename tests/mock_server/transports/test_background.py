"""Work that goes on without its client, and requests that end others', over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.mock_server.transports.conftest import FAST, Serving
from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.routes import healthy_answer
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

EARLY = Script((Head(200), FirstToken(), Send(b"early", 1, "terminal"), End()))
SLOW = {"first_token": "50ms", "tokens": 8, "tokens_per_second": 1_000_000.0}
ENDLESS = {"first_token": "1ms", "tokens": 50_000, "tokens_per_second": 1000.0}
"""Longer than any test waits; its text is made beforehand, so it is no longer than that."""


def in_background(server: Serving) -> Serving:
    """Let chat requests with metadata be background work, and `{"metadata": {"cancel": CALL}}` end that of others."""
    lives: dict[str, Any] = {}

    def answer(request: Request, world: World) -> Answer:
        healthy = healthy_answer(request, world)
        metadata = request.body.get("metadata")
        if request.api != "chat" or not metadata:
            return healthy

        def effect(life: Any) -> None:
            lives[world.call_key] = life
            if "cancel" in metadata:
                lives[metadata["cancel"]].cancel(world.now)

        early = None if request.stream else EARLY
        return Answer(healthy.script, healthy.truth_digest, healthy.tokens, "stop", effect, early, True)

    server.call(lambda: setattr(server.mock.engine._admission, "answer", answer))
    return server


def chat(stream: bool = False, **metadata: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hello"}]
    return {"model": "gpt-4.1-mini", "messages": messages, "stream": stream, "metadata": metadata}


def test_the_early_answer_comes_before_the_slot_and_the_row_after_the_work(serve: Callable[..., Any]) -> None:
    """One connection creates two pieces of work for one slot and has both answers at once; rows tell of the work."""
    server = in_background(serve({"provider": {"answer": SLOW, "capacity": {"slots": 1}}}))
    with server.connect() as client:
        for call in ("c0", "c1"):
            client.ask(call=call, body=chat(background="yes"))
            assert client.answer()[2] == b"early"
    rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
    first, second = rows["c0"], rows["c1"]
    assert second["last_byte_s"] < first["ended_s"] <= second["started_s"] < second["ended_s"]
    assert [row["ending"] for row in (first, second)] == ["end", "end"]
    assert [row["tokens_billed"] for row in (first, second)] == [8, 8]
    assert [row["effects"] for row in (first, second)] == [1, 1]


def test_leaving_does_not_stop_background_work(serve: Callable[..., Any]) -> None:
    """A client that leaves a background stream has abandoned nothing: it is billed in full, under `stop` as well."""
    answer = {"first_token": "100ms", "tokens": 8, "tokens_per_second": 1_000_000.0}
    server = in_background(serve({"provider": {"answer": answer, "capacity": {"abandoned": "stop"}}}))
    with server.connect() as client:
        client.ask(call="c0", body=chat(stream=True, background="yes"))
        client.head()
    with server.connect() as client:
        client.ask(call="c1", stream=True)
        client.head()
    rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
    found = [
        (rows[call]["ending"], rows[call]["abandoned"], rows[call]["tokens_billed"]) for call in ("c0", "c1")
    ]
    assert found == [("left", False, 8), ("left", True, 0)]


def test_a_cancel_ends_the_stream_and_frees_the_slot(serve: Callable[..., Any]) -> None:
    """The stream ends where it is, properly framed; its slot goes to who waits; what is queued ends with a FIN."""
    server = in_background(serve({"provider": {"answer": ENDLESS, "capacity": {"slots": 1}}}))
    with server.connect() as reader, server.connect() as waiting, server.connect() as other:
        reader.ask(call="c0", body=chat(stream=True, background="yes"))
        reader.head()
        waiting.ask(call="c1", body=chat(stream=True, background="yes"))
        while server.call(server.mock.snapshot)["queue_depth"] < 1:
            pass
        other.ask(call="c2", body=chat(cancel="c1"))
        assert other.answer()[2] == b"early"
        assert waiting.read_to_end() == b""
        other.ask(call="c3", body=chat(cancel="c0"))
        assert other.answer()[2] == b"early"
        assert reader.read_until(b"0\r\n\r\n")
        rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
        assert rows["c0"]["tokens_billed"] < 1_000_000
        assert [rows[call]["ending"] for call in ("c1", "c0")] == ["close", "end"]
        reader.ask(call="c4", body=chat(background="yes"))
        assert reader.answer()[2] == b"early"
        while not server.call(lambda: server.mock.snapshot()["in_flight"] == 1):
            pass


def test_a_reset_leaves_no_row_of_what_it_cut_off(serve: Callable[..., Any]) -> None:
    """Requests in flight at a reset belong to no run: not even their client's leaving is recorded."""
    answer = {"first_token": "20ms", "tokens": 8, "tokens_per_second": 1_000_000.0}
    server: Serving = serve({"provider": {"answer": answer}})
    with server.connect() as client:
        client.ask(call="c0", stream=True)
        client.head()
        server.call(server.mock.reset)
    with server.connect() as client:
        client.ask(call="c1")
        client.answer()
    assert [row["call_id"] for row in server.journal.wait_for(1)] == ["c1"]
    assert not server.call(lambda: server.mock.exchanges)


def test_recent_requests_show_their_scripts(serve: Callable[..., Any]) -> None:
    """What is over and what is under way is listed, the latest first, and never what was said."""
    server: Serving = serve({"provider": {"answer": FAST["answer"], "capacity": {"slots": 1}}})
    with server.connect() as client, server.connect() as other:
        client.ask(call="c0", stream=True, headers={"x-windtunnel-fault": "cut; after_chunks=1"})
        client.read_to_end()
        server.row()
        other.ask(call="c1", stream=True, headers={"x-windtunnel-fault": "stall; after_chunks=1"})
        other.head()
        entries = server.call(server.mock.recent)
    assert [entry["call_id"] for entry in entries] == ["c1", "c0"]
    assert entries[0]["ended_s"] is None
    assert "stall forever" in entries[0]["script"]
    assert entries[1]["script"].startswith("Head 200 · first token")
    assert entries[1]["faults"] == ("cut",)
