"""What a transport is: small protocols, and the request that it hands to the server.

    bytes ──► transport ──► ReceivedRequest ──► Server.request_received ──► Exchange, the transport's InFlight
    bytes ◄── transport ◄── Wire ◄── Player ◄──────────────────┘   └──► Requester: refuse, over

HTTP/1.1 has one Requester a connection, which is the connection itself; where a connection carries many requests at
once, each of them has a Requester and a Wire of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from windtunnel.mock_server.script import Head, Signal
from windtunnel.mock_server.transports.door import Doors
from windtunnel.mock_server.transports.limits import IncomingRequests
from windtunnel.mock_server.transports.write_batch import WriteBatch

HTTP_2 = "2"
"""What `Requester.http_version` says of HTTP/2."""

Headers: TypeAlias = tuple[tuple[str, str], ...]


class ReceivedRequest(NamedTuple):
    """A request that was read to its end.

    `number` counts the requests of its connection from 0; `connects` is true for the one that the connection was
    opened for. `weight` is the memory in bytes that a large body takes once it is parsed, 0 for a small one.
    `body_hash` is there if a long body was hashed on the way.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    number: int = 0
    connects: bool = True
    weight: int = 0
    body_hash: str | None = None


class Wire(Protocol):
    """The way back to the client, as one answer uses it. Nothing reaches the network before `flush`."""

    @property
    def paused(self) -> bool:
        """True while buffers are full, since the client reads too slowly; the player waits until it is called again."""

    def head(self, head: Head, body_length: int, more: Headers = ()) -> None:
        """Write status and headers, and `more` headers; `body_length` is the sum of the script's sends."""

    def body(self, data: bytes) -> None:
        """Write bytes of the body, framed as the head said."""

    def torn(self, data: bytes, size: int) -> None:
        """Write the beginning of a chunk that promises `size` bytes; the rest never comes."""

    def raw(self, data: bytes) -> None:
        """Write bytes outside any framing."""

    def end(self) -> None:
        """Write the proper end of the answer."""

    def flush(self) -> int:
        """Hand everything so far to the network in one write; returns the number of bytes."""

    def flush_part(self, most: int) -> int:
        """Hand no more than `most` bytes to the network; returns their number, 0 if nothing is left."""

    def close(self) -> None:
        """Close the connection with a FIN, after everything that was flushed."""

    def abort(self, code: int | None = None) -> None:
        """Reset the connection with an RST, after everything that was flushed; HTTP/2 resets the stream with `code`."""

    def signal(self, signal: Signal) -> None:
        """Say something of the connection, after everything that was flushed."""


class OpenConnection(Protocol):
    """A connection as the server keeps it, whatever is spoken on it."""

    @property
    def connection_id(self) -> int:
        """Its number, which the server has given it."""

    @property
    def region(self) -> str:
        """The region that it leads to; empty for the admin API's own port."""

    def arrives_at(self) -> float | None:
        """When everything that was flushed has reached the client, on the loop's clock; None without a link."""

    def close(self) -> None:
        """Close it with a FIN, after everything that was flushed."""

    def abort(self) -> None:
        """Reset it, after everything that was flushed."""

    def reset(self) -> None:
        """Reset it at once, whatever has not left yet."""


class Requester(Protocol):
    """The client of one request, as far as its answer needs to know it."""

    @property
    def connection(self) -> OpenConnection:
        """What it has connected by."""

    @property
    def http_version(self) -> str:
        """The version that the request came in, `1.0`, `1.1` or `2`."""

    @property
    def wire(self) -> Wire:
        """Where the answer is written."""

    def refuse(self, status: int, message: str) -> None:
        """Answer with an error in the API's form, in place of any other answer."""

    def over(self) -> None:
        """Note that nothing more is written to the wire for this request."""

    def later(self, call: Callable[[], None]) -> None:
        """Call a function in the loop's next round."""


class InFlight(Protocol):
    """A request that is being answered, as its transport uses it."""

    wire_over: bool
    """True once nothing more is written; a transport then lets go of it."""

    def client_left(self) -> None:
        """Note that the client has closed the connection, reset it, or cancelled this request."""

    def wake(self) -> None:
        """Continue: the client has read what had filled the buffers."""


class ConnectionTable(Protocol):
    """The open connections of the server, as one that speaks HTTP uses it."""

    @property
    def doors(self) -> Doors:
        """What is done with connections, as connections, in regions that have rules for them."""

    def __len__(self) -> int:
        """The number of open connections."""

    def add(self, connection: OpenConnection) -> int:
        """Register a new connection; returns its number."""

    def remove(self, connection: OpenConnection) -> None:
        """Remove a closed connection, and write its row."""

    def header_limit(self, region: str) -> int | None:
        """Return how many bytes of a request's head get through to a region now; None: any number."""


class Host(Protocol):
    """The server, as those use it who read requests."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where everything happens."""

    @property
    def incoming(self) -> IncomingRequests:
        """The requests that are arriving, and the memory that those under way take."""

    @property
    def write_batch(self) -> WriteBatch:
        """Who has bytes to write at the end of the loop's round."""

    @property
    def connections(self) -> ConnectionTable:
        """The open connections."""

    def request_received(self, requester: Requester, received: ReceivedRequest) -> InFlight:
        """Answer a request that was read completely."""

    def work_on(self, steps: Generator[None, None, None], over: Callable[[Exception | None], None]) -> None:
        """Do what takes long in steps, between which it is others' turn, and call `over` then."""

    def not_received(self, status: int) -> None:
        """Count a request that was refused with a status before it had an identity."""

    def failed(self, error: Exception) -> None:
        """Count a bug of our own, and log the first one of its place."""
