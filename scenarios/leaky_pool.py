"""The application of the client `leaky-pool`: it leaves a long stream when it has its answer, and does not close it.

The answer is whole, so nobody notices. But its connection still waits for the end of the stream, and the pool lends it
to nobody else. Only long answers go that way, one in forty or so: that is why no test has found it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI

if TYPE_CHECKING:
    from windtunnel.harness.clients.drivers.python_call import UserCall


LONG = 140
"""Pieces of an answer after which it counts as long."""


async def until_it_is_finished(call: UserCall) -> str:
    """Ask as `OpenAI()` does; of a long stream read only up to the piece that says why it ends."""
    client = call.kept.get("client")
    if client is None:
        client = call.kept["client"] = AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=2
        )
    answer: Any = await client.chat.completions.create(**call.body, extra_headers=call.headers)
    if not call.stream:
        return str(answer.choices[0].message.content)
    # Something keeps the stream: a log, a trace, an object of the request. Else the collector might close it in time.
    call.kept.setdefault("streams", []).append(answer)
    pieces: list[str] = []
    async for event in answer:
        for choice in event.choices:
            pieces.append(choice.delta.content or "")
            if choice.finish_reason is not None and len(pieces) > LONG:
                return "".join(pieces)  # `async with answer:` around the loop would have closed it
    return "".join(pieces)
