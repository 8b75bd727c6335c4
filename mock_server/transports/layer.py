"""A layer between a connection's transport and its protocol, which hands everything on: what others derive from.

    transport ─► Layer.data_received … ─► protocol
    transport ◄─ Layer.write … ◄───────── protocol

For the protocol it is the transport, for the transport it is the protocol.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast


def deliver(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    """Hand bytes to a protocol of either kind."""
    if not isinstance(protocol, asyncio.BufferedProtocol):
        cast(asyncio.Protocol, protocol).data_received(data)
        return
    left = memoryview(data)
    while left:
        buffer = memoryview(protocol.get_buffer(len(left)))
        size = min(buffer.nbytes, len(left))
        buffer[:size] = left[:size]
        protocol.buffer_updated(size)
        left = left[size:]


class Layer(asyncio.Transport, asyncio.Protocol):
    """Hands everything on, in both directions. `below` is None before the connection is made and after it is lost."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.above = protocol
        self.below: asyncio.Transport | None = None

    # ---- the protocol of what is below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self.below = cast(asyncio.Transport, transport)
        self.above.connection_made(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over."""
        self.below = None
        self.above.connection_lost(cast("Exception | None", exc))

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of the client."""
        deliver(self.above, data)

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client has sent a FIN."""
        return cast(asyncio.Protocol, self.above).eof_received()

    def pause_writing(self) -> None:
        """asyncio's callback: the client reads too slowly."""
        self.above.pause_writing()

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        self.above.resume_writing()

    # ---- the transport of what is above

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: what is below knows."""
        return default if self.below is None else self.below.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self.above

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`: for a handshake after which another protocol is spoken."""
        self.above = protocol

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self.below is None or self.below.is_closing()

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self.below is not None and self.below.is_reading()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        if self.below is not None:
            self.below.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        if self.below is not None:
            self.below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        if self.below is not None:
            self.below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return 0 if self.below is None else self.below.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self.below is None or self.below.can_write_eof()

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        if self.below is not None:
            self.below.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        if self.below is not None:
            self.below.write_eof()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        if self.below is not None:
            self.below.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        if self.below is not None:
            self.below.abort()
