"""The writing half of an HTTP/1.1 connection: the Wire that players play on."""

from __future__ import annotations

import asyncio

from windtunnel.mock_server.script import Head, Signal
from windtunnel.mock_server.transports.endings import close_and_linger, reset, reset_behind
from windtunnel.mock_server.transports.failures import refusal_body
from windtunnel.mock_server.transports.http1.framing import LAST_CHUNK, chunk, head_bytes
from windtunnel.mock_server.transports.player import PIECE
from windtunnel.mock_server.transports.wire import Headers
from windtunnel.mock_server.transports.write_batch import WriteBatch


class Http1Wire:
    """Frames heads and bodies as HTTP/1.1 and writes them to the transport: see `transports.wire.Wire`.

    `transport` is None before the connection is made and after it is lost. `closing`: nothing more is answered on it.
    `keep_alive`: the connection goes on after the answer. `announced`: what the header `keep-alive` says, if anything.
    """

    __slots__ = (
        "_body_left",
        "_chunked",
        "_loop",
        "_out",
        "_unsent",
        "_version10",
        "_write_batch",
        "announced",
        "closing",
        "keep_alive",
        "paused",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, write_batch: WriteBatch) -> None:
        self._loop = loop
        self._write_batch = write_batch
        self.transport: asyncio.Transport | None = None
        self._unsent = b""
        self.paused = False
        self.closing = False
        self.keep_alive = True
        self.announced = ""
        self._out: list[bytes] = []
        self._version10 = False
        self._chunked = False
        self._body_left = 0

    @property
    def http_version(self) -> str:
        """The version that the request in flight came in."""
        return "1.0" if self._version10 else "1.1"

    def begin(self, *, version10: bool, keep_alive: bool) -> None:
        """Begin with the answer to a request of HTTP/1.0 or 1.1; `keep_alive` is what its client wants."""
        self._version10 = version10
        self.keep_alive = keep_alive

    def head(self, head: Head, body_length: int, more: Headers = ()) -> None:
        """See `Wire.head`."""
        length = body_length if head.content_length is None else head.content_length
        framing = head.framing
        self._chunked = framing == "chunked" and not self._version10
        self._body_left = length if framing == "length" else 0
        if self.announced and self.keep_alive and framing != "none":
            more = (*more, ("keep-alive", self.announced))
        data, self.keep_alive = head_bytes(
            head, length, more, version10=self._version10, keep_alive=self.keep_alive
        )
        self._out.append(data)

    def body(self, data: bytes) -> None:
        """See `Wire.body`."""
        if self._chunked:
            data = chunk(data)
        else:
            self._body_left -= len(data)
        self._out.append(data)

    def torn(self, data: bytes, size: int) -> None:
        """See `Wire.torn`."""
        self._out.append(b"%x\r\n%b" % (size, data) if self._chunked else data)

    def raw(self, data: bytes) -> None:
        """See `Wire.raw`."""
        self._out.append(data)

    def end(self) -> None:
        """See `Wire.end`. A body that is not as long as its head said leaves the connection unusable."""
        if self._chunked:
            self._out.append(LAST_CHUNK)
            self._chunked = False
        elif self._body_left:
            self.keep_alive = False

    def flush(self) -> int:
        """See `Wire.flush`. The bytes leave at the end of the loop's round; many of them leave at once, so that a
        slow reader is noticed."""
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self.transport is None or not data:
            return 0
        size = len(data)
        unsent = self._unsent
        self._unsent = unsent + data if unsent else data
        if size >= PIECE:
            self.write_out()
        elif not unsent:
            self._write_batch.add(self)
        return size

    def flush_part(self, most: int) -> int:
        """See `Wire.flush_part`."""
        data = b"".join(self._out)
        self._out[:] = [data[:most]]
        size = self.flush()
        if len(data) > most:
            self._out.append(data[most:])
        return size

    def write_out(self) -> None:
        """Hand everything that was flushed to the transport."""
        unsent, self._unsent = self._unsent, b""
        transport = self.transport
        if unsent and transport is not None and not transport.is_closing():
            transport.write(unsent)

    def close(self) -> None:
        """See `Wire.close`."""
        self.write_out()
        self.closing = True
        if self.transport is not None:
            self.transport.close()

    def signal(self, signal: Signal) -> None:
        """See `Wire.signal`: HTTP/1.1 has no words for it, and no fault with one acts here."""

    def abort(self, code: int | None = None) -> None:
        """See `Wire.abort`."""
        self.write_out()
        self.closing = True
        if self.transport is not None:
            reset_behind(self._loop, self.transport)

    def refuse(self, status: int, message: str, *, linger: bool = True) -> None:
        """Answer a request that could not be received with an error in the API's form, and close.

        With `linger` further bytes of the client are dropped for a while: an RST would take the answer away from it.
        """
        self.keep_alive = False
        self._out.clear()
        body = refusal_body(status, message)
        self.head(Head(status, (("content-type", "application/json"),)), len(body))
        self.body(body)
        self.end()
        self.flush()
        self.write_out()
        self.closing = True
        if self.transport is None:
            return
        if linger:
            close_and_linger(self._loop, self.transport)
        else:
            self.transport.close()

    def reset(self) -> None:
        """RST at once, whatever has not left yet."""
        self.closing = True
        if self.transport is not None:
            reset(self.transport)
