"""A connected socket as blocking code uses it, over a transport of the virtual network."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windtunnel.harness.virtual.loop import VirtualLoop
    from windtunnel.harness.virtual.network.blocking import Blocking
    from windtunnel.harness.virtual.network.sockets import Address, NamedSocket


class Pipe(asyncio.Protocol):
    """Keeps what arrives until it is asked for."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.received = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.drained: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._wake()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.error = exc
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self.drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self.drained = self.drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class BlockingSocket:
    """The part of `socket.socket` that HTTP clients use. Raises what a real one raises."""

    def __init__(self, blocking: Blocking, transport: Any, pipe: Pipe) -> None:
        self._blocking = blocking
        self._transport = transport
        self._pipe = pipe
        self._timeout: float | None = None
        self._files = 0
        self._closed = False
        self._raw: NamedSocket = transport.get_extra_info("socket")
        inner = self._raw.readable
        self._raw.readable = lambda: inner() or bool(pipe.received) or pipe.ended
        self.family, self.type, self.proto = self._raw.family, self._raw.type, self._raw.proto

    @property
    def transport(self) -> Any:
        """What it writes to."""
        return self._transport

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, blocking: bool) -> None:
        self._timeout = None if blocking else 0.0

    def setsockopt(self, *args: Any) -> None:
        self._raw.setsockopt(*args)

    def getsockopt(self, *args: Any) -> int:
        return int(self._raw.getsockopt(*args))

    def getsockname(self) -> Address:
        return self._raw.getsockname()

    def getpeername(self) -> Address:
        return self._raw.getpeername()

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def recv(self, size: int, flags: int = 0) -> bytes:
        pipe = self._pipe
        if not pipe.received and not pipe.ended:
            pipe.waiter = self._blocking.loop.create_future()
            if not self._blocking.wait_for(pipe.waiter, self._timeout):
                raise TimeoutError("timed out")
        if pipe.received:
            data = bytes(pipe.received[:size])
            del pipe.received[:size]
            return data
        if pipe.error is not None:
            raise pipe.error
        return b""

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        pipe = self._pipe
        if pipe.error is not None:
            raise pipe.error
        if self._transport.is_closing():
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if pipe.drained is not None and not self._blocking.wait_for(pipe.drained, self._timeout):
            raise TimeoutError("timed out")
        self._transport.write(data)

    def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD:
            self._transport.write_eof()

    def makefile(self, mode: str = "r", buffering: int | None = None) -> io.BufferedReader:
        """What http.client reads answers from; the connection stays open until that is closed as well."""
        if mode != "rb":
            raise NotImplementedError(f"a file of mode {mode!r} of a socket on the virtual clock")
        self._files += 1
        return io.BufferedReader(_File(self))

    def file_closed(self) -> None:
        """One of its files was closed."""
        self._files -= 1
        if self._closed and not self._files:
            self._transport.close()

    def close(self) -> None:
        self._closed = True
        if not self._files:
            self._transport.close()

    def __enter__(self) -> BlockingSocket:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class SecuredSocket(BlockingSocket):
    """The same in TLS: the part of `ssl.SSLSocket` that HTTP clients use.

    It says that it is one, since httpcore asks that before it asks which HTTP was agreed on.
    """

    @property  # type: ignore[misc]  # `object` lets it be set, too
    def __class__(self) -> type:
        return ssl.SSLSocket

    @property
    def _sslobj(self) -> ssl.SSLObject:
        made: ssl.SSLObject = self._transport.get_extra_info("ssl_object")
        return made

    def selected_alpn_protocol(self) -> str | None:
        return self._sslobj.selected_alpn_protocol()

    def getpeercert(self, binary_form: bool = False) -> Any:
        return self._sslobj.getpeercert(binary_form)

    def version(self) -> str | None:
        return self._sslobj.version()

    def cipher(self) -> tuple[str, str, int] | None:
        return self._sslobj.cipher()


class _File(io.RawIOBase):
    """A socket as a file that can be read."""

    def __init__(self, socket: BlockingSocket) -> None:
        self._socket = socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._socket.file_closed()
