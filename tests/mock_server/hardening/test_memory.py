"""Memory comes back: what a request held is free when the request is over, without the cyclic collector.

A server tunes the collector away, since its pauses would be in every measurement. So nothing on a request's way may
refer to itself: a cycle with an uploaded file in it stays for hours.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.mock_server.hardening.processes import ServerProcess
from tests.mock_server.transports.conftest import Client
from tests.mock_server.transports.conftest import Serving as Served

BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}


def upload(data: bytes) -> bytes:
    """A form with a file."""
    return (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        + data
        + b"\r\n--b--\r\n"
    )


def upload_and_delete(client: Client, data: bytes = b"x" * 100_000) -> None:
    client.ask(path="/v1/files", body=upload(data), headers=BOUNDARY)
    ident = json.loads(client.answer()[2])["id"]
    client.ask(method="DELETE", path=f"/v1/files/{ident}", body=b"")
    assert client.answer()[0] == 200


def posted(path: str, **body: Any) -> Callable[[Client], None]:
    def ask(client: Client) -> None:
        client.ask(path=path, body=orjson.dumps({"model": "gpt-4.1-mini", **body}))
        client.answer()

    return ask


def stored(client: Client) -> None:
    client.ask(path="/v1/responses", body=b'{"model":"gpt-4.1","input":"x","store":true}')
    ident = json.loads(client.answer()[2])["id"]
    for method in ("GET", "DELETE"):
        client.ask(method=method, path=f"/v1/responses/{ident}", body=b"")
        client.answer()


def replayed(client: Client) -> None:
    for _ in range(2):
        client.ask(headers={"idempotency-key": "k"})
        client.answer()


def faulty(client: Client) -> None:
    for fault in ("overloaded", "truncated_json", "slow_first_token; seconds=0.001"):
        client.ask(headers={"x-windtunnel-fault": fault})
        client.answer()


def wrong(client: Client) -> None:
    client.ask(body=b"{")
    assert client.answer()[0] == 400


WAYS: dict[str, Callable[[Client], None]] = {
    "upload and delete": upload_and_delete,
    "chat": posted("/v1/chat/completions", messages=[{"role": "user", "content": "hi"}]),
    "structured": posted(
        "/v1/chat/completions",
        messages=[{"role": "user", "content": "hi"}],
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "s",
                "schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a+$"}}},
            },
        },
    ),
    "embeddings": posted("/v1/embeddings", input=["a"] * 40),
    "responses": posted("/v1/responses", input="x"),
    "background": posted("/v1/responses", input="x", background=True),
    "stored": stored,
    "replayed": replayed,
    "faulty": faulty,
    "wrong": wrong,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_request_leaves_no_cycle(serve: Callable[..., Served], way: str) -> None:
    """With the collector off, nothing of ours is left that only the collector would free."""
    server = serve()
    go = WAYS[way]
    found: list[object] = []
    with server.connect() as client:
        go(client)
        server.call(gc.collect)
        gc.disable()
        try:
            for _ in range(3):
                go(client)
            client.ask(
                method="GET", path="/v1/models", body=b""
            )  # what came before is over when this is answered
            client.answer()
            gc.set_debug(gc.DEBUG_SAVEALL)
            server.call(gc.collect)
            found = [one for one in gc.garbage if type(one).__module__.startswith("windtunnel")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert [type(one).__name__ for one in found] == []


@pytest.mark.skipif(sys.platform != "linux", reason="the resident set means something else elsewhere")
def test_uploads_that_are_deleted_leave_the_memory(tmp_path: Path) -> None:
    """The resident set of a server does not grow by the files that were uploaded and deleted again."""
    size, times = 8 * 2**20, 16
    with ServerProcess(tmp_path) as server, Client(socket.create_connection(server.address, 30.0)) as client:
        for _ in range(2):
            upload_and_delete(client, b"x" * size)
        before = server.seen.memory_info().rss
        for _ in range(times):
            upload_and_delete(client, b"x" * size)
        grown = server.seen.memory_info().rss - before
    assert grown < times * size / 3
