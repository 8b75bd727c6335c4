"""An `Agent` of pydantic-ai without tools: `pydantic_agent.py [--retries N]`; what is not given is its own."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from speaking import GivenCall, run

parser = ArgumentParser()
parser.add_argument("--retries", type=int)
options = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
agents: dict[tuple[str, str], Any] = {}


def agent_for(call: GivenCall) -> Any:
    key = (call.base_url, call.model)
    if key not in agents:
        provider = OpenAIProvider(base_url=call.base_url, api_key=call.api_key)
        agents[key] = Agent(OpenAIChatModel(call.model, provider=provider), **options)
    return agents[key]


async def ask(call: GivenCall) -> dict[str, Any]:
    if call.api != "chat":
        raise ValueError(f"this adapter speaks chat, and not {call.api}")
    settings: dict[str, Any] = {"extra_headers": call.headers}
    if "max_completion_tokens" in call.body:
        settings["max_tokens"] = call.body["max_completion_tokens"]
    prompt = call.messages[-1]["content"]
    if not call.stream:
        result = await agent_for(call).run(prompt, model_settings=settings)
        return {"text": result.output, "finish_reason": finish_of(result)}
    text = []
    async with agent_for(call).run_stream(prompt, model_settings=settings) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            text.append(piece)
            call.content(piece)
        return {"text": "".join(text), "finish_reason": finish_of(result)}


def finish_of(result: Any) -> str | None:
    reason = getattr(result.all_messages()[-1], "finish_reason", None)
    return None if reason is None else str(reason)


if __name__ == "__main__":
    run(ask, "pydantic-ai-slim", "openai", "httpx")
