"""The admin API on a connection: replies are written piece by piece, as fast as the client reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from windtunnel.mock_server.control.control import Reply
from windtunnel.mock_server.script import Head
from windtunnel.mock_server.transports.failures import Failures

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.http1.connection import Connection


class AdminExchange:
    """A reply of the admin API being written. It has no ticket and leaves no row."""

    __slots__ = ("_connection", "_failures", "_pieces", "_reply", "wire_over")

    def __init__(self, connection: Connection, reply: Reply, failures: Failures) -> None:
        self._connection = connection
        self._reply = reply
        self._failures = failures
        self._pieces: Iterator[bytes] | None = None
        self.wire_over = False
        headers = (("content-type", reply.content_type), ("cache-control", "no-store"), *reply.headers)
        connection.answer_header = ""
        if isinstance(reply.body, bytes):
            connection.head(Head(reply.status, headers), len(reply.body))
            connection.body(reply.body)
        else:
            connection.head(Head(reply.status, headers, framing="chunked"), 0)
            self._pieces = reply.body
        self.wake()

    def wake(self) -> None:
        """Write the next piece. Between two pieces the loop serves everyone else."""
        connection = self._connection
        if self.wire_over or connection.paused:
            return
        try:
            piece = next(self._pieces, None) if self._pieces is not None else None
        except Exception as error:  # noqa: BLE001 - any bug ends this reply alone
            self._failures.note(error)
            self.wire_over = True
            connection.abort()
            connection.over()
            return
        if piece is None:
            connection.end()
            connection.flush()
            self.wire_over = True
            connection.over()
            if self._reply.then is not None:
                self._reply.then()
            return
        connection.body(piece)
        connection.flush()
        connection.later(self.wake)

    def client_left(self) -> None:
        """Stop writing: the client has left."""
        self.wire_over = True
