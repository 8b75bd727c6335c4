"""Requests over HTTP/2 on a real socket: many on one connection, with the limits that HTTP/1.1 has."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import h2.events
import h2.settings
import httpx2
import pytest
from h2.errors import ErrorCodes

from windtunnel.mock_server.script import FOREVER, End, Head, Script, Send, Wait
from windtunnel.mock_server.transports.http2.signals import MAX_STREAMS, WINDOW
from windtunnel.mock_server.transports.limits import MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_UNREAD_BODY

TEXT = (("content-type", "text/plain"),)


def test_many_requests_share_one_connection(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """Requests that are under way together on one connection are all answered, each with a row of its own."""
    server = serve()
    client = dial(server)
    streams = [client.ask() for _ in range(20)]
    for stream in streams:
        status, fields, body = client.answer(stream)
        assert status == 200
        assert int(fields["content-length"]) == len(body)
        assert json.loads(body)["object"] == "chat.completion"
    rows = server.journal.wait_for(20)
    assert {row["connection_id"] for row in rows} == {1}
    assert sorted(row["connection_request_n"] for row in rows) == list(range(20))
    assert {(row["http_version"], row["ending"], row["abandoned"]) for row in rows} == {("2", "end", False)}
    assert all(row["first_byte_s"] is not None and row["bytes_sent"] > 600 for row in rows)


def test_a_slow_answer_holds_up_no_other(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """An answer that never comes leaves the others of its connection alone."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda ticket: silent if ticket.request.call_id == "silent" else None)
    client = dial(server)
    first = client.ask(fields=(("x-windtunnel-call", "silent"),))
    assert client.until(first, h2.events.DataReceived).data == b"x"
    assert client.answer(client.ask())[0] == 200
    assert [row["call_id"] for row in server.journal.rows] != ["silent"]


def test_the_same_truth_as_over_http1(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """The row of a request says the same, whichever HTTP it came in, but for what is the transport's."""
    server = serve()
    port = next(iter(server.ports.values()))
    body = json.dumps({"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]})
    for http2 in (False, True):
        with httpx2.Client(http1=not http2, http2=http2) as client:
            headers = {"authorization": "Bearer k", "x-windtunnel-call": f"call-{http2}"}
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            answer = client.post(url, content=body, headers={**headers, "content-type": "application/json"})
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    one, other = server.journal.wait_for(2)
    differs = {name for name in one if one[name] != other[name]}
    assert differs <= {
        "served_id",
        "call_id",
        "connection_id",
        "http_version",
        "truth_digest",  # it depends on the call
        "bytes_sent",
        "arrived_s",
        "started_s",
        "first_byte_s",
        "last_byte_s",
        "ended_s",
    }


def test_a_cancelled_stream_is_a_client_that_left(
    serve: Callable[..., Any], dial: Callable[..., Any]
) -> None:
    """RST_STREAM from the client ends its request as a closed connection does, and no other request."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda _: silent)
    client = dial(server)
    left, stays = client.ask(), client.ask()
    client.until(left, h2.events.DataReceived)
    client.until(stays, h2.events.DataReceived)
    client.h2.reset_stream(left, ErrorCodes.CANCEL)
    client.flush()
    row = server.row()
    assert (row["ending"], row["abandoned"], row["connection_request_n"]) == ("left", True, 0)
    assert len(server.journal.rows) == 1
    client.sock.close()
    assert server.row(1)["abandoned"] is True


def test_an_answer_waits_for_its_window(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A client that opens no window holds up its own answer alone, in bounded buffers, and gets all of it later."""
    piece = b"y" * 50_000
    large = Script((Head(200, TEXT, framing="chunked"), *[Send(piece, tokens=1)] * 100, End()))
    server = serve(scripts=lambda ticket: large if ticket.request.call_id == "large" else None)
    client = dial(server, settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100_000})
    client.h2.increment_flow_control_window(10_000_000)
    client.acknowledges = False
    stream = client.ask(fields=(("x-windtunnel-call", "large"),))
    client.until(stream, h2.events.DataReceived)
    assert client.answer(client.ask())[0] == 200
    while len(client.body(stream)) < 100_000:
        client.read()
    exchange = server.call(lambda: next(iter(server.mock.exchanges.values())))
    assert exchange.player.bytes_sent < 600_000
    client.h2.increment_flow_control_window(10_000_000, stream)
    client.flush()
    assert client.answer(stream)[2] == piece * 100
    assert server.journal.wait_for(2)[1]["tokens_sent"] == 100


def test_a_window_that_settings_open(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """SETTINGS_INITIAL_WINDOW_SIZE moves the windows of the streams that exist: what waited for them leaves."""
    server = serve(scripts=lambda _: Script((Head(200, TEXT), Send(b"z" * 1000, role="terminal"), End())))
    client = dial(server, settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    stream = client.ask()
    client.until(stream, h2.events.DataReceived)
    assert len(client.body(stream)) == 10
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 5000})
    client.flush()
    assert client.answer(stream)[2] == b"z" * 1000


def test_one_stream_too_many_is_refused_alone(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """Beyond SETTINGS_MAX_CONCURRENT_STREAMS a request gets REFUSED_STREAM, and the connection goes on."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda _: silent)
    client = dial(server)
    client.until(0, h2.events.RemoteSettingsChanged)
    assert client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS
    client.h2.remote_settings.max_concurrent_streams = MAX_STREAMS + 1
    client.h2.remote_settings.acknowledge()
    streams = [client.ask() for _ in range(MAX_STREAMS + 1)]
    assert client.reset_code(streams[-1]) == ErrorCodes.REFUSED_STREAM
    client.until(streams[0], h2.events.DataReceived)


def test_a_long_body_is_read_beyond_the_window(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A body longer than the window arrives, since what has come is acknowledged at once."""
    server = serve()
    client = dial(server)
    client.until(0, h2.events.WindowUpdated)
    text = "a" * (3 * WINDOW)
    body = json.dumps({"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": text}]}).encode()
    stream = client.ask(None, end=False)
    while body:
        room = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size)
        if not room:
            client.read()
            continue
        client.h2.send_data(stream, body[:room], end_stream=room >= len(body))
        body = body[room:]
        client.flush()
    assert client.answer(stream)[0] == 200
    assert server.call(lambda: server.mock.incoming.held) == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((("content-length", str(MAX_UNREAD_BODY + 1)),), 413),
        ((("x-long", "a" * (MAX_LINE + 1)),), 431),
        (tuple([("x-many", str(n)) for n in range(MAX_HEADERS + 1)]), 431),
        ((("x-again", "a" * (MAX_HEAD // 120)),) * 121, 431),
    ],
    ids=["promises too much", "long field", "many fields", "long head"],
)
def test_what_is_too_large_is_refused(
    serve: Callable[..., Any], dial: Callable[..., Any], fields: Any, status: int
) -> None:
    """The limits are those of HTTP/1.1, with its statuses; the stream ends, and the connection goes on."""
    server = serve()
    client = dial(server)
    client.h2.remote_settings[h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE] = 2**31 - 1
    stream = client.ask(None, path="/v1/models", fields=fields, end=False)
    assert client.answer(stream)[0] == status
    assert client.answer(client.ask())[0] == 200
    assert server.call(lambda: server.mock.counters.unreceived) == {status: 1}


def test_too_long_a_body_is_refused(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A body that grows too long gets a 413, is read no further, and holds no memory."""
    server = serve()
    client = dial(server)
    client.until(0, h2.events.WindowUpdated)
    stream = client.ask(None, path="/v1/nothing", end=False)
    left = MAX_UNREAD_BODY + 1
    while left:
        room = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size, left)
        if not room:
            client.read()
            continue
        client.h2.send_data(stream, b"a" * room)
        left -= room
        client.flush()
    assert client.answer(stream)[0] == 413
    assert server.call(lambda: server.mock.incoming.held) == 0


def test_a_slow_request_is_refused(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A request that does not become whole gets a 408 of its own; the others of its connection are answered."""
    server = serve()
    server.call(lambda: setattr(server.mock.incoming, "request_s", 0.05))
    client = dial(server)
    slow = client.ask(None, end=False)
    assert client.answer(slow)[0] == 408
    assert client.answer(client.ask())[0] == 200


def test_a_client_that_waits_is_told_to_continue(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """`Expect: 100-continue` gets an informational answer before the body is sent."""
    client = dial(serve())
    stream = client.ask(None, fields=(("expect", "100-continue"),), end=False)
    assert client.until(stream, h2.events.InformationalResponseReceived).headers[0] == (":status", "100")


def test_the_admin_api_is_there(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """Its pages are answered in HTTP/2 too, on the port of a region."""
    client = dial(serve())
    status, _, body = client.answer(client.ask(None, method="GET", path="/_windtunnel/health"))
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_a_region_without_http2(serve: Callable[..., Any]) -> None:
    """With `http2: false` the preface is what it is for a server of HTTP/1.1: a bad request."""
    server = serve({"provider": {"regions": {"old": {"http2": False}}}})
    with server.connect() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.head()[0] == 400


def test_the_first_bytes_may_come_one_by_one(serve: Callable[..., Any], ask: Callable[..., bytes]) -> None:
    """Neither HTTP depends on how its first bytes are cut, and `P` alone is waited for no longer than a request."""
    server = serve()
    for first in (ask(), ask(method="PUT", path="/v1/nothing")):
        with server.connect() as client:
            for at in range(5):
                client.send(first[at : at + 1])
            client.send(first[5:])
            assert client.answer()[0] in (200, 404)
    server.call(lambda: setattr(server.mock.incoming, "request_s", 0.05))
    with server.connect() as client:
        client.send(b"P")
        assert client.head()[0] == 408


def test_goaway_when_the_server_ends(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A server that is stopped says so, and names the last request that it has received."""
    server = serve()
    client = dial(server)
    stream = client.ask()
    client.answer(stream)
    server.loop.call_soon_threadsafe(server.mock.stop)
    ended = client.until(0, h2.events.ConnectionTerminated)
    assert (ended.error_code, ended.last_stream_id) == (ErrorCodes.NO_ERROR, stream)
    assert not client.read()


def test_a_client_that_says_goodbye(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """GOAWAY from a client ends its requests as a closed connection does."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda _: silent)
    client = dial(server)
    client.until(client.ask(), h2.events.DataReceived)
    client.h2.close_connection()
    client.flush()
    assert server.row()["abandoned"] is True


@pytest.mark.skipif(
    "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout
    if shutil.which("curl")
    else True,
    reason="there is no curl that speaks HTTP/2",
)
def test_curl(serve: Callable[..., Any]) -> None:
    """curl talks to it by prior knowledge, and stays in HTTP/1.1 where it only asks for an upgrade."""
    server = serve()
    url = f"http://127.0.0.1:{next(iter(server.ports.values()))}/v1/models"
    for option, version in (("--http2-prior-knowledge", "2"), ("--http2", "1.1")):
        done = subprocess.run(
            ["curl", "-s", option, "-H", "authorization: Bearer k", "-w", "\n%{http_version}", url],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        listed, _, spoken = done.stdout.rpartition("\n")
        assert (json.loads(listed)["object"], spoken) == ("list", version)


def test_pings_are_answered(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """A ping comes back with its own eight bytes."""
    client = dial(serve())
    client.h2.ping(b"12345678")
    client.flush()
    assert client.until(0, h2.events.PingAckReceived).ping_data == b"12345678"


def test_one_write_a_round(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """Answers that are due together leave together: the frames of several streams come in one read."""
    client = dial(serve())
    client.answer(client.ask())
    streams = [client.h2.get_next_available_stream_id() + 2 * n for n in range(3)]
    for stream in streams:
        client.h2.send_headers(
            stream,
            [(":method", "GET"), (":authority", "x"), (":scheme", "http"), (":path", "/_windtunnel/health")],
            end_stream=True,
        )
    client.flush()
    assert client.read()
    assert all(client.events[stream] for stream in streams)
