"""What clients send: slowly, without end, too much of it, or half of it. Others are served all the same."""

from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_server.transports.reception import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_HELD,
    MAX_LINE,
    MAX_PIPELINED,
    MAX_UNREAD_BODY,
    MAX_VALUES,
)

Serve = Callable[..., Any]
Ask = Callable[..., bytes]

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k\r\n"
CHAT = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}],"stream":true}'
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
)
SAMPLES = {
    "length": HEAD + b"content-length: %d\r\n\r\n" % len(CHAT) + CHAT,
    "chunked": HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT),
    "form": HEAD.replace(b"chat/completions", b"files")
    + b"content-type: multipart/form-data; boundary=b\r\ncontent-length: %d\r\n\r\n" % len(FORM)
    + FORM,
}


def assert_well(server: Any) -> None:
    """The server answers, keeps nothing of what is over, and has not failed on anything."""
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    shell = server.shell
    assert server.call(lambda: (shell.reception.held, len(shell.reception))) == (0, 0)
    assert shell.counters.failures.by_place == {}


def refused(client: Any) -> tuple[int, str]:
    """Status and message of an error in OpenAI's form, after which the connection is closed."""
    status, headers, body = client.answer()
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert headers["connection"] == "close"
    assert client.read_to_end() == b""
    return status, error["message"]


@pytest.mark.parametrize("part", [HEAD[:20], HEAD, SAMPLES["length"][:-1], SAMPLES["chunked"][:-1]])
def test_a_request_that_does_not_become_whole_in_time(serve: Serve, part: bytes) -> None:
    """A head or a body that does not end gets a 408, and a connection without a request stays open."""
    server = serve()
    server.shell.reception.request_s = 0.05
    with server.connect() as idle, server.connect() as slow:
        slow.send(part)
        assert refused(slow)[0] == 408
        idle.ask()
        assert idle.answer()[0] == 200
    assert server.shell.counters.unreceived == {408: 1}
    assert_well(server)


def test_time_counts_from_the_first_byte(serve: Serve) -> None:
    """Sending on, byte by byte, does not win time; whoever comes later has all of theirs."""
    server = serve()
    server.shell.reception.request_s = 0.1
    with server.connect() as slow:
        with suppress(ConnectionError):
            for byte in SAMPLES["length"] * 10_000:
                slow.sock.settimeout(0.001)
                slow.send(bytes([byte]))
                with suppress(TimeoutError):
                    slow.buffer += slow.sock.recv(1)
                    break
        slow.sock.settimeout(20)
        assert refused(slow)[0] == 408
    assert_well(server)


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/v1/chat/completions", MAX_BODY),
        ("POST", "/openai/deployments/m/chat/completions?api-version=1", MAX_BODY),
        ("POST", "/v1/files", MAX_BODY),
        ("GET", "/v1/models", MAX_UNREAD_BODY),
        ("POST", "/v1/nothing", MAX_UNREAD_BODY),
        ("PUT", "/_windtunnel/plan", MAX_UNREAD_BODY),
    ],
)
def test_a_body_that_is_announced_as_too_long(
    serve: Serve, ask: Ask, method: str, path: str, most: int
) -> None:
    """A Content-Length beyond what the endpoint takes gets a 413 before any of the body is sent."""
    server = serve()
    for length, wanted in ((most, b"HTTP/1.1 100 "), (most + 1, b"HTTP/1.1 413 ")):
        head = ask(
            method=method,
            path=path,
            body=b"",
            headers={"content-length": str(length), "expect": "100-continue"},
        )
        with server.connect() as client:
            client.send(head)
            assert client.read_until(b"\r\n").startswith(wanted)
    assert_well(server)


def test_a_refused_client_that_goes_on_sending_reads_the_answer(serve: Serve, ask: Ask) -> None:
    """Whoever sends the whole of a body that is too long finds the 413 behind it, not a reset connection."""
    server = serve()
    with server.connect() as client:
        client.send(ask(path="/v1/nothing", body=b"x" * (8 * MAX_UNREAD_BODY)))
        assert refused(client) == (413, f"Your request's body is longer than {MAX_UNREAD_BODY} bytes.")
    assert_well(server)


def test_a_body_without_a_length_that_grows_too_long(serve: Serve, ask: Ask) -> None:
    """A chunked body is refused when it has become too long, whatever the size of its chunks."""
    server = serve()
    for size in (2, 200_000):
        chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
        with server.connect() as client:
            client.send(ask(path="/v1/nothing", body=b"", headers={"transfer-encoding": "chunked"}))
            client.send(chunk * (MAX_UNREAD_BODY // size + 1))
            assert refused(client)[0] == 413
    assert_well(server)


def test_a_compressed_body_that_grows_too_long(serve: Serve, ask: Ask) -> None:
    """A body that is small only as long as it is compressed is refused, without being unpacked as a whole."""
    server = serve()
    bomb = gzip.compress(b"\0" * (4 * MAX_BODY))
    with server.connect() as client:
        client.send(ask(body=bomb, headers={"content-encoding": "gzip"}))
        assert refused(client)[0] == 413
    with server.connect() as client:
        client.send(ask(body=gzip.compress(CHAT), headers={"content-encoding": "gzip"}))
        assert client.answer()[0] == 200
    with server.connect() as client:
        client.send(ask(body=b"not compressed", headers={"content-encoding": "gzip"}))
        assert refused(client)[0] == 400
    assert_well(server)


@pytest.mark.parametrize("kind", ["json", "form"])
def test_fifty_megabytes(serve: Serve, ask: Ask, kind: str) -> None:
    """A body of 50 MB is answered where an endpoint takes it, as JSON and as a file, and is gone afterwards."""
    server = serve()
    content = b"a, b " * 10_000_000
    if kind == "json":
        request = ask(body=CHAT.replace(b"hello", content))
    else:
        body = FORM.replace(b"hello", content)
        request = ask(
            path="/v1/files", body=body, headers={"content-type": "multipart/form-data; boundary=b"}
        )
    with server.connect() as client:
        client.send(request)
        assert client.answer()[0] == 200
    assert_well(server)


def test_more_values_than_memory_is_for(serve: Serve, ask: Ask) -> None:
    """A JSON body of millions of tiny values is refused before it is read, whatever they are."""
    server = serve()
    for value in (b"{}", b"0", b'""'):
        with server.connect() as client:
            client.send(ask(body=b'{"input":[' + (value + b",") * MAX_VALUES + b"0]}"))
            assert refused(client) == (413, f"Your request's body holds more than {MAX_VALUES} values.")
    assert_well(server)


def test_more_of_all_requests_than_memory_is_for(serve: Serve, ask: Ask) -> None:
    """What would exceed the cap of all requests together gets a 503; when there is room again, an answer."""
    server = serve()
    body = CHAT.replace(b"hello", b"x" * 300_000)
    server.shell.reception.held += MAX_HELD - 100_000
    for request in (ask(body=body), ask(body=body)[:200_000]):
        with server.connect() as client:
            client.send(request)
            assert refused(client)[0] == 503
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    server.shell.reception.held -= MAX_HELD - 100_000
    with server.connect() as client:
        client.send(ask(body=body))
        assert client.head()[0] == 200
    assert_well(server)


@pytest.mark.parametrize(
    "flood",
    [
        b"".join([b"x-%d: y\r\n" % n for n in range(MAX_HEADERS)]),
        b"x: " + b"y" * (MAX_LINE + 1) + b"\r\n",
        b"y" * (MAX_LINE + 1) + b": x\r\n",
        b"".join([b"x-%d: %b\r\n" % (n, b"y" * 9_000) for n in range(MAX_HEAD // 4_000)]),
    ],
)
def test_floods_of_headers(serve: Serve, flood: bytes) -> None:
    """Too many headers, too long ones, and too much of them all together get a 431."""
    server = serve()
    with server.connect() as client:
        client.send(HEAD)
        with suppress(ConnectionError):
            for start in range(0, len(flood), 4_000):
                client.send(flood[start : start + 4_000])
            client.send(b"\r\n")
        assert refused(client)[0] == 431
    with server.connect() as client:
        client.send(b"GET /" + b"y" * MAX_LINE + b" HTTP/1.1\r\n\r\n")
        assert refused(client)[0] == 431
    assert_well(server)


def test_a_flood_in_a_pipeline(serve: Serve, ask: Ask) -> None:
    """Thousands of requests in one write are answered in order, and only a few of them are kept at a time."""
    server = serve()
    most = 0
    begin = server.shell.arrived

    def arrived(connection: Any, *rest: Any) -> Any:
        nonlocal most
        most = max(most, len(connection._waiting))
        return begin(connection, *rest)

    server.shell.arrived = arrived
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


def test_too_many_connections(serve: Serve) -> None:
    """Beyond the cap a connection gets a 503 and is closed; the admin port answers, and so does the next one."""
    server = serve()
    server.shell.reception.most_connections = 3
    clients = [server.connect() for _ in range(4)]
    status, message = refused(clients[3])
    assert (status, message.split(",")[0]) == (503, "3 connections are open already")
    with socket.create_connection(("127.0.0.1", server.admin_port)) as admin:
        admin.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        text = b"".join(iter(lambda: admin.recv(65_536), b""))
    assert b'windtunnel_unreceived_total{status="503"} 1.0' in text
    for client in clients:
        client.sock.close()
    server.shell.reception.most_connections = 1_000
    assert_well(server)
