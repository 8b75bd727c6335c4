"""A bare server of token streams: prebuilt chunks, one timer for all streams. What its readers find is their own error.

Run as `python -m windtunnel.harness.calibrate.paced_server SPACING_S`; prints one JSON line `{"base_url": …}` once
ready. Every request, whatever it asks, is answered with a stream that goes on until the client leaves.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

from windtunnel.mock_server.server.end_with_parent import die_with_parent

TICKS = 20
"""Into how many groups the streams are put; a group's chunks are written together, once in every spacing."""

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = (
    b'data: {"id":"chatcmpl-bare","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4.1-mini",'
    b'"choices":[{"index":0,"delta":{"content":"tok "},"logprobs":null,"finish_reason":null}]}\n\n'
)
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)


class Stream(asyncio.Protocol):
    """Joins a group when the request has come, and leaves it when the client goes."""

    def __init__(self, groups: list[set[asyncio.Transport]]) -> None:
        self._groups = groups
        self._group: set[asyncio.Transport] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._group is None:
            self._transport.write(HEAD)
            self._group = min(self._groups, key=len)
            self._group.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._group is not None:
            self._group.discard(self._transport)


async def serve(spacing_s: float) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    groups: list[set[asyncio.Transport]] = [set() for _ in range(TICKS)]
    server = await loop.create_server(lambda: Stream(groups), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"base_url": f"http://127.0.0.1:{port}/v1"}), flush=True)
    begin, tick = time.monotonic(), 0
    while True:
        tick += 1
        await asyncio.sleep(begin + tick * spacing_s / TICKS - time.monotonic())
        for transport in groups[tick % TICKS]:
            transport.write(CHUNK)


if __name__ == "__main__":
    die_with_parent()
    uvloop.run(serve(float(sys.argv[1])))
