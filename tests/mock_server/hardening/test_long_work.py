"""Work that takes long goes on in steps: others are answered meanwhile, and what goes out is bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from windtunnel.mock_server.api.embeddings.wire import vector
from windtunnel.mock_server.transports import limits

MANY = 400


def embeddings(count: int, **more: Any) -> bytes:
    return orjson.dumps(
        {"model": "text-embedding-3-large", "input": [f"text {i}" for i in range(count)], **more}
    )


def test_others_are_answered_while_many_vectors_are_made(serve: Callable[..., Any]) -> None:
    """A short request that came after a long one is answered before it; the long one's answer is right."""
    server = serve()
    with server.connect() as long, server.connect() as short:
        long.ask(call="long", path="/v1/embeddings", body=embeddings(MANY))
        short.ask(call="short")
        assert short.answer()[0] == 200
        status, _, body = long.answer()
    rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
    assert rows["short"]["ended_s"] < rows["long"]["ended_s"]
    data = json.loads(body)["data"]
    assert (status, len(data)) == (200, MANY)
    assert data[7]["embedding"] == list(vector("text-embedding-3-large", 3072, "text 7"))


def test_a_client_that_leaves_meanwhile_is_recorded_once(serve: Callable[..., Any]) -> None:
    """The work that its request needs ends, and so does the request."""
    server = serve()
    with server.connect() as long:
        long.ask(call="long", path="/v1/embeddings", body=embeddings(MANY))
        with server.connect() as short:
            short.ask(call="short")
            short.answer()
    rows = server.journal.wait_for(2)
    assert sorted(row["call_id"] for row in rows) == ["long", "short"]


def test_lines_of_a_batch_are_run_in_steps(serve: Callable[..., Any]) -> None:
    """A clock put forward over a long batch makes all its lines due; whoever comes meanwhile does not wait for them."""
    server = serve()
    lines = b"\n".join(
        orjson.dumps(
            {
                "custom_id": f"r{i}",
                "method": "POST",
                "url": "/v1/embeddings",
                "body": {"model": "text-embedding-3-small", "input": f"t{i}", "encoding_format": "base64"},
            }
        )
        for i in range(2_000)
    )
    form = (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        + lines
        + b"\r\n--b--\r\n"
    )
    with server.connect() as client, server.connect() as other:
        client.ask(path="/v1/files", body=form, headers={"content-type": "multipart/form-data; boundary=b"})
        file = json.loads(client.answer()[2])["id"]
        wanted = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
        client.ask(path="/v1/batches", body=orjson.dumps(wanted))
        batch = json.loads(client.answer()[2])["id"]
        server.call(lambda: server.mock.advance_clock(80_000.0))
        client.ask(call="long", method="GET", path=f"/v1/batches/{batch}", body=b"")
        other.ask(call="short")
        assert other.answer()[0] == 200
        shown = json.loads(client.answer()[2])
    rows = {row["call_id"]: row for row in server.journal.wait_for(4)}
    assert rows["short"]["ended_s"] < rows["long"]["ended_s"]
    assert shown["status"] == "completed"
    assert shown["request_counts"]["completed"] == 2_000


def test_answers_that_take_too_much_memory_together_are_refused(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes out counts as what comes in does: beyond the most that is kept, a request gets a 503 at once."""
    monkeypatch.setattr(limits, "MAX_HELD", 2 * MANY * 3072 * 22)
    server = serve()
    with server.connect() as one, server.connect() as two, server.connect() as three:
        for client, call in ((one, "c1"), (two, "c2"), (three, "c3")):
            client.ask(call=call, path="/v1/embeddings", body=embeddings(MANY * 9 // 10))
        statuses = [client.answer()[0] for client in (one, two, three)]
    assert sorted(statuses) == [200, 200, 503]
    server.journal.wait_for(3)
    assert server.mock.incoming.held == 0
