"""Callables as users write them, for the driver python."""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
from openai import AsyncOpenAI


def sdk(call: Any) -> AsyncOpenAI:
    """One client an instance, over the recording HTTP client."""
    if "client" not in call.kept:
        call.kept["client"] = AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=0
        )
    client: AsyncOpenAI = call.kept["client"]
    return client


async def ask(call: Any) -> Any:
    """What most people have: the SDK's object or its stream."""
    if call.api == "embeddings":
        return await sdk(call).embeddings.create(**call.body, extra_headers=call.headers)
    return await sdk(call).chat.completions.create(**call.body, extra_headers=call.headers)


async def draws(call: Any) -> Any:
    """Draws in all the ways there are, and sends what it drew."""
    drawn = [random.choice("abc"), random.randint(0, 99), random.gauss(), secrets.token_hex(4), uuid.uuid4()]
    headers = {**call.headers, "x-drawn": f"{drawn} {random.sample(range(99), 3)}"}
    return await sdk(call).chat.completions.create(**call.body, extra_headers=headers)


async def worldly(call: Any) -> Any:
    """Keeps a deadline of the wall clock, and sends the times and chances that it finds."""
    until = datetime.now() + timedelta(seconds=1.5)
    while datetime.now() < until:  # noqa: ASYNC110  # what is tested
        await asyncio.sleep(0.25)
    with tempfile.NamedTemporaryFile() as file:
        name = Path(file.name).name
    found = [time.strftime("%H:%M:%S"), time.ctime(), random.Random().random(), uuid.uuid1(), name]
    found += [os.getrandom(4), time.clock_gettime(time.CLOCK_MONOTONIC), datetime.now(UTC), date.today()]
    headers = {**call.headers, "x-found": f"{found}"}
    return await sdk(call).chat.completions.create(**call.body, extra_headers=headers)


async def gives_itself_up(call: Any) -> None:
    """Cancels the task in which it runs, as a timeout of one's own may."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


async def stubborn(call: Any) -> str:
    """Makes an answer of its own out of being cancelled."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return "I was late."
    return "never"


async def text(call: Any) -> str:
    """The text alone."""
    answer = await ask(call)
    if not call.stream:
        return answer.choices[0].message.content or ""
    return "".join([piece async for chunk in answer for piece in [chunk.choices[0].delta.content] if piece])


async def pieces(call: Any) -> AsyncIterator[str]:
    """The text in pieces."""
    async for chunk in await ask(call):
        if said := chunk.choices[0].delta.content:
            yield said


async def by_session(call: Any) -> Any:
    """aiohttp by hand."""
    url = f"{call.base_url}/chat/completions"
    async with call.session.post(url, json=call.body, headers=call.headers) as answer:
        answer.raise_for_status()
        if not call.stream:
            return await answer.json()
        lines = (await answer.text()).splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)


async def unseen(call: Any) -> Any:
    """A client that nobody records: sockets by hand."""
    at = urlsplit(call.base_url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    body = json.dumps(call.body)
    head = [
        f"POST {at.path}/chat/completions HTTP/1.1",
        f"host: {at.netloc}",
        "content-type: application/json",
    ]
    head += [f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in call.headers.items())]
    writer.write("\r\n".join([*head, "", body]).encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = answer.partition("content-length:")[2].splitlines()[0]
    content = await reader.readexactly(int(length))
    writer.close()
    return json.loads(content)


async def unseen_text(call: Any) -> str:
    """The text of the same."""
    said: str = (await unseen(call))["choices"][0]["message"]["content"]
    return said


def _url(call: Any) -> str:
    return f"{call.base_url}/chat/completions"


def _key(call: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {call.api_key}"}


async def own_sdk(call: Any) -> Any:
    """The SDK as people build it, who never heard of the call's headers."""
    client = AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, max_retries=1)
    return await client.chat.completions.create(**call.body)


async def own_httpx2(call: Any) -> Any:
    """The same with httpx2."""
    async with httpx2.AsyncClient() as client:
        return (await client.post(_url(call), json=call.body, timeout=20)).raise_for_status().json()


async def own_httpx(call: Any) -> Any:
    """The same with httpx, in a task of its own."""
    async with httpx.AsyncClient() as client:
        sent = asyncio.create_task(client.post(_url(call), json=call.body, timeout=20))
        return (await sent).raise_for_status().json()


async def own_aiohttp(call: Any) -> Any:
    """The same with aiohttp."""
    async with aiohttp.ClientSession() as session, session.post(_url(call), json=call.body) as answer:
        answer.raise_for_status()
        return await answer.json()


async def own_urllib(call: Any) -> Any:
    """What requests and urllib3 stand on, in a thread."""
    body = json.dumps(call.body).encode()
    request = urllib.request.Request(_url(call), data=body, method="POST")

    def send() -> Any:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    return await asyncio.to_thread(send)


class Parsed:
    """What an application makes of an answer; its names mean nothing here."""

    type = "summary"
    output = 7


async def parsed(call: Any) -> Parsed:
    """Gives back an object of its own."""
    await text(call)
    return Parsed()


async def summary(call: Any) -> str:
    """Gives back what it makes of the answer."""
    return (await text(call))[:3]


async def stored(call: Any) -> None:
    """Keeps the answer somewhere, and gives back nothing."""
    await text(call)


async def leaks(call: Any) -> Any:
    """Streams by hand, and forgets the answers that it refuses."""
    client = call.http_client
    answer = await client.send(
        client.build_request("POST", _url(call), json=call.body, headers=_key(call)), stream=True
    )
    if answer.status_code != 200:
        call.kept.setdefault("forgotten", Forgotten()).answers.append(answer)
        raise RuntimeError(f"HTTP {answer.status_code}")
    await answer.aread()


async def late(call: Any) -> Any:
    """Closes what it refuses, but a second later, when its call is over."""
    client = call.http_client
    answer = await client.send(
        client.build_request("POST", _url(call), json=call.body, headers=_key(call)), stream=True
    )
    if answer.status_code == 200:
        await answer.aread()
        return

    async def close() -> None:
        await asyncio.sleep(1)
        await answer.aclose()

    call.kept.setdefault("forgotten", Forgotten()).answers.append(asyncio.create_task(close()))
    raise RuntimeError(f"HTTP {answer.status_code}")


async def tidy(call: Any) -> Any:
    """The same, but closes them."""
    client = call.http_client
    async with client.stream("POST", _url(call), json=call.body, headers=_key(call)) as answer:
        if answer.status_code != 200:
            raise RuntimeError(f"HTTP {answer.status_code}")
        await answer.aread()


class Forgotten:
    """Answers that are checked out for ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = []


async def lacks(call: Any) -> Any:
    """A bug of the application's own, before anything is sent."""
    settings = {"name": call.api}
    return settings["model"]


async def nothing(call: Any) -> None:
    """Asks nobody."""


async def blocks(call: Any) -> str:
    """What a clock that jumps cannot have."""
    time.sleep(0.1)  # noqa: ASYNC251  # what is tested
    return "never"


async def threads(call: Any) -> str:
    """The same."""
    threading.Thread(target=print).start()
    return "never"
