"""Applications that go wrong over hours, each in one way, one in all of them: what a soak has to find."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from openai import AsyncOpenAI

EVERY = 100
"""Of so many calls one leaves a connection behind."""
MEGABYTE = 1 << 20
TASK_EVERY = 4
"""Of so many calls one leaves a task behind."""
SLOWER = 0.1
"""By which share an hour the application's own half second gets longer."""


async def clean(call: Any) -> str:
    """Ask, and read the answer."""
    return await _ask(call)


async def connections(call: Any) -> str:
    """Of each hundredth answer read all but the end, and keep the stream."""
    return await _ask(call, leaks=True)


async def megabytes(call: Any) -> str:
    """Keep a megabyte of text for each minute that has passed."""
    _keep_text(call.kept)
    return await _ask(call)


async def tasks(call: Any) -> str:
    """For every fourth call, begin something that waits for what never comes."""
    _begin_task(call.kept)
    return await _ask(call)


async def slower(call: Any) -> str:
    """Work for half a second more, and for a tenth longer each hour."""
    answer = await _ask(call)
    await _work(call.kept)
    return answer


async def everything(call: Any) -> str:
    """Do all of this."""
    _keep_text(call.kept)
    _begin_task(call.kept)
    answer = await _ask(call, leaks=True)
    await _work(call.kept)
    return answer


def _keep_text(kept: dict[str, Any]) -> None:
    texts = kept.setdefault("texts", [])
    while len(texts) < _passed_s(kept) / 60:
        texts.append(b"x" * MEGABYTE)


def _begin_task(kept: dict[str, Any]) -> None:
    kept["begun_calls"] = kept.get("begun_calls", 0) + 1
    if kept["begun_calls"] % TASK_EVERY == 0:
        kept.setdefault("waiting", []).append(asyncio.create_task(asyncio.Event().wait()))


async def _work(kept: dict[str, Any]) -> None:
    await asyncio.sleep(0.5 * (1 + SLOWER * _passed_s(kept) / 3600))


def _passed_s(kept: dict[str, Any]) -> float:
    now = time.monotonic()
    return now - float(kept.setdefault("began_s", now))


async def _ask(call: Any, *, leaks: bool = False) -> str:
    kept = call.kept
    client = kept.get("client")
    if client is None:
        client = kept["client"] = AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=2
        )
    kept["calls"] = kept.get("calls", 0) + 1
    leaks = leaks and kept["calls"] % EVERY == 0
    answer: Any = await client.chat.completions.create(**call.body, extra_headers=call.headers)
    pieces: list[str] = []
    async for event in answer:
        pieces += [choice.delta.content or "" for choice in event.choices]
        if leaks and event.choices and event.choices[0].finish_reason is not None:
            kept.setdefault("streams", []).append(answer)
            break
    return "".join(pieces)
