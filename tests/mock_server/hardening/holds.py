"""How long a request holds others: what the server works between a small request and its answer, meanwhile.

The measure is CPU time of the thread that serves, which a loaded machine does not lengthen much.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.mock_server.transports.conftest import PATIENCE, Serving, parse_head, request_bytes

MOST_HOLD_S = 1.0
"""CPU seconds: four times what a request may hold another for, for a machine that is slow and shared."""

PAUSE_S = 0.01
"""Between two small requests: asking without a pause would take half of the machine from what is asked about."""

_LONG_PATIENCE = 20 * PATIENCE


def cpu_clock(server: Serving) -> Callable[[], float]:
    """The CPU seconds of the thread that serves; where there is no such clock, seconds."""
    ident = server._thread.ident
    if sys.platform == "darwin" or sys.platform == "win32" or ident is None:
        return time.monotonic
    clock = time.pthread_getcpuclockid(ident)
    return lambda: time.clock_gettime(clock)


class Drain(threading.Thread):
    """Sends one request and reads its answer to the end without keeping it."""

    def __init__(self, server: Serving, request: bytes, *, admin: bool = False) -> None:
        super().__init__()
        port = server.admin_port if admin else next(iter(server.ports.values()))
        self._sock = socket.create_connection(("127.0.0.1", port), _LONG_PATIENCE)
        self._request = request
        self.status = 0
        self.bytes = 0

    def run(self) -> None:
        """Send, read, and note the status and the bytes of head and body."""
        buffer = bytearray(1 << 20)
        head = b""
        with self._sock as sock:
            with suppress(OSError):  # refused before it was read whole: the answer is there all the same
                sock.sendall(self._request)
            while True:
                try:
                    got = sock.recv_into(buffer)
                except OSError:
                    return
                if not got:
                    return
                self.bytes += got
                if not self.status:
                    head += bytes(buffer[:got])
                    if b"\r\n\r\n" in head:
                        self.status = parse_head(head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")[0]


@contextmanager
def turns_at_once() -> Iterator[None]:
    """Threads take turns within a fraction of a millisecond.

    Client and server are threads of one process here. With the interpreter's 5 ms a client waited longer for its turn
    than for the server, and the server's work of that time counted: 1.8 s where no step of the server took 0.08 s.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def longest_hold(server: Serving, *requests: bytes, admin: bool = False) -> tuple[float, Sequence[Drain]]:
    """The longest that small requests were held while others, sent at once, were under way; and those."""
    clock = cpu_clock(server)
    heavy = [Drain(server, request, admin=admin) for request in requests]
    longest = 0.0
    with turns_at_once(), server.connect() as client:
        _small(client)
        for one in heavy:
            one.start()
        while any(one.is_alive() for one in heavy):
            began = clock()
            _small(client)
            longest = max(longest, clock() - began)
            time.sleep(PAUSE_S)
    for one in heavy:
        one.join()
    return longest, heavy


def _small(client: Any) -> None:
    client.ask(body=b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":1}')
    status, _, _ = client.answer()
    assert status == 200


def closing(**how: Any) -> bytes:
    """A request after whose answer the connection is closed."""
    headers = {"connection": "close", **how.pop("headers", {})}
    return request_bytes(headers=headers, **how)
