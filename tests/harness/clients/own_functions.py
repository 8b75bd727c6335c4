"""Functions as people have them, who never heard of windtunnel: whole and streamed, over every transport."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
import urllib3
from openai import AsyncOpenAI, OpenAI

PATIENCE_S = 1.0


def _asked(prompt: str, *, stream: bool) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": stream}


def _key() -> dict[str, str]:
    return {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}


def _text(answer: Any) -> str:
    return str(answer["choices"][0]["message"]["content"])


def _piece(line: bytes | str) -> str:
    """The text in a line of a stream; empty if there is none."""
    text = line.decode() if isinstance(line, bytes) else line
    if not text.startswith("data: {"):
        return ""
    return json.loads(text[6:])["choices"][0]["delta"].get("content") or ""


def _url(base_url: str) -> str:
    return f"{base_url}/chat/completions"


def plain_requests(prompt: str, base_url: str) -> str:
    answer = requests.post(
        _url(base_url), json=_asked(prompt, stream=False), headers=_key(), timeout=PATIENCE_S
    )
    answer.raise_for_status()
    return _text(answer.json())


def plain_requests_stream(prompt: str, base_url: str) -> Iterator[str]:
    asked = _asked(prompt, stream=True)
    with requests.post(_url(base_url), json=asked, headers=_key(), timeout=PATIENCE_S, stream=True) as answer:
        answer.raise_for_status()
        yield from _lines(answer.iter_lines())


def plain_urllib3(prompt: str, base_url: str) -> str:
    pool = urllib3.PoolManager(timeout=PATIENCE_S, retries=False)
    answer = pool.request("POST", _url(base_url), json=_asked(prompt, stream=False), headers=_key())
    if answer.status != 200:
        raise RuntimeError(f"HTTP {answer.status}")
    return _text(answer.json())


def plain_urllib3_stream(prompt: str, base_url: str) -> Iterator[str]:
    pool = urllib3.PoolManager(timeout=PATIENCE_S, retries=False)
    answer = pool.request(
        "POST", _url(base_url), json=_asked(prompt, stream=True), headers=_key(), preload_content=False
    )
    if answer.status != 200:
        raise RuntimeError(f"HTTP {answer.status}")
    kept = b""
    for data in answer.stream():
        *lines, kept = (kept + data).split(b"\n")
        yield from _lines(lines)


def plain_urllib(prompt: str, base_url: str) -> str:
    with urllib.request.urlopen(_request(prompt, base_url, stream=False), timeout=PATIENCE_S) as answer:
        return _text(json.load(answer))


def plain_urllib_stream(prompt: str, base_url: str) -> Iterator[str]:
    with urllib.request.urlopen(_request(prompt, base_url, stream=True), timeout=PATIENCE_S) as answer:
        yield from _lines(answer)


def _request(prompt: str, base_url: str, *, stream: bool) -> urllib.request.Request:
    body = json.dumps(_asked(prompt, stream=stream)).encode()
    return urllib.request.Request(_url(base_url), body, {"content-type": "application/json", **_key()})


def _lines(lines: Iterable[bytes | str]) -> Iterator[str]:
    for line in lines:
        if piece := _piece(line):
            yield piece


def plain_httpx(prompt: str, base_url: str) -> str:
    answer = httpx.post(_url(base_url), json=_asked(prompt, stream=False), headers=_key(), timeout=PATIENCE_S)
    return _text(answer.raise_for_status().json())


def plain_httpx_stream(prompt: str, base_url: str) -> Iterator[str]:
    asked = _asked(prompt, stream=True)
    with httpx.stream("POST", _url(base_url), json=asked, headers=_key(), timeout=PATIENCE_S) as answer:
        answer.raise_for_status()
        yield from _lines(answer.iter_lines())


def plain_httpx2(prompt: str, base_url: str) -> str:
    with httpx2.Client(timeout=PATIENCE_S) as client:
        answer = client.post(_url(base_url), json=_asked(prompt, stream=False), headers=_key())
        return _text(answer.raise_for_status().json())


def plain_httpx2_stream(prompt: str, base_url: str) -> Iterator[str]:
    with (
        httpx2.Client(timeout=PATIENCE_S) as client,
        client.stream("POST", _url(base_url), json=_asked(prompt, stream=True), headers=_key()) as answer,
    ):
        answer.raise_for_status()
        yield from _lines(answer.iter_lines())


def plain_openai(prompt: str) -> str | None:
    with OpenAI(max_retries=0, timeout=PATIENCE_S) as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
        return answer.choices[0].message.content


def plain_openai_stream(prompt: str) -> Any:
    """Gives back the SDK's own stream."""
    client = OpenAI(max_retries=0, timeout=PATIENCE_S)
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": prompt}], stream=True
    )


async def async_httpx(prompt: str, base_url: str) -> str:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        answer = await client.post(_url(base_url), json=_asked(prompt, stream=False), headers=_key())
        return _text(answer.raise_for_status().json())


async def async_httpx_stream(prompt: str, base_url: str) -> AsyncIterator[str]:
    asked = _asked(prompt, stream=True)
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S) as client,
        client.stream("POST", _url(base_url), json=asked, headers=_key()) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if piece := _piece(line):
                yield piece


async def async_httpx2(prompt: str, base_url: str) -> str:
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
        answer = await client.post(_url(base_url), json=_asked(prompt, stream=False), headers=_key())
        return _text(answer.raise_for_status().json())


async def async_httpx2_stream(prompt: str, base_url: str) -> AsyncIterator[str]:
    asked = _asked(prompt, stream=True)
    async with (
        httpx2.AsyncClient(timeout=PATIENCE_S) as client,
        client.stream("POST", _url(base_url), json=asked, headers=_key()) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if piece := _piece(line):
                yield piece


async def async_aiohttp(prompt: str, base_url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(_url(base_url), json=_asked(prompt, stream=False), headers=_key()) as answer,
    ):
        answer.raise_for_status()
        return _text(await answer.json())


async def async_aiohttp_stream(prompt: str, base_url: str) -> AsyncIterator[str]:
    timeout = aiohttp.ClientTimeout(sock_read=PATIENCE_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(_url(base_url), json=_asked(prompt, stream=True), headers=_key()) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.content:
            if piece := _piece(line):
                yield piece


async def async_openai(prompt: str) -> str | None:
    async with AsyncOpenAI(max_retries=0, timeout=PATIENCE_S) as client:
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": prompt}]
        )
        return answer.choices[0].message.content


async def async_openai_stream(prompt: str) -> Any:
    """Gives back the SDK's own stream."""
    client = AsyncOpenAI(max_retries=0, timeout=PATIENCE_S)
    return await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": prompt}], stream=True
    )


POOL = ThreadPoolExecutor(2)
"""Shared by all calls, so that its threads are begun by one of them."""


def in_a_pool(prompt: str, base_url: str) -> str:
    """Two requests at once, in threads that other calls use as well."""
    return max(POOL.map(lambda _: plain_requests(prompt, base_url), range(2)))


def in_a_thread(prompt: str, base_url: str) -> str:
    """One request, in a thread of its own."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(plain_urllib3(prompt, base_url)))
    thread.start()
    thread.join()
    return said[0]


async def to_a_thread(prompt: str, base_url: str) -> str:
    """What people do with a blocking library in an async application."""
    return await asyncio.to_thread(plain_requests, prompt, base_url)
