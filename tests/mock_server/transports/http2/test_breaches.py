"""Clients that break the protocol, in the manner of h2spec: RFC 9113 says what each gets, and the server lives on."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

import hpack
import pytest
from h2.errors import ErrorCodes

PATIENCE = 20.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8

HEAD = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/v1/chat/completions"),
    (":authority", "localhost"),
)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """The bytes of one frame (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(pairs: Iterable[tuple[str, str]] = HEAD) -> bytes:
    """A field block without references to the dynamic table."""
    encoded: bytes = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in pairs])
    return encoded


def head(stream: int, flags: int = END_HEADERS, pairs: Iterable[tuple[str, str]] = HEAD) -> bytes:
    """A HEADERS frame."""
    return frame(HEADERS, flags, stream, block(pairs))


def number(value: int) -> bytes:
    """Four bytes."""
    return struct.pack(">I", value)


def setting(name: int, value: int) -> bytes:
    """A SETTINGS frame with one setting."""
    return frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


HELLO = PREFACE + frame(SETTINGS, 0, 0)
WHOLE = END_STREAM | END_HEADERS
P, F, S, W, C, CALM = (
    ErrorCodes.PROTOCOL_ERROR,
    ErrorCodes.FRAME_SIZE_ERROR,
    ErrorCodes.STREAM_CLOSED,
    ErrorCodes.FLOW_CONTROL_ERROR,
    ErrorCodes.COMPRESSION_ERROR,
    ErrorCodes.ENHANCE_YOUR_CALM,
)
BOMB = hpack.Encoder().encode([("x-bomb", "b" * 3_900)], huffman=False) + b"\xbe" * 10_000
"""A field of 3,900 bytes, and 10,000 references to it: 39 MB in a frame of 14 KB."""

CASES: dict[str, tuple[bytes, set[ErrorCodes]]] = {
    "3.4 a preface that ends wrongly": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", {P}),
    "3.4 no SETTINGS after the preface": (PREFACE + b"\x00" * 64, {P}),
    "4.2 a frame that is too large": (HELLO + frame(DATA, 0, 1, b"x" * 16_385), {F, P}),
    "4.3 a field block that is no HPACK": (HELLO + frame(HEADERS, WHOLE, 1, b"\xff\xff\xff\xff\xff"), {C, P}),
    "4.3 a table size beyond the limit": (
        HELLO + frame(HEADERS, WHOLE, 1, b"\x3f\xe1\x7f" + block()),
        {C, P},
    ),
    "5.1 DATA on an idle stream": (HELLO + frame(DATA, 0, 1, b"x"), {P}),
    "5.1 RST_STREAM on an idle stream": (HELLO + frame(RST_STREAM, 0, 1, number(8)), {P}),
    "5.1 WINDOW_UPDATE on an idle stream": (HELLO + frame(WINDOW_UPDATE, 0, 1, number(1)), {P}),
    "5.1 DATA after END_STREAM": (HELLO + head(1, WHOLE) + frame(DATA, 0, 1, b"x"), {S, P}),
    "5.1 HEADERS after END_STREAM": (HELLO + head(1, WHOLE) + head(1, WHOLE), {S, P}),
    "5.1.1 an even stream": (HELLO + head(2, WHOLE), {P}),
    "5.1.1 a stream lower than one before": (HELLO + head(5, WHOLE) + head(3, WHOLE), {P, S}),
    "5.3 PRIORITY of a stream on itself": (HELLO + frame(PRIORITY, 0, 1, number(1) + b"\x10"), {P}),
    "6.1 DATA on stream 0": (HELLO + frame(DATA, 0, 0, b"x"), {P}),
    "6.1 padding longer than the frame": (HELLO + head(1) + frame(DATA, PADDED, 1, b"\x05x"), {P}),
    "6.2 HEADERS on stream 0": (HELLO + head(0, WHOLE), {P}),
    "6.4 RST_STREAM of a wrong size": (HELLO + head(1) + frame(RST_STREAM, 0, 1, b"\x00"), {F, P}),
    "6.5 SETTINGS on a stream": (HELLO + frame(SETTINGS, 0, 1), {P}),
    "6.5 SETTINGS with ACK and a payload": (HELLO + frame(SETTINGS, ACK, 0, b"\x00" * 6), {F, P}),
    "6.5 SETTINGS of a wrong size": (HELLO + frame(SETTINGS, 0, 0, b"\x00" * 5), {F, P}),
    "6.5.2 ENABLE_PUSH of 2": (HELLO + setting(2, 2), {P}),
    "6.5.2 a window that is too large": (HELLO + setting(4, 2**31), {W}),
    "6.5.2 a frame size that is too small": (HELLO + setting(5, 16_383), {P}),
    "6.6 PUSH_PROMISE of a client": (
        HELLO + head(1) + frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + block()),
        {P},
    ),
    "6.7 PING on a stream": (HELLO + frame(PING, 0, 1, b"\x00" * 8), {P}),
    "6.7 PING of a wrong size": (HELLO + frame(PING, 0, 0, b"\x00" * 6), {F, P}),
    "6.8 GOAWAY on a stream": (HELLO + frame(GOAWAY, 0, 1, b"\x00" * 8), {P}),
    "6.9 WINDOW_UPDATE of 0": (HELLO + frame(WINDOW_UPDATE, 0, 0, number(0)), {P, F}),
    "6.9 WINDOW_UPDATE of a wrong size": (HELLO + frame(WINDOW_UPDATE, 0, 0, b"\x00"), {F, P}),
    "6.9.1 a window that overflows": (HELLO + frame(WINDOW_UPDATE, 0, 0, number(2**31 - 1)), {W}),
    "6.9.1 a stream's window that overflows": (
        HELLO + head(1) + frame(WINDOW_UPDATE, 0, 1, number(2**31 - 1)),
        {W},
    ),
    "6.10 CONTINUATION without HEADERS": (HELLO + frame(CONTINUATION, END_HEADERS, 1, block()), {P}),
    "6.10 another frame inside a field block": (HELLO + head(1, 0) + frame(PING, 0, 0, b"\x00" * 8), {P}),
    "6.10 CONTINUATION of another stream": (HELLO + head(1, 0) + frame(CONTINUATION, 4, 3, b""), {P}),
    "8.1 a second HEADERS without END_STREAM": (HELLO + head(1) + head(1), {P}),
    "8.1.1 more body than content-length says": (
        HELLO + head(1, pairs=(*HEAD, ("content-length", "1"))) + frame(DATA, END_STREAM, 1, b"xyz"),
        {P},
    ),
    "8.2 a field name in upper case": (HELLO + head(1, WHOLE, (*HEAD, ("X-Upper", "1"))), {P}),
    "8.2.2 a field of the connection": (HELLO + head(1, WHOLE, (*HEAD, ("connection", "close"))), {P}),
    "8.3 an unknown pseudo field": (HELLO + head(1, WHOLE, (*HEAD, (":test", "1"))), {P}),
    "8.3 a pseudo field of answers": (HELLO + head(1, WHOLE, (*HEAD, (":status", "200"))), {P}),
    "8.3 a pseudo field behind others": (HELLO + head(1, WHOLE, (("x-a", "1"), *HEAD)), {P}),
    "8.3.1 no path": (HELLO + head(1, WHOLE, HEAD[:2]), {P}),
    "8.3.1 an empty path": (HELLO + head(1, WHOLE, (*HEAD[:2], (":path", ""), HEAD[3])), {P}),
    "8.3.1 two methods": (HELLO + head(1, WHOLE, (HEAD[0], *HEAD)), {P}),
    "10.5 an HPACK bomb": (HELLO + frame(HEADERS, WHOLE, 1, BOMB), {CALM, C}),
    "10.5 a flood of CONTINUATION": (
        HELLO + head(1, 0) + frame(CONTINUATION, 0, 1) * 1_000,
        {P, CALM},
    ),
    "10.5 a flood of SETTINGS": (HELLO + setting(4, 65_535) * 1_500, {CALM}),
    "10.5 a flood of pings": (HELLO + frame(PING, 0, 0, b"\x00" * 8) * 1_500, {CALM}),
    "10.5 a flood of empty DATA": (HELLO + head(1) + frame(DATA, 0, 1) * 1_500, {CALM}),
    "10.5 rapid resets": (
        HELLO
        + b"".join([head(n, END_HEADERS) + frame(RST_STREAM, 0, n, number(8)) for n in range(1, 3_001, 2)]),
        {CALM},
    ),
}
"""Bytes of a client by the section of RFC 9113 that they offend, and the codes that may answer them. Where the RFC says
stream error, ending the connection is allowed (section 5.4.1), and it is what h2 does."""


def codes_of(data: bytes) -> list[ErrorCodes]:
    """The codes of all GOAWAY and RST_STREAM frames in these bytes."""
    found = []
    while len(data) >= 9:
        size, kind = int.from_bytes(data[:3], "big"), data[3]
        payload, data = data[9 : 9 + size], data[9 + size :]
        if kind == GOAWAY:
            found.append(ErrorCodes(int.from_bytes(payload[4:8], "big")))
        elif kind == RST_STREAM:
            found.append(ErrorCodes(int.from_bytes(payload, "big")))
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_breach_is_answered_as_the_rfc_says(one_server: Any, dial: Callable[..., Any], case: str) -> None:
    """The client is told its error and the connection ends; other clients notice nothing, and nothing is kept."""
    sent, allowed = CASES[case]
    before = one_server.call(lambda: dict(one_server.mock.counters.failures.by_place))
    other = dial(one_server)
    with socket.create_connection(("127.0.0.1", one_server.ports["local"]), PATIENCE) as sock:
        sock.sendall(sent)
        got = b""
        while not codes_of(got):
            piece = sock.recv(65_536)
            assert piece, "the connection ended without a word"
            got += piece
    assert set(codes_of(got)) & allowed, codes_of(got)
    assert other.answer(other.ask())[0] == 200
    assert one_server.call(lambda: dict(one_server.mock.counters.failures.by_place)) == before
    assert one_server.call(lambda: (one_server.mock.incoming.held, len(one_server.mock.exchanges))) == (0, 0)


def test_a_client_that_does_not_read_is_not_read(serve: Callable[..., Any], dial: Callable[..., Any]) -> None:
    """Pings that nobody collects the answers of fill no memory: the connection is paused, and others are served."""
    server = serve()
    with socket.create_connection(("127.0.0.1", server.ports["local"]), PATIENCE) as sock:
        sock.sendall(HELLO + frame(PING, 0, 0, b"\x00" * 8) * 900)
        other = dial(server)
        assert other.answer(other.ask())[0] == 200
