"""Stream faults on a real socket: pieces arrive as pieces, and what is done is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from windtunnel.mock_server.transports.http1.framing import LAST_CHUNK

SIZE = 60


def test_pieces_arrive_one_by_one(serve: Callable[..., Any]) -> None:
    """Most reads of the body get one piece, none of them all, and together they are the whole stream."""
    server = serve()
    header = {"x-windtunnel-fault": f"fragment; bytes={SIZE}; pause=0.02"}
    reads: list[bytes] = []
    with server.connect() as client:
        client.ask(stream=True, headers=header)
        client.head()
        reads.append(bytes(client.buffer))
        while not b"".join(reads).endswith(LAST_CHUNK):
            reads.append(client.sock.recv(65_536))
            assert reads[-1], "closed before its end"
    pieces = [chunk for read in reads for chunk in read.split(b"\r\n")[1::2] if chunk]
    body = b"".join(pieces)
    assert max(len(piece) for piece in pieces) == SIZE
    assert len(pieces) >= len(body) / SIZE
    assert body.endswith(b"data: [DONE]\n\n")
    # A machine that is late joins pieces, and nothing else may: a read is one chunk with its framing, as a rule.
    assert sum(read.count(b"\r\n") == 2 for read in reads) > len(pieces) / 2
    assert list(server.row()["faults"]) == ["fragment"]


def test_who_leaves_an_open_stream_after_its_end_has_the_answer(serve: Callable[..., Any]) -> None:
    """A stream that stays open after `[DONE]` is a finished answer, not an abandoned one."""
    server = serve()
    with server.connect() as client:
        client.ask(stream=True, headers={"x-windtunnel-fault": "open_after_done"})
        client.read_until(b"data: [DONE]\n\n\r\n")
        assert client.buffer == b""
    row = server.row()
    assert row["ending"] == "left"
    assert not row["abandoned"]
