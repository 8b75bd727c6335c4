"""Raw-socket readers of many paced token streams: how far from its place is every chunk?

Run as `python -m windtunnel.harness.calibrate.paced_reader ARGUMENTS`, JSON with the keys of `Job`. It writes the
errors of all gaps between chunks, in seconds, to `file` (a NumPy array), and prints one JSON line `{"broken": streams
that were refused or ended, "gaps": how many, "median_s": the median gap}`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from typing import Any

import numpy as np
import uvloop
from pydantic import BaseModel, ConfigDict

from windtunnel.harness.calibrate.stream_reader import BODY, CONTENT, EMPTY
from windtunnel.mock_server.server.end_with_parent import die_with_parent

OK = b"HTTP/1.1 200"
READ_BYTES = 65_536
SO_TIMESTAMPNS = (
    35  # from <asm-generic/socket.h>; what comes with the data is a struct timespec, wall clock time
)
STAMP = struct.Struct("qq")
STAMP_SPACE = socket.CMSG_SPACE(STAMP.size)
EPOCH_S = time.time() - time.monotonic()


class Job(BaseModel):
    """`streams` streams of the server at `port`, opened evenly from `begin_s` to `opened_s`, read until `end_s`.

    Gaps count from `measure_s` on, against `spacing_s`. All moments are seconds of the monotonic clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    streams: int
    begin_s: float
    opened_s: float
    measure_s: float
    end_s: float
    spacing_s: float
    prefix: str
    file: str


class PacedReader:
    """One stream: a connected socket, and the moment at which the kernel got each content chunk.

    The kernel's own timestamps (Linux: SO_TIMESTAMPNS) leave out how long this process took to look.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._loop = loop
        self._answered = False
        self._left = False
        self.arrivals: list[float] = []
        loop.add_reader(sock.fileno(), self._read)

    @property
    def broken(self) -> bool:
        """Whether there was no answer, one that is not a 200, or one that ended."""
        return self._left or not self._answered

    def _read(self) -> None:
        try:
            data, extra, _, _ = self._sock.recvmsg(READ_BYTES, STAMP_SPACE)
        except OSError:
            data, extra = b"", []
        if not data:
            self._left = True
            self._loop.remove_reader(self._sock.fileno())
            return
        at = stamp(extra)
        if not self._answered:
            self._answered = data.startswith(OK)
        self.arrivals.extend([at] * (data.count(CONTENT) - data.count(EMPTY)))


def stamp(extra: list[tuple[int, int, bytes]]) -> float:
    """When the kernel got what was read, or now where it does not say; seconds of the monotonic clock."""
    for level, kind, value in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = STAMP.unpack(value)
            return float(seconds + nanoseconds * 1e-9 - EPOCH_S)
    return time.monotonic()


def request(call_id: str) -> bytes:
    """The request of a stream."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-windtunnel\r\n"
        b"Content-Type: application/json\r\nx-windtunnel-call: "
        + call_id.encode()
        + b"\r\nContent-Length: "
        + str(len(BODY)).encode()
        + b"\r\n\r\n"
        + BODY
    )


async def read(job: Job) -> list[PacedReader]:
    """Open the streams one after the other, read until the end, leave. Raises `OSError` if one cannot connect."""
    loop = asyncio.get_running_loop()
    readers = []
    for number in range(job.streams):
        due = job.begin_s + (job.opened_s - job.begin_s) * number / job.streams
        await asyncio.sleep(due - time.monotonic())
        sock = socket.socket()
        sock.setblocking(False)
        if sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await loop.sock_connect(sock, ("127.0.0.1", job.port))
        await loop.sock_sendall(sock, request(f"{job.prefix}{number}"))
        readers.append(PacedReader(sock, loop))
    await asyncio.sleep(job.end_s - time.monotonic())
    return readers


def gap_errors(arrivals: list[float], job: Job) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(gaps, |gap − spacing|) of the chunks that came between `measure_s` and `end_s`, in seconds.

    The silence in which the measurement ends counts as a gap if it was longer than one.
    """
    times = np.array([at for at in arrivals if job.measure_s <= at <= job.end_s])
    last = times[-1] if len(times) else job.measure_s
    gaps = np.diff(times)
    if job.end_s - last > job.spacing_s:
        gaps = np.append(gaps, job.end_s - last)
    return gaps, np.abs(gaps - job.spacing_s)


if __name__ == "__main__":
    die_with_parent()
    given = Job.model_validate_json(sys.argv[1])
    found = uvloop.run(read(given))
    both = [gap_errors(reader.arrivals, given) for reader in found]
    np.save(given.file, np.concatenate([errors for _, errors in both]))
    middle = float(np.median(np.concatenate([gaps for gaps, _ in both])))
    broken = sum(reader.broken for reader in found)
    print(json.dumps({"broken": broken, "median_s": middle}), flush=True)
