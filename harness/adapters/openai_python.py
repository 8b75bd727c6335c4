"""`AsyncOpenAI()` as it comes, of whatever version is installed: `openai_python.py [--timeout S] [--max-retries N]`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from openai import AsyncOpenAI
from speaking import GivenCall, run

parser = ArgumentParser()
parser.add_argument("--timeout", type=float)
parser.add_argument("--max-retries", type=int)
options = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
clients: dict[str, AsyncOpenAI] = {}


async def ask(call: GivenCall) -> dict[str, Any]:
    client = clients.get(call.base_url)
    if client is None:
        client = clients[call.base_url] = AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, **options)
    known = {
        key: value for key, value in call.body.items() if key in ("model", "messages", "input", "stream")
    }
    rest = {key: value for key, value in call.body.items() if key not in known}
    api: Any = {
        "chat": client.chat.completions,
        "responses": client.responses,
        "embeddings": client.embeddings,
    }[call.api]
    answer = await api.create(**known, extra_headers=call.headers, extra_body=rest or None)
    if not call.stream:
        return {"answer": answer.model_dump(mode="json")}
    if call.api == "responses":
        return await responses(call, answer)
    text, finish = [], None
    async with answer:
        async for chunk in answer:
            for choice in chunk.choices:
                text.append(choice.delta.content or "")
                call.content(text[-1])
                finish = choice.finish_reason or finish
    return {"text": "".join(text), "finish_reason": finish}


async def responses(call: GivenCall, events: Any) -> dict[str, Any]:
    async with events:
        async for event in events:
            if event.type == "response.output_text.delta":
                call.content(event.delta)
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                return {"answer": event.response.model_dump(mode="json")}
    return {"text": ""}


if __name__ == "__main__":
    run(ask, "openai", "httpx", "httpx2")
