"""What a request over HTTP/2 costs the mock, beside the same request over HTTP/1.1: CPU of the server's process.

The client writes prepared frames and reads only the headers of those that come: it costs next to nothing, and knows
neither h2 nor HPACK's tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from windtunnel.harness.calibrate.closed_loop import BODY, drive
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import MeasuredServer, mock
from windtunnel.harness.calibrate.server_cost import EVERYTHING_ON
from windtunnel.harness.errors import MeasurementError

AIM: Final = 0.12
ROUNDS: Final = 5
REQUESTS_PER_ROUND: Final = 4_000
STREAMS: Final = 32
"""Requests under way at once on the one connection, as many as the loop over HTTP/1.1 has connections."""

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, WINDOW_UPDATE, RST_STREAM, GOAWAY = 0, 1, 4, 8, 3, 7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
WINDOW_STEP: Final = 2**30


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name: str, value: str) -> bytes:
    """Return a field that enters no table (RFC 7541, section 6.2.2); name and value have fewer than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request_frames(stream: int, call_id: str) -> bytes:
    """Return the request that `closed_loop` sends, as frames of HTTP/2."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/v1/chat/completions",
        ":authority": "127.0.0.1",
        "authorization": "Bearer sk-windtunnel",
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": "calibrate",
        "x-windtunnel-call": call_id,
        "content-length": str(len(BODY)),
    }
    block = b"".join([field(name, value) for name, value in fields.items()])
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, BODY)


async def drive_http2(port: int, requests: int, *, prefix: str) -> None:
    """Have `requests` requests answered on one connection, `STREAMS` at once. Raises MeasurementError if one is not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened = frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, WINDOW_STEP.to_bytes(4, "big"))
    writer.write(PREFACE + opened)
    sent = answered = 0
    try:
        while answered < requests:
            while sent < requests and sent - answered < STREAMS:
                writer.write(request_frames(2 * sent + 1, f"{prefix}{sent}"))
                sent += 1
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            if kind in (RST_STREAM, GOAWAY):
                raise MeasurementError(f"calibrate: an HTTP/2 request was not answered (frame {kind})")
            if kind == SETTINGS and not flags & ACK:
                writer.write(frame(SETTINGS, ACK, 0))
            answered += kind in (DATA, HEADERS) and bool(flags & END_STREAM)
    finally:
        writer.close()


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """CPU per request over HTTP/2 and over HTTP/1.1, in turns."""
    on_progress("http2: CPU per request, HTTP/2 and HTTP/1.1 in turns")
    async with mock(EVERYTHING_ON, folder) as server:
        return [finding(await in_turns(server))]


async def in_turns(server: MeasuredServer) -> list[tuple[float, float]]:
    """(HTTP/2, HTTP/1.1) CPU seconds per request, a pair per round, after a round that does not count."""
    pairs = []
    for number in range(ROUNDS + 1):
        began = server.cpu_s()
        await drive_http2(server.port, REQUESTS_PER_ROUND, prefix=f"t{number}-")
        between = server.cpu_s()
        await drive(server.port, REQUESTS_PER_ROUND, prefix=f"o{number}-")
        ended = server.cpu_s()
        if number:
            pairs.append(((between - began) / REQUESTS_PER_ROUND, (ended - between) / REQUESTS_PER_ROUND))
    return pairs


def finding(pairs: list[tuple[float, float]]) -> Finding:
    """Requests/s on one core, which are what a second of CPU is enough for; the pair whose ratio is the median one."""
    ratios = sorted(one / two for two, one in pairs)
    middle = median(ratios)
    two, one = min(pairs, key=lambda pair: abs(pair[1] / pair[0] - middle))
    return Finding(
        "HTTP/2 on one core",
        "requests/s",
        1 / two,
        1 / one,
        AIM,
        f"one connection with {STREAMS} requests at once, against HTTP/1.1 on {STREAMS} connections; from the CPU of "
        f"the server; median of {ROUNDS} pairs of {REQUESTS_PER_ROUND} requests; ratios from {ratios[0]:.2f} to "
        f"{ratios[-1]:.2f}",
        "at least",
    )
