"""LangChain's `ChatOpenAI`: `langchain_chat.py [--with-retry N] [--timeout S] [--max-retries N]`; else its defaults."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from langchain_openai import ChatOpenAI
from speaking import GivenCall, run

parser = ArgumentParser()
parser.add_argument("--with-retry", type=int, help="stop_after_attempt of .with_retry() around the model")
parser.add_argument("--timeout", type=float)
parser.add_argument("--max-retries", type=int)
arguments = vars(parser.parse_args())
tries = arguments.pop("with_retry")
options = {name: value for name, value in arguments.items() if value is not None}
models: dict[tuple[str, str], Any] = {}


def model_for(call: GivenCall) -> Any:
    key = (call.base_url, call.model)
    if key not in models:
        model: Any = ChatOpenAI(model=call.model, base_url=call.base_url, api_key=call.api_key, **options)
        models[key] = model if tries is None else model.with_retry(stop_after_attempt=tries)
    return models[key]


async def ask(call: GivenCall) -> dict[str, Any]:
    if call.api != "chat":
        raise ValueError(f"this adapter speaks chat, and not {call.api}")
    rest = {key: value for key, value in call.body.items() if key not in ("model", "messages", "stream")}
    more: dict[str, Any] = {"extra_headers": call.headers, **rest}
    if not call.stream:
        message = await model_for(call).ainvoke(call.messages, **more)
        return {"text": message.content, "finish_reason": message.response_metadata.get("finish_reason")}
    text, finish = [], None
    async for chunk in model_for(call).astream(call.messages, **more):
        text.append(chunk.content or "")
        call.content(text[-1])
        finish = chunk.response_metadata.get("finish_reason") or finish
    return {"text": "".join(text), "finish_reason": finish}


if __name__ == "__main__":
    run(ask, "langchain-openai", "langchain-core", "openai", "httpx")
