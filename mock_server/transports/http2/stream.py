"""One HTTP/2 stream: a request that arrives, and the Requester of its answer."""

from __future__ import annotations

from collections.abc import Callable

from h2.errors import ErrorCodes

from windtunnel.mock_server.script import Head
from windtunnel.mock_server.transports.failures import FULL, refusal_body
from windtunnel.mock_server.transports.http2.fields import RequestHead
from windtunnel.mock_server.transports.http2.wire import Frames, Http2Wire
from windtunnel.mock_server.transports.limits import MAX_HEAD, MAX_HEADERS, MAX_LINE, longest_body
from windtunnel.mock_server.transports.reception import receive
from windtunnel.mock_server.transports.wire import HTTP_2, Host, InFlight, ReceivedRequest


class Http2Stream:
    """A request on its way in, then the `transports.wire.Requester` of its answer.

    `number` counts the requests of the connection from 0. `whole`: all of the request has come.
    """

    __slots__ = (
        "_body",
        "_held",
        "_longest",
        "_request",
        "_server",
        "connection",
        "current",
        "number",
        "stream_id",
        "whole",
        "wire",
    )

    def __init__(
        self, server: Host, connection: Frames, stream_id: int, number: int, request: RequestHead
    ) -> None:
        self._server = server
        self._request = request
        self._body = bytearray()
        self._held = 0
        self._longest = longest_body(request.method, request.path)
        self.connection = connection
        self.stream_id = stream_id
        self.number = number
        self.wire = Http2Wire(connection, stream_id)
        self.current: InFlight | None = None
        self.whole = False

    @property
    def http_version(self) -> str:
        """See `Requester.http_version`."""
        return HTTP_2

    @property
    def closing(self) -> bool:
        """Whether nothing more is answered on it."""
        return self.wire.closing

    # ---- the way in

    def begin(self, *, whole: bool) -> None:
        """Take the head; `whole`: there is no body."""
        request = self._request
        if request.entries > MAX_HEADERS or request.longest > MAX_LINE or request.size > MAX_HEAD:
            self.reject(431, "A field of your request's head is too long, or it has too many.")
            return
        promised = request.fields.get("content-length", "")
        if promised.isdecimal() and int(promised[:20]) > self._longest:
            self._reject_long()
        elif not whole:
            self._server.incoming.started(self)
            if request.fields.get("expect", "").lower() == "100-continue" and not self.closing:
                self.connection.send_head(self.stream_id, [(":status", "100")], end=False)

    def data(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.closing or self.whole:
            return
        self._body += data
        if len(self._body) > self._longest:
            self._reject_long()
        elif not self._server.incoming.room(len(data)):
            self.reject(503, FULL)
        else:
            self._held += len(data)

    def end(self) -> None:
        """Begin with the answer: the request is whole."""
        self.whole = True
        if self.closing:
            return
        self._release()
        request = self._request
        body, self._body = bytes(self._body), bytearray()
        number = self.number
        receive(
            self._server,
            self,
            ReceivedRequest(request.method, request.path, request.fields, body, number, number == 0),
        )

    def too_slow(self) -> None:
        """Refuse a request that has not become whole in time."""
        self.reject(408, f"Your request did not arrive within {self._server.incoming.request_s:g} seconds.")

    # ---- the ways out

    def over(self) -> None:
        """See `Requester.over`. What its windows hold back still leaves."""
        self.current = None

    def later(self, call: Callable[[], None]) -> None:
        """See `Requester.later`."""
        self._server.loop.call_soon(call)

    def refuse(self, status: int, message: str) -> None:
        """See `Requester.refuse`."""
        body = refusal_body(status, message)
        wire = self.wire
        wire.head(Head(status, (("content-type", "application/json"),)), len(body))
        wire.body(body)
        wire.end()
        wire.flush()

    def reject(self, status: int, message: str) -> None:
        """Answer a request that is not received, and tell its client to send no more of it (RFC 9113, section 8.1)."""
        self._release()
        self._server.not_received(status)
        left = self.closing
        self.refuse(status, message)
        if not left and self.closing and not self.whole:
            self.connection.send_reset(self.stream_id, ErrorCodes.NO_ERROR)

    def gone(self) -> None:
        """Note that the client has cancelled it, or that the connection is lost."""
        self._release()
        self.wire.forget()
        current, self.current = self.current, None
        if current is not None:
            current.client_left()

    def _reject_long(self) -> None:
        self.reject(413, f"Your request's body is longer than {self._longest} bytes.")

    def _release(self) -> None:
        incoming = self._server.incoming
        incoming.held -= self._held
        self._held = 0
        incoming.ended(self)
