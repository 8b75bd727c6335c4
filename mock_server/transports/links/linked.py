"""A link between a socket and the protocol that is spoken on it.

    socket ─► LinkedSocket.data_received ─(path: up)──► protocol.data_received
    socket ◄─(path: down)── LinkedSocket.write ◄── protocol

For the protocol it is the transport, for the socket's transport it is the protocol, and neither notices. The kernel
connects at once; so what a client sends first is held as if its connect had taken a round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from windtunnel.mock_server.transports.endings import send_fin
from windtunnel.mock_server.transports.links.path import Path

HIGH_WATER = 65_536
"""Bytes that wait to be sent at which the protocol is told to pause: asyncio's own default."""

ARRIVES_AT = "arrives_at"
"""The name under which `get_extra_info` of a linked transport, and of what lies on it, tells when all that was written
has arrived at the client, on the loop's clock."""

UNSENT_CHECK_S = 0.001
"""Seconds between looks at whether bytes before an RST have left the process."""


class LinkedSocket(asyncio.Transport, asyncio.Protocol):
    """The transport of `protocol`, by way of a socket's own and a `path`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = loop
        self._path = path
        self._protocol: asyncio.Protocol = protocol
        self._socket: asyncio.Transport | None = None
        self._under_way = 0
        self._full = False
        self._socket_full = False
        self._closing = False
        self._lost = False

    # ---- the socket's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: the kernel has connected a client."""
        self._socket = cast(asyncio.Transport, transport)
        self._path.opened(self._loop.time())
        self._protocol.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes have left the client."""
        self._later("up", len(data), self._deliver, data)

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client has sent a FIN. The socket stays open until the protocol knows."""
        self._later("up", 0, self._deliver_eof)
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the socket is gone; after an RST of the client's, the protocol hears of it later."""
        if self._closing:
            self._lose(None)
        else:
            self._later("up", 0, self._lose, exc)
        self._socket = None

    def pause_writing(self) -> None:
        """asyncio's callback: the client reads too slowly."""
        self._socket_full = True
        self._tell_fullness()

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        self._socket_full = False
        self._tell_fullness()

    # ---- the protocol's transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: what the socket knows, and `ARRIVES_AT`."""
        if name == ARRIVES_AT:
            return self._path.last_arrival("down")
        return default if self._socket is None else self._socket.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`: for a handshake after which another protocol is spoken."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing or self._lost

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._socket is not None and self._socket.is_reading()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`. What is under way still arrives."""
        if self._socket is not None:
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        if self._socket is not None:
            self._socket.resume_reading()

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        if not data or self.is_closing():
            return
        size = len(data)
        self._under_way += size
        self._tell_fullness()
        self._later("down", size, self._send, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._socket is None or self._socket.can_write_eof()

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._later("down", 0, self._send_eof)

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`: what waits in front of the socket. What is under way has left."""
        return 0 if self._socket is None else self._socket.get_write_buffer_size()

    def close(self) -> None:
        """See `asyncio.BaseTransport`: a FIN, behind everything that was written."""
        if not self._closing:
            self._closing = True
            self._later("down", 0, self._close_socket)

    def abort(self) -> None:
        """See `asyncio.WriteTransport`: an end at once, behind everything that was written."""
        self._closing = True
        self._later("down", 0, self._abort_socket)

    # ---- arrivals

    def _later(self, direction: Any, size: int, step: Callable[..., None], *args: Any) -> None:
        self._loop.call_at(self._path.arrives(direction, self._loop.time(), size), step, *args)

    def _deliver(self, data: bytes) -> None:
        if not self._lost and not self._closing:
            self._protocol.data_received(data)

    def _deliver_eof(self) -> None:
        if not self._lost and not self._closing and not self._protocol.eof_received():
            self.close()

    def _send(self, data: bytes) -> None:
        self._under_way -= len(data)
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(data)
        self._tell_fullness()

    def _send_eof(self) -> None:
        if self._socket is not None and not self._socket.is_closing():
            send_fin(self._socket)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            self._lose(None)

    def _abort_socket(self) -> None:
        if self._socket is None:
            self._lose(None)
        elif self._socket.get_write_buffer_size() and not self._socket.is_closing():
            # Aborting drops what the loop has not written yet, and it was sent before the RST.
            self._loop.call_later(UNSENT_CHECK_S, self._abort_socket)
        else:
            self._socket.abort()

    def _lose(self, error: BaseException | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(cast("Exception | None", error))

    def _tell_fullness(self) -> None:
        full = self._socket_full or self._under_way > HIGH_WATER
        if full == self._full or (self._full and self._under_way > HIGH_WATER // 4):
            return
        self._full = full
        if full:
            self._protocol.pause_writing()
        else:
            self._protocol.resume_writing()
