"""How requests are read from a connection, good ones and bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from windtunnel.mock_server.transports.limits import MAX_BODY


def test_pipelined_requests_are_answered_in_order(
    serve: Callable[..., Any], ask: Callable[..., bytes]
) -> None:
    """Requests sent at once on one connection are answered one after the other, in order, all of them."""
    server = serve()
    with server.connect() as client:
        client.send(b"".join([ask(call=f"c{n}") for n in range(100)]))
        served = [client.answer()[1]["x-windtunnel-served"] for _ in range(100)]
    assert served == [f"s{n}" for n in range(1, 101)]
    rows = server.journal.wait_for(100)
    assert [row["call_id"] for row in rows] == [f"c{n}" for n in range(100)]
    assert [row["connection_request_n"] for row in rows] == list(range(100))
    assert len({row["connection_id"] for row in rows}) == 1


def test_a_request_may_come_in_pieces(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """A request that arrives byte by byte is the same request."""
    server = serve()
    with server.connect() as client:
        for byte in ask(call="c1"):
            client.send(bytes([byte]))
        assert client.answer()[0] == 200
    assert server.row()["call_id"] == "c1"


def test_a_chunked_request(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """A request whose body is chunked is read to its last chunk."""
    server = serve()
    whole = ask(headers={"transfer-encoding": "chunked"})
    head, _, body = whole.partition(b"\r\n\r\n")
    chunks = b"".join(
        [b"%x\r\n%b\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7)]
    )
    with server.connect() as client:
        client.send(head + b"\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert client.answer()[0] == 200


def test_expect_continue(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """A client that asks before it sends its body is told to go on, once."""
    server = serve()
    head, _, body = ask(headers={"expect": "100-continue"}).partition(b"\r\n\r\n")
    with server.connect() as client:
        client.send(head + b"\r\n\r\n")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body[:5])
        client.send(body[5:])
        assert client.answer()[0] == 200


def test_what_is_not_http_gets_a_400(serve: Callable[..., Any]) -> None:
    """Bytes that are no HTTP get a 400 in the API's form, a closed connection, and no row."""
    server = serve()
    with server.connect() as client:
        client.send(b"BANANA\x00\x01 / HTTP/9.9\r\n\r\n")
        status, headers, body = client.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
        assert client.read_to_end() == b""
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    assert server.row()["status"] == 200
    assert len(server.journal.rows) == 1


def test_a_body_that_is_too_large(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """A body above the limit gets a 413 while it is still being sent, so memory stays bounded."""
    server = serve()
    with server.connect() as client:
        client.send(ask(body=b"", headers={"content-length": str(MAX_BODY * 4)}))
        piece = b"z" * 1_000_000
        try:
            for _ in range(MAX_BODY * 3 // len(piece)):
                client.send(piece)
        except ConnectionError:
            pass
        else:
            assert client.head()[0] == 413
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200


def test_errors_of_the_api_are_answers_like_any_other(serve: Callable[..., Any]) -> None:
    """Unknown paths, missing keys and bad bodies get OpenAI's errors and a row each; the connection goes on."""
    server = serve()
    with server.connect() as client:
        client.ask(path="/v1/nonsense")
        client.ask(headers={"authorization": ""})
        client.ask(body=b"{")
        answers = [client.answer() for _ in range(3)]
    assert [status for status, _, _ in answers] == [404, 401, 400]
    assert all("message" in json.loads(body)["error"] for _, _, body in answers)
    rows = server.journal.wait_for(3)
    assert [row["status"] for row in rows] == [404, 401, 400]
    assert all(row["started_s"] is None and row["tokens_billed"] == 0 for row in rows)


def test_regions_have_ports_of_their_own(serve: Callable[..., Any]) -> None:
    """A request belongs to the region whose port it came to."""
    server = serve(
        {"provider": {"answer": {"first_token": "1ms", "tokens": 1}, "regions": {"east": {}, "west": {}}}}
    )
    for region in ("east", "west"):
        with server.connect(region) as client:
            client.ask()
            assert client.answer()[0] == 200
    assert [row["region"] for row in server.journal.wait_for(2)] == ["east", "west"]
