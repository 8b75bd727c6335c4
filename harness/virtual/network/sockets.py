"""What asyncio's users take for the socket behind a transport: names, options, and a descriptor to poll."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

Address: TypeAlias = tuple[str, int]


@cache
def descriptor(readable: bool) -> int:
    """One of two descriptors of this process: one is always readable, the other never.

    Connection pools poll an idle connection's descriptor to see whether the server has closed it.
    """
    return os.eventfd(int(readable), os.EFD_CLOEXEC | os.EFD_NONBLOCK)


class NamedSocket:
    """The socket of one end of a connection. `resets` is set by lingering for zero seconds: closing then sends RST."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, here: Address, there: Address, readable: Callable[[], bool]) -> None:
        self._here, self._there = here, there
        self.readable = readable
        self.resets = False

    def getsockname(self) -> Address:
        return self._here

    def getpeername(self) -> Address:
        return self._there

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if level == socket.SOL_SOCKET and option == socket.SO_LINGER:
            self.resets = bytes(value) == b"\1\0\0\0\0\0\0\0"

    def getsockopt(self, level: int, option: int, *_: Any) -> int:
        return 0

    def fileno(self) -> int:
        """A descriptor that is readable exactly if this socket is."""
        return descriptor(self.readable())
