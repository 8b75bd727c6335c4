"""From bytes to the heads and bodies of HTTP/1.1 requests, by aiohttp's parser: the one module that knows it.

    bytes ──► HttpRequestParser ──► Incoming ──(read: its body, piece by piece)

The parser is part of aiohttp's server and not documented. It calls `pause_reading` on what it was made with when it
holds more of a body than it should, and stops until it is fed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import HttpVersion10
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from windtunnel.mock_server.errors import WindtunnelServerError
from windtunnel.mock_server.transports.limits import MAX_HEADERS, MAX_LINE, MAX_PIPELINED

_PIECE = 256 * 1024
"""Bytes that the parser may hold before it is emptied; also bounds what a compressed body grows to at once."""

_TOO_MANY = "('Too many headers received',)"


class UnreadableError(WindtunnelServerError):
    """Bytes that are no HTTP request, or too much of one; `status` is what they are answered with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Incoming:
    """A request whose head is there. `close`: its connection ends with the answer."""

    __slots__ = ("_payload", "close", "headers", "method", "path", "version10")

    def __init__(self, message: RawRequestMessage, payload: StreamReader) -> None:
        self._payload = payload
        self.method: str = message.method
        self.path: str = message.path
        self.headers: Mapping[str, str] = message.headers
        self.close: bool = message.should_close
        self.version10 = message.version is HttpVersion10

    @property
    def bodiless(self) -> bool:
        """Whether there is no body to come."""
        return self._payload is EMPTY_PAYLOAD

    @property
    def whole(self) -> bool:
        """Whether all of its body has come."""
        return self._payload.is_eof()

    @property
    def damaged(self) -> bool:
        """Whether its body cannot be read, such as a chunk without its size."""
        return self._payload.exception() is not None

    def read(self) -> bytes:
        """Take what has come of its body since the last time."""
        return self._payload.read_nowait()


class RequestParser(BaseProtocol):
    """The requests in the bytes of one connection. `full` is true if `feed` holds more than it has given."""

    __slots__ = ("_requests", "full")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.full = False
        self._requests = HttpRequestParser(
            self,
            loop,
            _PIECE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            max_msg_queue_size=MAX_PIPELINED,
        )

    def feed(self, data: bytes) -> tuple[list[Incoming], bool]:
        """Read on; returns the requests whose heads have ended, and whether the last one asks for another protocol.

        No bytes: continue with those that it holds. Raises `UnreadableError`.
        """
        self.full = False
        try:
            messages, upgraded, _ = self._requests.feed_data(data)
        except Exception as error:  # any exception of the parser is about the client's bytes
            raise _unreadable(error) from error
        return [Incoming(message, payload) for message, payload in messages], upgraded

    def consumed(self) -> None:
        """Note that one request more is being answered: so many may wait, and then it gives no further ones."""
        self._requests.message_consumed()

    def pause_reading(self) -> None:
        """aiohttp's callback: much of a body waits to be read."""
        self.full = True
        self._requests.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """aiohttp's callback: it was read. Nothing to do: whoever feeds continues by itself."""


def _unreadable(error: Exception) -> UnreadableError:
    if isinstance(error, LineTooLong) or str(error.args[:1]) == _TOO_MANY:
        return UnreadableError(431, "A line of your request's head is too long, or it has too many.")
    reason = error.message if isinstance(error, HttpProcessingError) else type(error).__name__
    return UnreadableError(400, f"Bad request: {reason}".splitlines()[0])
