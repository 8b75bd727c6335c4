"""Connections that ask one small thing after the other, and how long each answer takes: on either clock.

Run as `python -m windtunnel.harness.calibrate.link_client PORT CONNECTIONS REQUESTS PAUSE_S`, on sockets. Writes
`taken.json`: `cold` has the seconds of each connection's first request, connecting included, `warm` those of its
further ones. Prints one JSON line with the file's name.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from windtunnel.mock_server.server.end_with_parent import die_with_parent

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Hello."}]}'
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-windtunnel\r\n"
    b"Content-Type: application/json\r\nContent-Length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)
TAKEN = "taken.json"
HOST = "127.0.0.1"


@dataclass(slots=True)
class Taken:
    """Seconds from asking to the last byte of the answer."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)


async def ask_all(
    port: int, connections: int, requests: int, pause_s: float, clock: Callable[[], float]
) -> Taken:
    """Ask `requests` times on each connection, with pauses of `pause_s`, which the connections begin one by one."""
    taken = Taken()
    starts = [pause_s * number / connections for number in range(connections)]
    await asyncio.gather(*[_ask_on_one(port, start, requests, pause_s, clock, taken) for start in starts])
    return taken


async def _ask_on_one(
    port: int, start_s: float, requests: int, pause_s: float, clock: Callable[[], float], taken: Taken
) -> None:
    await asyncio.sleep(start_s)
    began = clock()
    reader, writer = await asyncio.open_connection(HOST, port)
    for number in range(requests):
        if number:
            await asyncio.sleep(pause_s)
            began = clock()
        writer.write(REQUEST)
        await _read_answer(reader)
        (taken.warm if number else taken.cold).append(clock() - began)
    writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> None:
    """Read an answer to its end. Raises `ValueError` for one that is none of a healthy mock's."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"a link's client was answered {head[:40]!r}")
    lines = head.lower().split(b"\r\n")
    length = next(line for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))


def main(arguments: Sequence[str]) -> None:
    """Ask over sockets, and print what it took."""
    port, connections, requests = (int(argument) for argument in arguments[:3])
    # Not the loop's clock: uvloop's stands still for as long as callbacks run, and counts milliseconds.
    taken = uvloop.run(ask_all(port, connections, requests, float(arguments[3]), time.monotonic))
    Path(TAKEN).write_text(json.dumps({"cold": taken.cold, "warm": taken.warm}))
    print(json.dumps({"file": TAKEN}), flush=True)


if __name__ == "__main__":
    die_with_parent()
    main(sys.argv[1:])
