"""The admin API on a connection: replies are written piece by piece, as fast as the client reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from windtunnel.mock_server.control.control import Reply
from windtunnel.mock_server.script import Head
from windtunnel.mock_server.transports.failures import Failures

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.wire import Requester


class AdminExchange:
    """A reply of the admin API being written. It has no ticket and leaves no row."""

    __slots__ = ("_failures", "_pieces", "_reply", "_requester", "_wire", "wire_over")

    def __init__(self, requester: Requester, reply: Reply, failures: Failures) -> None:
        self._requester = requester
        self._wire = wire = requester.wire
        self._reply = reply
        self._failures = failures
        self._pieces: Iterator[bytes] | None = None
        self.wire_over = False
        headers = (("content-type", reply.content_type), ("cache-control", "no-store"), *reply.headers)
        if isinstance(reply.body, bytes):
            wire.head(Head(reply.status, headers), len(reply.body))
            wire.body(reply.body)
        else:
            wire.head(Head(reply.status, headers, framing="chunked"), 0)
            self._pieces = reply.body
        self.wake()

    def wake(self) -> None:
        """Write the next piece. Between two pieces the loop serves everyone else."""
        requester, wire = self._requester, self._wire
        if self.wire_over or wire.paused:
            return
        try:
            piece = next(self._pieces, None) if self._pieces is not None else None
        except Exception as error:  # noqa: BLE001 - any bug ends this reply alone
            self._failures.note(error)
            self.wire_over = True
            wire.abort()
            requester.over()
            return
        if piece is None:
            wire.end()
            wire.flush()
            self.wire_over = True
            requester.over()
            if self._reply.then is not None:
                self._reply.then()
            return
        wire.body(piece)
        wire.flush()
        requester.later(self.wake)

    def client_left(self) -> None:
        """Stop writing: the client has left."""
        self.wire_over = True
