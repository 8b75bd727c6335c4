"""Faults that only HTTP/2 can say, frame by frame on a real socket, and what others become in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h2.events
import h2.settings
import pytest
from h2.errors import ErrorCodes

from windtunnel.mock_server.script import FOREVER, End, Head, Script, Send, Wait

FAULT = "x-windtunnel-fault"
TEXT = (("content-type", "text/plain"),)
STREAMED = {
    "model": "gpt-4.1-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
}


def _fault(text: str) -> dict[str, Any]:
    return {"fields": ((FAULT, text),)}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("stream_reset", ErrorCodes.INTERNAL_ERROR),
        ("stream_reset; code=cancel", ErrorCodes.CANCEL),
        ("stream_reset; at=after_chunks 1; code=http_1_1_required", ErrorCodes.HTTP_1_1_REQUIRED),
        ("refused_stream", ErrorCodes.REFUSED_STREAM),
        ("reset", ErrorCodes.INTERNAL_ERROR),
        ("close; at=after_chunks 1", ErrorCodes.INTERNAL_ERROR),
        ("incomplete_chunked", ErrorCodes.INTERNAL_ERROR),
        ("bad_status_line", ErrorCodes.PROTOCOL_ERROR),
    ],
)
def test_one_stream_ends(
    serve: Callable[..., Any], dial: Callable[..., Any], fault: str, code: ErrorCodes
) -> None:
    """What ends a connection in HTTP/1.1 ends one stream here, with its code; the next request is answered."""
    server = serve()
    client = dial(server)
    stream = client.ask(STREAMED, **_fault(fault))
    assert client.reset_code(stream) == code
    assert bool(client.body(stream)) == ("chunk" in fault)
    assert client.answer(client.ask())[0] == 200
    row = server.row()
    assert (row["faults"], row["abandoned"]) == ((fault.partition(";")[0],), False)
    assert row["ending"] in ("abort", "close")


def test_goaway_lets_answers_end(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """What was received before GOAWAY is answered, what comes later is not looked at, and then the connection ends."""
    slow = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(0.3), Send(b"y"), End()))
    server = serve(scripts=lambda ticket: slow if ticket.request.call_id == "slow" else None)
    client = dial(server)
    first = client.ask(fields=(("x-windtunnel-call", "slow"),))
    client.until(first, h2.events.DataReceived)
    last = client.ask(**_fault("goaway"))
    seen = _frames_to_the_end(client, then=lambda: _late_request(client))
    assert seen["goaway"] == (ErrorCodes.NO_ERROR, last)
    assert seen["ended"] == {first, last}
    assert {row["ending"] for row in server.journal.wait_for(2)} == {"end"}


def test_goaway_with_grace(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """When the grace is over the connection ends, whatever is under way."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda ticket: silent if ticket.request.call_id == "slow" else None)
    client = dial(server)
    slow = client.ask(fields=(("x-windtunnel-call", "slow"),))
    client.until(slow, h2.events.DataReceived)
    last = client.ask(**_fault("goaway; grace=50ms"))
    seen = _frames_to_the_end(client)
    assert seen["goaway"] == (ErrorCodes.NO_ERROR, last)
    assert seen["ended"] == {last}


def test_calm_down_ends_everything(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """GOAWAY with ENHANCE_YOUR_CALM, and a FIN: the requests under way are lost with the connection."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda _: silent)
    client = dial(server)
    lost = client.ask()
    client.until(lost, h2.events.DataReceived)
    last = client.ask(**_fault("calm_down"))
    seen = _frames_to_the_end(client)
    assert seen["goaway"] == (ErrorCodes.ENHANCE_YOUR_CALM, last)
    assert seen["ended"] == set()
    endings = {row["connection_request_n"]: row["ending"] for row in server.journal.wait_for(2)}
    assert endings == {0: "left", 1: "abort"}


def test_one_stream_at_a_time(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """After the fault one request is allowed at once, a second one is refused, and later there is room again."""
    silent = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    server = serve(scripts=lambda ticket: silent if ticket.request.call_id == "silent" else None)
    client = dial(server)
    client.answer(client.ask(**_fault("one_stream; seconds=500ms")))
    client.until(0, h2.events.RemoteSettingsChanged)
    assert client.h2.remote_settings.max_concurrent_streams == 1
    client.h2.remote_settings.max_concurrent_streams = 10
    client.h2.remote_settings.acknowledge()
    held = client.ask(fields=(("x-windtunnel-call", "silent"),))
    client.until(held, h2.events.DataReceived)
    assert client.reset_code(client.ask()) == ErrorCodes.REFUSED_STREAM
    while client.h2.remote_settings.max_concurrent_streams != 100:
        client.read()
    assert client.answer(client.ask())[0] == 200


def test_a_window_that_stalls(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """After the fault a new request has no window for its body, until there is one again."""
    client = dial(serve())
    client.answer(client.ask(**_fault("window_stall; seconds=300ms")))
    while client.h2.remote_settings.initial_window_size:
        client.read()
    stream = client.ask(None, end=False)
    assert client.h2.local_flow_control_window(stream) == 0
    while not client.h2.local_flow_control_window(stream):
        client.read()
    client.h2.send_data(stream, b"{}", end_stream=True)
    client.flush()
    assert client.answer(stream)[0] == 400


def test_in_http1_they_are_refused_or_do_not_act(
    serve: Callable[..., Any], ask: Callable[..., bytes]
) -> None:
    """A request that names one gets a 400 that says why; a rule passes it by."""
    server = serve({"rules": [{"fault": "refused_stream"}]})
    with server.connect() as client:
        client.ask(headers={FAULT: "goaway"})
        status, _, body = client.answer()
        assert status == 400
        assert b"found goaway in HTTP/1.1, expected a request in HTTP/2" in body
        client.ask()
        assert client.answer()[0] == 200


def test_a_head_that_trickles_leaves_when_its_last_piece_would(
    serve: Callable[..., Any], dial: Callable[..., Any]
) -> None:
    """The head comes whole, after the time that its bytes would have taken; the body's bytes trickle."""
    client = dial(serve())
    stream = client.ask(**_fault("drip; bytes_per_second=4000; head=true"))
    assert client.answer(stream)[0] == 200
    assert len([one for one in client.events[stream] if isinstance(one, h2.events.DataReceived)]) > 5


def _late_request(client: Any) -> None:
    """Send a request that the client's h2 would not send any more."""
    late = h2.connection.H2Connection()
    late.initiate_connection()
    late.data_to_send()
    stream = client.h2.highest_outbound_stream_id + 2
    head = [(":method", "GET"), (":authority", "x"), (":scheme", "http"), (":path", "/v1/models")]
    late.send_headers(1, head, end_stream=True)
    frame = bytearray(late.data_to_send())
    frame[5:9] = stream.to_bytes(4, "big")
    client.sock.sendall(frame)


def _frames_to_the_end(client: Any, then: Callable[[], None] | None = None) -> dict[str, Any]:
    """Read frames to the end of the connection, as h2 stops at GOAWAY: what GOAWAY said, and which streams ended.

    `then` is called once GOAWAY has come.
    """
    data, goaway, ended = bytearray(), None, set()
    for stream, events in client.events.items():
        ended |= {stream for event in events if isinstance(event, h2.events.StreamEnded)}
    while piece := client.sock.recv(65_536):
        data += piece
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
            stream = int.from_bytes(data[5:9], "big")
            payload = data[9 : 9 + size]
            del data[: 9 + size]
            if kind == 7:
                goaway = (
                    ErrorCodes(int.from_bytes(payload[4:8], "big")),
                    int.from_bytes(payload[:4], "big"),
                )
                if then is not None:
                    then()
                    then = None
            elif kind in (0, 1) and flags & 1:
                ended.add(stream)
    return {"goaway": goaway, "ended": ended}
