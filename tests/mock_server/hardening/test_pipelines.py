"""Requests in a row on one connection, whole and in pieces, cut anywhere, and with nonsense among them."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mock_server.hardening.wire import CHAT, SAMPLES, Ask, Serve, assert_well, refused
from windtunnel.mock_server.transports.limits import MAX_HELD, MAX_PIPELINED


def test_a_flood_in_a_pipeline(serve: Serve, ask: Ask) -> None:
    """Thousands of requests in one write are answered in order, and only a few of them are kept at a time."""
    server = serve()
    most = 0
    begin = server.mock.request_received

    def arrived(connection: Any, *rest: Any) -> Any:
        nonlocal most
        most = max(most, len(connection._intake._waiting))
        return begin(connection, *rest)

    server.mock.request_received = arrived
    with server.connect() as client:
        client.send(ask(method="GET", path="/v1/models") * 3_000)
        served = [client.answer()[1]["x-windtunnel-served"] for _ in range(3_000)]
    assert served == [f"s{n}" for n in range(1, 3_001)]
    assert most <= MAX_PIPELINED
    assert_well(server)


def test_nonsense_behind_a_request(serve: Serve, ask: Ask) -> None:
    """An answer in flight is not disturbed by nonsense behind its request: that is refused afterwards."""
    server = serve({"provider": {"answer": {"first_token": "50ms", "tokens": 4}}})
    with server.connect() as client:
        client.send(ask(stream=True))
        assert client.head()[0] == 200
        client.send(b"\x00\x01 nonsense\r\n\r\n")
        assert client.read_until(b"\r\n0\r\n\r\n").endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert refused(client)[0] == 400
    assert_well(server)


@pytest.mark.parametrize("behind", [b"", b"{"])
def test_the_rest_of_a_request_with_the_next_one(serve: Serve, ask: Ask, behind: bytes) -> None:
    """The end of a body may come with requests behind it, whole or not: all are answered, in order."""
    server = serve()
    first, second = ask(call="c1"), ask(method="GET", path="/v1/models", call="c2")
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(first[:-5])
        client.send(first[-5:] + second + ask(call="c3")[: -len(behind) or None])
        for _ in range(2):
            assert client.answer()[0] == 200
        client.send(behind.replace(b"{", b"}"))
        assert client.answer()[0] == 200
    assert [row["call_id"] for row in server.journal.wait_for(3)] == ["c1", "c2", "c3"]
    assert_well(server)


def test_expecting_to_go_on_behind_an_answer(serve: Serve, ask: Ask) -> None:
    """A client that asks before it sends its body is told to go on after the answers before, not in one."""
    server = serve({"provider": {"answer": {"first_token": "20ms", "tokens": 2}}})
    head, _, body = ask(headers={"expect": "100-continue"}).partition(b"\r\n\r\n")
    with server.connect() as client:
        client.send(ask(stream=True) + head + b"\r\n\r\n")
        assert client.answer()[2].endswith(b"data: [DONE]\n\n")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        assert client.answer()[0] == 200
    assert_well(server)


def test_a_request_that_is_refused_in_a_pipeline(serve: Serve, ask: Ask) -> None:
    """A request that cannot be taken is refused in its turn, and ends the connection for those behind it."""
    server = serve()
    server.mock.incoming.held += MAX_HELD - 100_000
    large = ask(body=CHAT.replace(b"hello", "\U0001f600".encode() * 20_000))
    with server.connect() as client:
        client.send(ask() + large + ask() + ask())
        assert client.answer()[0] == 200
        assert refused(client)[0] == 503
    server.mock.incoming.held -= MAX_HELD - 100_000
    assert_well(server)


@pytest.mark.parametrize("sample", SAMPLES)
def test_requests_that_are_cut_anywhere(serve: Serve, sample: str) -> None:
    """A client may go after any byte, with a FIN or an RST."""
    server = serve()
    whole = SAMPLES[sample]
    for cut in range(len(whole)):
        with server.connect() as client:
            client.send(whole[:cut])
            if cut % 2:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert_well(server)
    with server.connect() as client:
        client.send(whole)
        assert client.answer()[0] == 200


@pytest.mark.parametrize("sample", SAMPLES)
def test_requests_in_two_pieces(serve: Serve, sample: str) -> None:
    """A request may come in two pieces, parted anywhere."""
    server = serve()
    whole = SAMPLES[sample]
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(whole), 3):
            client.send(whole[:cut])
            client.send(whole[cut:])
            assert client.answer()[0] == 200
    assert_well(server)


PIECES = st.sampled_from(
    [
        *SAMPLES.values(),
        b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer k\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET * HTTP/1.1\r\nhost: \xff\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-encoding: br\r\n\r\nhello",
        b"\r\n",
        b"0\r\n\r\n",
        b"x-windtunnel-fault: \xff\r\n",
    ]
) | st.binary(max_size=30)


def test_any_bytes(serve: Serve) -> None:
    """Whatever bytes come, the server answers them or closes, and goes on answering others."""
    server = serve()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(PIECES, max_size=5).map(b"".join), st.data())
    def attack(data: bytes, draw: st.DataObject) -> None:
        at = draw.draw(st.integers(0, len(data)))
        with server.connect() as client:
            client.send(data[:at] + data[at + draw.draw(st.integers(0, 3)) :])
            client.sock.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                client.read_to_end()

    attack()
    assert_well(server)
