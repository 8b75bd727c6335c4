"""A raw-socket reader of many token streams: when did each content chunk arrive?

Run as `python -m windtunnel.harness.calibrate.stream_reader PORT STREAMS SPREAD_S`. Streams start evenly over
SPREAD_S seconds. Writes `{call id: [monotonic seconds of each content chunk, …]}` to `arrivals.json`; prints one JSON
line with its name.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from windtunnel.mock_server.server.end_with_parent import die_with_parent

BODY = b'{"model":"gpt-4.1-mini","stream":true,"messages":[{"role":"user","content":"Tell me."}]}'
# In a content chunk the text follows at once; the opening chunk has an empty one, the closing one none at all.
CONTENT = b'"content":"'
EMPTY = b'"content":""'
END = b"data: [DONE]"
LIMIT_S = 60.0
ARRIVALS = "arrivals.json"


class TimedReader(asyncio.Protocol):
    """Sends one request when connected and notes the time of every content chunk."""

    def __init__(self, call_id: str, arrivals: list[float], done: asyncio.Future[None]) -> None:
        self._call_id = call_id
        self._arrivals = arrivals
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-windtunnel\r\n"
            b"Content-Type: application/json\r\nx-windtunnel-call: "
            + self._call_id.encode()
            + b"\r\nContent-Length: "
            + str(len(BODY)).encode()
            + b"\r\n\r\n"
            + BODY
        )

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        contents = data.count(CONTENT) - data.count(EMPTY)
        self._arrivals.extend([now] * contents)
        if END in data:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def read(port: int, streams: int, spread_s: float) -> dict[str, list[float]]:
    """Open the streams one after the other and read all of them to their ends."""
    loop = asyncio.get_running_loop()
    arrivals: dict[str, list[float]] = {}
    ends = []
    begin = time.monotonic()
    for number in range(streams):
        await asyncio.sleep(begin + number * spread_s / streams - time.monotonic())
        call_id = f"s{number}"
        arrivals[call_id] = []
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(
            partial(TimedReader, call_id, arrivals[call_id], done), "127.0.0.1", port
        )
    await asyncio.wait_for(asyncio.gather(*ends), LIMIT_S)
    return arrivals


if __name__ == "__main__":
    die_with_parent()
    result = uvloop.run(read(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    Path(ARRIVALS).write_text(json.dumps(result))
    print(json.dumps({"file": ARRIVALS}), flush=True)
