"""What clients send: slowly, without end, too much of it, or half of it. Others are served all the same."""

from __future__ import annotations

import gzip
import socket
from contextlib import suppress

import pytest

from tests.mock_server.hardening.wire import CHAT, FORM, HEAD, SAMPLES, Ask, Serve, assert_well, refused
from windtunnel.mock_server.api.json_body import MAX_VALUES
from windtunnel.mock_server.transports.limits import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_HELD,
    MAX_LINE,
    MAX_UNREAD_BODY,
)


@pytest.mark.parametrize("part", [HEAD[:20], HEAD, SAMPLES["length"][:-1], SAMPLES["chunked"][:-1]])
def test_a_request_that_does_not_become_whole_in_time(serve: Serve, part: bytes) -> None:
    """A head or a body that does not end gets a 408, and a connection without a request stays open."""
    server = serve()
    server.mock.incoming.request_s = 0.05
    with server.connect() as idle, server.connect() as slow:
        slow.send(part)
        assert refused(slow)[0] == 408
        idle.ask()
        assert idle.answer()[0] == 200
    assert server.mock.counters.unreceived == {408: 1}
    assert_well(server)


def test_time_counts_from_the_first_byte(serve: Serve) -> None:
    """Sending on, byte by byte, does not win time; whoever comes later has all of theirs."""
    server = serve()
    server.mock.incoming.request_s = 0.1
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
    server.mock.incoming.held += MAX_HELD - 100_000
    for request in (ask(body=body), ask(body=body)[:200_000]):
        with server.connect() as client:
            client.send(request)
            assert refused(client)[0] == 503
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    server.mock.incoming.held -= MAX_HELD - 100_000
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


def test_too_many_connections(serve: Serve) -> None:
    """Beyond the cap a connection gets a 503 and is closed; the admin port answers, and so does the next one."""
    server = serve()
    server.mock.incoming.most_connections = 3
    clients = [server.connect() for _ in range(4)]
    status, message = refused(clients[3])
    assert (status, message.split(",")[0]) == (503, "3 connections are open already")
    with socket.create_connection(("127.0.0.1", server.admin_port)) as admin:
        admin.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        text = b"".join(iter(lambda: admin.recv(65_536), b""))
    assert b'windtunnel_unreceived_total{status="503"} 1.0' in text
    for client in clients:
        client.sock.close()
    server.mock.incoming.most_connections = 1_000
    assert_well(server)
