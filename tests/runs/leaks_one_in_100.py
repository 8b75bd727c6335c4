"""An application that leaks: of each hundredth answer it reads the first piece alone, and keeps the stream."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI

EVERY = 100


async def ask(call: Any) -> str:
    """Ask for a stream."""
    kept = call.kept
    client = kept.get("client")
    if client is None:
        client = kept["client"] = AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=2
        )
    kept["calls"] = kept.get("calls", 0) + 1
    answer: Any = await client.chat.completions.create(**call.body, extra_headers=call.headers)
    pieces: list[str] = []
    async for event in answer:
        pieces += [choice.delta.content or "" for choice in event.choices]
        if kept["calls"] % EVERY == 0 and event.choices and event.choices[0].finish_reason is not None:
            kept.setdefault("streams", []).append(answer)
            break
    return "".join(pieces)
