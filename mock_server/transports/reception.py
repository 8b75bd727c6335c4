"""From a request that is whole to what answers it: room for it, a hash of its body, the server.

    transport ──► receive ──(room? long: hashed in steps)──► Server.request_received ──► Receiver.current
                     └─ no room, too many values, a bug ──► Receiver.reject

The same for every transport: only what can be read of a request, and how it is refused, is theirs.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from windtunnel.mock_server.api.json_body import MAX_VALUES
from windtunnel.mock_server.api.parse import hash_in_steps
from windtunnel.mock_server.transports.failures import FAILED, FULL
from windtunnel.mock_server.transports.limits import LARGE, LONG, MAX_HELD, weight
from windtunnel.mock_server.transports.wire import Host, InFlight, ReceivedRequest, Requester


class Receiver(Requester, Protocol):
    """Who has read a request and is answered on its own wire."""

    current: InFlight | None
    """What answers the request; None before that, and once nothing more is written."""

    @property
    def closing(self) -> bool:
        """Whether nothing is answered any more: the client has left, or was refused."""

    def reject(self, status: int, message: str) -> None:
        """Refuse the request, which has no identity and no row."""


class Hashing:
    """What is in flight while a long body is hashed."""

    wire_over = False

    def client_left(self) -> None:
        """Nothing to do: whoever hashes sees that this is not in flight any more."""

    def wake(self) -> None:
        """Nothing to do: nothing is written yet."""


def head_size(received: ReceivedRequest) -> int:
    """Return the bytes of a request's head as HTTP/1.1 writes it: its line, and each header with `: ` and its end."""
    line = len(received.method) + len(received.path) + len("  HTTP/1.1\r\n")
    return line + sum([len(name) + len(value) + 4 for name, value in received.headers.items()]) + 2


def receive(server: Host, receiver: Receiver, received: ReceivedRequest) -> None:
    """Have a request answered, or reject it if there is no room for it."""
    limit = server.connections.header_limit(receiver.connection.region)
    if limit is not None and head_size(received) > limit:
        receiver.reject(
            431, f"Your request's headers are larger than {limit} bytes, which a proxy does not pass on."
        )
        return
    size = len(received.body)
    if size > LARGE:
        heavy = weight(received.headers, received.body)
        if heavy < 0:
            receiver.reject(413, f"Your request's body holds more than {MAX_VALUES} values.")
            return
        if server.incoming.held + heavy > MAX_HELD:
            receiver.reject(503, FULL)
            return
        received = received._replace(weight=heavy)
        if size > LONG and receiver.connection.region:
            _hash_first(server, receiver, received)
            return
    _hand_on(server, receiver, received)


def _hash_first(server: Host, receiver: Receiver, received: ReceivedRequest) -> None:
    """Hash a long body in steps, and hand the request on then: reading it takes long enough."""
    hashing = Hashing()
    receiver.current = hashing
    server.incoming.take(hashing, received.weight)
    found: list[str] = []

    def steps() -> Generator[None, None, None]:
        kind = received.headers.get("content-type", "")
        found.append((yield from hash_in_steps(kind, received.body)))

    def over(error: Exception | None) -> None:
        server.incoming.done(hashing)
        if receiver.current is not hashing or receiver.closing:  # the client has left
            return
        receiver.current = None
        if error is not None:
            server.failed(error)
            receiver.reject(500, FAILED)
            return
        _hand_on(server, receiver, received._replace(body_hash=found[0]))

    server.work_on(steps(), over)


def _hand_on(server: Host, receiver: Receiver, received: ReceivedRequest) -> None:
    try:
        exchange = server.request_received(receiver, received)
    except Exception as error:  # noqa: BLE001 - any bug is answered with a 500
        server.failed(error)
        receiver.reject(500, FAILED)
        return
    # An answer that needs no time is over by now, and has called `over`.
    if not exchange.wire_over:
        receiver.current = exchange
