"""aiohttp, as applications use it by hand: one session, calls side by side on one loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from windtunnel.harness.matrix.cases import CONNECT_TIMEOUT, READ_TIMEOUT, Case
from windtunnel.harness.matrix.clients import KEY, PATHS, headers_of, take_line
from windtunnel.harness.matrix.reading import PLAIN, new_reading
from windtunnel.harness.matrix.wording import Seen, Stage

NAME = "aiohttp"
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)


async def calls(asked: Sequence[tuple[Case, str, str]], at_once: int) -> list[Seen]:
    """What is seen of each (case, call id, base URL), in that order; no connection is used twice."""
    room = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:

        async def one(case: Case, call: str, base_url: str) -> Seen:
            async with room:
                return await _call(session, case, call, base_url)

        return await asyncio.gather(*[one(*what) for what in asked])


async def _call(session: aiohttp.ClientSession, case: Case, call: str, base_url: str) -> Seen:
    reading = new_reading(case.api, PLAIN)
    began = time.monotonic()
    said = headers_of(case, call) | {"authorization": f"Bearer {KEY}"}
    stage: Stage = "client"
    try:
        async with session.post(base_url + PATHS[case.api], json=case.body, headers=said) as response:
            response.raise_for_status()
            if case.stream:
                async for raw in response.content:
                    stage = "reading"
                    if take_line(reading, raw.decode().rstrip("\r\n")):
                        break
                    stage = "client"
            else:
                answer = await response.json()
                stage = "reading"
                reading.whole(answer)
            stage = "using"
            reading.use(case.task)
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return Seen(reading, time.monotonic() - began, error, stage)
    return Seen(reading, time.monotonic() - began)
