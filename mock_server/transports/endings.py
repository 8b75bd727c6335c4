"""How a connection's socket ends: reset, reset behind what was written, or closed while further bytes are dropped."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

from windtunnel.mock_server.transports.limits import LINGER_S

_LINGER_RESET = struct.pack("ii", 1, 0)
_UNSENT_CHECK = 0.001
"""Seconds between looks at whether bytes before an RST have left."""


def reset(transport: asyncio.Transport) -> None:
    """Send an RST at once, whatever has not left yet: lingering for zero seconds makes the kernel send no FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    transport.abort()


def reset_behind(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """Send an RST once everything that was written has left."""
    if transport.get_write_buffer_size() and not transport.is_closing():
        # Aborting drops what the loop has not written yet, and the script sent it before the RST.
        loop.call_later(_UNSENT_CHECK, reset_behind, loop, transport)
        return
    reset(transport)


def send_fin(transport: asyncio.WriteTransport) -> None:
    """Send a FIN behind everything that was written, unless the client is gone and the loop has yet to hear of it."""
    try:
        transport.write_eof()
    except OSError as error:  # asyncio's transports let the kernel's word through
        if error.errno != errno.ENOTCONN:
            raise


def close_and_linger(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """Send a FIN, and drop what the client sends for a while: an RST would take the last answer away from it."""
    if transport.is_closing():
        return
    if transport.can_write_eof():
        send_fin(transport)
        transport.resume_reading()
        loop.call_later(LINGER_S, transport.close)
    else:
        transport.close()
