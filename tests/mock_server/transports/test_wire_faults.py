"""Faults of framing, encoding and pace as bytes on a real socket."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Callable

import pytest

from tests.mock_server.transports.conftest import FAST, Client, Serving

Serve = Callable[..., Serving]


@pytest.fixture
def server(serve: Serve) -> Serving:
    """A healthy provider: every request asks for its own fault."""
    return serve({"provider": FAST})


def ask(client: Client, fault: str, *, stream: bool = False) -> None:
    """Ask for a fault."""
    client.ask(headers={"x-windtunnel-fault": fault}, stream=stream)


def test_short_body(server: Serving) -> None:
    """Content-Length promises ten bytes more than come before the FIN, and the body is whole JSON."""
    with server.connect() as client:
        ask(client, "short_body; missing=10")
        _, headers = client.head()
        body = client.read_to_end()
    assert len(body) == int(headers["content-length"]) - 10
    assert json.loads(body)["object"] == "chat.completion"
    assert server.row()["ending"] == "close"


@pytest.mark.parametrize("stream", [True, False])
def test_incomplete_chunked(server: Serving, stream: bool) -> None:
    """The last chunk's size is not fulfilled, whether the answer was to be chunked or not."""
    with server.connect() as client:
        ask(client, "incomplete_chunked; after_bytes=40", stream=stream)
        _, headers = client.head()
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
        size, _, data = client.read_to_end().partition(b"\r\n")
    assert len(data) == 40 < int(size, 16)


def test_bad_status_line(server: Serving) -> None:
    """The first bytes are no status line, and the connection ends."""
    with server.connect() as client:
        ask(client, "bad_status_line; line=HTTP/1.1 OK")
        assert client.read_to_end().startswith(b"HTTP/1.1 OK\r\ncontent-type: ")


def test_huge_headers(server: Serving) -> None:
    """A quarter of a megabyte of headers, and the healthy answer behind them."""
    with server.connect() as client:
        ask(client, "huge_headers; count=2")
        status, headers, body = client.answer()
    assert status == 200
    assert len(headers["x-filling-0"]) + len(headers["x-filling-1"]) > 262_000
    assert json.loads(body)["object"] == "chat.completion"


def test_bad_gzip(server: Serving) -> None:
    """The header says gzip; the body is plain, or breaks off."""
    with server.connect() as client:
        ask(client, "bad_gzip")
        _, headers, body = client.answer()
        assert headers["content-encoding"] == "gzip"
        assert json.loads(body)
        ask(client, "bad_gzip; how=truncated")
        _, headers, body = client.answer()
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    assert unpack.decompress(body).startswith(b'{"')
    assert not unpack.eof


def test_slow_headers(server: Serving) -> None:
    """Not a byte comes before the wait is over."""
    with server.connect() as client:
        ask(client, "slow_headers; seconds=0.2")
        assert client.answer()[0] == 200
    row = server.row()
    assert row["first_byte_s"] - row["arrived_s"] >= 0.199


def test_drip(server: Serving) -> None:
    """The body comes in pieces that a fast client reads one by one, cut anywhere, and is whole in the end."""
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        ask(client, "drip; bytes_per_second=5000")
        _, headers = client.head()
        length = int(headers["content-length"])
        pieces = [bytes(client.buffer)]
        while sum(map(len, pieces)) < length:
            pieces.append(client.sock.recv(65_536))
    assert json.loads(b"".join(pieces))["object"] == "chat.completion"
    assert len(pieces) > 3
    row = server.row()
    assert row["last_byte_s"] - row["first_byte_s"] >= (length - 50) / 5000 - 0.002


def test_a_dripped_stream_is_cut_through_its_frames(server: Serving) -> None:
    """HTTP chunks end inside events, and together they are the healthy stream."""
    with server.connect() as client:
        ask(client, "drip; bytes_per_second=20000", stream=True)
        client.head()
        chunks = []
        while size := int(client.read_until(b"\r\n"), 16):
            chunks.append(client.read_exactly(size))
            client.read_exactly(2)
    assert any(not chunk.endswith(b"\n\n") for chunk in chunks)
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")


def test_the_head_drips_too(server: Serving) -> None:
    """With `head=true` the status line itself comes in pieces; the answer is the same in the end."""
    with server.connect() as client:
        ask(client, "drip; bytes_per_second=4000; head=true")
        first = client.sock.recv(65_536)
        assert b"\r\n\r\n" not in first
        client.buffer = bytearray(first)
        status, _, body = client.answer()
    assert status == 200
    assert json.loads(body)["object"] == "chat.completion"
    row = server.row()
    assert row["bytes_sent"] > len(body)
