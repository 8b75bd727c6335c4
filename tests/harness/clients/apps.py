"""An application that has never heard of windtunnel."""

from __future__ import annotations

import os
from typing import Any

import httpx2
from openai import AsyncOpenAI

client = AsyncOpenAI(max_retries=0)
HOST = os.environ["OPENAI_BASE_URL"]


async def summarise(text: str, *, style: str = "short") -> Any:
    """One parameter of any name, annotated as text; the rest has defaults."""
    async with AsyncOpenAI(max_retries=0) as own:
        asked = f"{style}: {text}"
        return await own.chat.completions.create(model="m", messages=[{"role": "user", "content": asked}])


async def by_keywords(messages: list[Any], model: str, /, base_url: str, api_key: str | None = None) -> Any:
    """All by name, some of them by position."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {api_key}"}) as own:
        answer = await own.post(
            f"{base_url}/chat/completions", json={"model": model, "messages": messages}, timeout=20
        )
        return answer.json()


async def from_environment() -> Any:
    """Asks for nothing."""
    async with AsyncOpenAI(max_retries=0) as own:
        return await own.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])


async def by_module(prompt: str) -> Any:
    """With a client that was built when the module was imported, if its server is still there."""
    own = client.with_options(base_url=os.environ["OPENAI_BASE_URL"])
    return await own.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
