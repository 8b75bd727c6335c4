"""A plain closed-loop load over raw sockets: an exact number of requests, as fast as the server answers."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"How are you?"}]}'


def request_bytes(call_id: str) -> bytes:
    """A small non-streamed chat completion, as an SDK sends it."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-windtunnel\r\n"
        b"Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: calibrate\r\n"
        b"x-windtunnel-call: "
        + call_id.encode()
        + b"\r\nContent-Length: "
        + str(len(BODY)).encode()
        + b"\r\n\r\n"
        + BODY
    )


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call_id: str
) -> tuple[bytes, bytes]:
    """One request; returns the head and the body of the answer. Raises `ValueError` unless it is a 200."""
    writer.write(request_bytes(call_id))
    head = await reader.readuntil(b"\r\n\r\n")
    length = CONTENT_LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise ValueError(f"unexpected answer: {head[:200]!r}")
    return head, await reader.readexactly(int(length[1]))


async def drive(port: int, requests: int, *, connections: int = 32, prefix: str = "k") -> float:
    """Send `requests` requests over `connections` connections; returns the wall seconds that it took."""
    numbers = iter(range(requests))

    async def worker(numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for number in numbers:
                await exchange(reader, writer, f"{prefix}{number}")
        finally:
            writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(worker(numbers) for _ in range(connections)))
    return time.perf_counter() - begin
