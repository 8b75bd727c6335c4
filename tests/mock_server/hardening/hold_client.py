"""A program that asks a server for much and, meanwhile, for little; prints how long the little was held, as JSON.

It is a program of its own so that it takes no turns of the interpreter that serves: as a thread beside the server it
waited for its own turn, and the server's work of that time counted. It needs the standard library only.

Its input is a pickled dictionary: see `holds.longest_hold`, which starts it.
"""

from __future__ import annotations

import json
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAUSE_S = 0.01
"""Between two small requests: asking without a pause would take half of the machine from what is asked about."""


def cpu_clock(process: int, thread: int) -> Callable[[], float]:
    """The CPU seconds of a thread of another process; where that is not told, seconds."""
    told = Path(f"/proc/{process}/task/{thread}/schedstat")
    if not told.exists():
        return time.monotonic
    return lambda: int(told.read_bytes().split()[0]) / 1e9


class Drain(threading.Thread):
    """Sends one request and reads its answer to the end without keeping it."""

    def __init__(self, port: int, request: bytes, patience_s: float) -> None:
        super().__init__()
        self.sock = socket.create_connection(("127.0.0.1", port), patience_s)
        self._request = request
        self.status = 0
        self.bytes = 0

    def run(self) -> None:
        """Send, read, and note the status and the bytes of head and body."""
        buffer = bytearray(1 << 20)
        head = b""
        with self.sock as sock:
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
                    if b"\r\n" in head:
                        self.status = int(head.split(None, 2)[1])


def exchange(sock: socket.socket, request: bytes) -> None:
    """Send a small request and read its answer, which must be a good one with a length."""
    sock.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got:
        got += received(sock)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    wanted = int(length.partition(b":")[2])
    while len(body) < wanted:
        body += received(sock)


def received(sock: socket.socket) -> bytes:
    """The next bytes; an answer that is cut is an error."""
    data = sock.recv(65_536)
    assert data, "the small request's connection was closed"
    return data


def longest_hold(wanted: dict[str, Any]) -> dict[str, Any]:
    """Play it, for `watched_s` at most: what then is still under way is hung up on."""
    clock = cpu_clock(wanted["process"], wanted["thread"])
    heavy = [Drain(wanted["heavy_port"], one, wanted["patience_s"]) for one in wanted["heavy"]]
    longest = 0.0
    with socket.create_connection(("127.0.0.1", wanted["port"]), wanted["patience_s"]) as sock:
        exchange(sock, wanted["small"])
        for one in heavy:
            one.start()
        end = time.monotonic() + wanted["watched_s"]
        while any(one.is_alive() for one in heavy) and time.monotonic() < end:
            began = clock()
            exchange(sock, wanted["small"])
            longest = max(longest, clock() - began)
            time.sleep(PAUSE_S)
    for one in heavy:
        if one.is_alive():
            with suppress(OSError):
                one.sock.shutdown(socket.SHUT_RDWR)
        one.join()
    return {"held_s": longest, "heavy": [[one.status, one.bytes] for one in heavy]}


if __name__ == "__main__":
    print(json.dumps(longest_hold(pickle.load(sys.stdin.buffer))))
