"""TLS over any transport of asyncio: a socket's, a link's, one of the virtual network.

    transport ─► TlsLayer.data_received ─► MemoryBIO ─► SSLObject ─► protocol.data_received
    transport ◄─ MemoryBIO ◄─ SSLObject ◄─ TlsLayer.write ◄─ protocol

For what is below it is the protocol, for what is above the transport, as `LinkedSocket` is. asyncio's own
`SSLProtocol` wants a transport of its own loop, waits for the client's `close_notify` before it closes (RFC 8446, 6.1,
lets a server not), and is private; `ssl.SSLObject` is the documented way to do without a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Protocol, cast

READ_BYTES = 65_536
"""Bytes of plain text that are taken at once: four records of TLS (RFC 8446, 5.1)."""


class HandshakeWatch(Protocol):
    """Who hears how a handshake went."""

    def secured(self, layer: TlsLayer, agreed: str | None) -> None:
        """Give the layer its protocol (`TlsLayer.speak`): by ALPN both ends have `agreed` on one, or on none."""

    def failed(self, error: Exception | None) -> None:
        """Hear that it failed: by `error`, or because the peer left."""


class TlsLayer(asyncio.Transport, asyncio.Protocol):
    """One end of TLS: the transport of what is spoken in it, once the handshake is over.

    `server_hostname` is for a client's end alone: whom it takes the server for.
    """

    def __init__(
        self, context: ssl.SSLContext, watch: HandshakeWatch, *, server_hostname: str | None = None
    ) -> None:
        super().__init__()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self._watch = watch
        self._below: asyncio.Transport | None = None
        self._protocol: asyncio.Protocol | None = None
        self._reading = True
        self._delivering = False
        self._eof = False
        self._eof_told = False
        self._closing = False
        self._shut = False

    @property
    def resumed(self) -> bool:
        """Whether the handshake has resumed a session."""
        return bool(self._tls.session_reused)

    def speak(self, protocol: asyncio.Protocol) -> None:
        """Begin with what is spoken, in a handshake's `HandshakeWatch.secured`."""
        self._protocol = protocol
        protocol.connection_made(self)

    # ---- the protocol of what is below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: there is a connection. A client begins with the handshake."""
        self._below = cast(asyncio.Transport, transport)
        if not self._tls.server_side:
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of the peer."""
        if self._closing and not self._shut:
            return
        self._incoming.write(data)
        if self._protocol is None:
            self._shake_hands()
        else:
            self._deliver()

    def eof_received(self) -> bool | None:
        """asyncio's callback: the peer has sent a FIN, with or without saying so in TLS first."""
        self._incoming.write_eof()
        if self._protocol is None:
            self._shake_hands()
        else:
            self._deliver()
        return not self._closing and not self._reading

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback: the connection is over."""
        self._below = None
        unsecured, self._closing = not self._closing and self._protocol is None, True
        if self._protocol is not None:
            self._protocol.connection_lost(exc)
        elif unsecured:
            self._watch.failed(exc)

    def pause_writing(self) -> None:
        """asyncio's callback: the peer reads too slowly."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """asyncio's callback: the peer has read on."""
        if self._protocol is not None:
            self._protocol.resume_writing()

    # ---- handshake, and what is read

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_out()
            return
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._send_out()  # the alert that says why
            self._closing = True
            self._watch.failed(error)
            if self._below is not None:
                self._below.close()
            return
        self._send_out()
        self._watch.secured(self, self._tls.selected_alpn_protocol())
        self._deliver()

    def _deliver(self) -> None:
        """Hand on what can be read, for as long as it is wanted: the protocol may pause or close in between."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._reading and not self._eof_told and not self._closing:
                data = self._read()
                if data:
                    cast(asyncio.Protocol, self._protocol).data_received(data)
                elif self._eof:
                    self._tell_eof()
                else:
                    break
        finally:
            self._delivering = False
        self._send_out()  # what TLS says by itself: a key update's answer

    def _read(self) -> bytes:
        try:
            data = self._tls.read(READ_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""
        except ssl.SSLError:  # a record that is none: an alert says so, and it is over
            self._send_out()
            self.abort()
            return b""
        self._eof = self._eof or not data
        return data

    def _tell_eof(self) -> None:
        self._eof_told = True
        if not cast(asyncio.Protocol, self._protocol).eof_received():
            self.close()

    # ---- the transport of what is above

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: `ssl_object`, `sslcontext`, `peercert`, `cipher`, or what is below knows."""
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._tls.context
        if name == "peercert":
            return self._tls.getpeercert()
        if name == "cipher":
            return self._tls.cipher()
        return default if self._below is None else self._below.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return cast(asyncio.BaseProtocol, self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`. Records that have arrived wait here."""
        self._reading = False
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        if self._reading:
            return
        self._reading = True
        if self._below is not None:
            self._below.resume_reading()
        self._deliver()

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        if self._closing or self._shut:
            return
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        self._send_out()

    def writelines(self, list_of_data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`: nothing waits here."""
        return 0 if self._below is None else self._below.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        if self._below is not None:
            self._below.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._below is None or self._below.can_write_eof()

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`: a `close_notify`, then a FIN. What comes is read on."""
        self._say_closed()
        if self._below is not None:
            self._below.write_eof()

    def close(self) -> None:
        """See `asyncio.BaseTransport`: a `close_notify`, then a FIN, behind everything that was written."""
        self._say_closed()
        self._closing = True
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`: without a word."""
        self._closing = True
        if self._below is not None:
            self._below.abort()

    def _say_closed(self) -> None:
        if self._shut or self._closing:
            return
        self._shut = True
        if self._protocol is None:
            return
        with contextlib.suppress(ssl.SSLError):  # it waits for the peer's, and we do not
            self._tls.unwrap()
        self._send_out()

    def _send_out(self) -> None:
        if self._outgoing.pending and self._below is not None and not self._below.is_closing():
            self._below.write(self._outgoing.read())
