"""HTTP/1.1 bytes of heads and chunks: pure functions."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from windtunnel.mock_server.script import Head
from windtunnel.mock_server.transports.wire import Headers

_STATUS_LINES = {int(status): f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; nothing for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    return f"date: {formatdate(second, usegmt=True)}\r\n"


@lru_cache(maxsize=4096)
def _own(names: tuple[str, ...]) -> frozenset[str]:
    """Which of the headers that the transport would add are in the script's own head already."""
    ours = {"date", "connection", "content-length", "transfer-encoding"}
    return frozenset([name.lower() for name in names]) & ours


def head_bytes(
    head: Head, length: int, more: Headers = (), *, version10: bool = False, keep_alive: bool = True
) -> tuple[bytes, bool]:
    """Status line and headers, ready for the wire, and whether the connection may go on after the answer.

    `more` are further headers, `length` is the Content-Length (used if the head's framing is `length`), `keep_alive`
    is what the client wants. The script's own headers win over those that would be added here, so that a fault may
    lie about any of them.
    """
    headers = head.headers
    own = _own(tuple([name for name, _ in headers]))
    framing = head.framing
    if framing == "none" or (version10 and framing == "chunked") or (own and _says_close(head)):
        keep_alive = False
    lines = [_STATUS_LINES.get(head.status) or f"HTTP/1.1 {head.status} \r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    for name, value in more:
        lines.append(f"{name}: {value}\r\n")
    if "date" not in own:
        lines.append(_date(int(time.time())))
    if framing == "length":
        if "content-length" not in own:
            lines.append(f"content-length: {length}\r\n")
    elif framing == "chunked" and not version10 and "transfer-encoding" not in own:
        lines.append("transfer-encoding: chunked\r\n")
    if (version10 or not keep_alive) and "connection" not in own:
        lines.append("connection: keep-alive\r\n" if keep_alive else "connection: close\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape"), keep_alive


def _says_close(head: Head) -> bool:
    return any(name.lower() == "connection" and "close" in value.lower() for name, value in head.headers)
