"""Programs that know nothing of windtunnel, one a function: `python loops.py NAME`.

Each prints what it did, as it knows it: `{"calls": …, "attempts": …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
TRUTH = {"calls": 0, "attempts": 0}
LOCK = threading.Lock()
CALLERS = 24
CALLS = 40
MOST = 6


def prompt(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}


def count(what: str) -> None:
    with LOCK:
        TRUTH[what] += 1


def backoff(attempt: int) -> float:
    return min(0.4, 0.05 * 2**attempt) * random.uniform(0.7, 1.3)


def retried(
    post: Callable[[dict[str, Any]], int], body: dict[str, Any], wait: Callable[[int], float] = backoff
) -> None:
    """A loop of one's own: up to six attempts at one call."""
    count("calls")
    for attempt in range(MOST):
        count("attempts")
        if post(body) < 400:
            return
        time.sleep(wait(attempt))


def requests_session() -> None:
    import requests

    session = requests.Session()
    for number in range(CALLS):
        retried(
            lambda body: session.post(URL, json=body, headers=HEADERS).status_code,
            prompt(f"question {number}"),
        )


def requests_anew() -> None:
    """A new connection for each request, and no wait at all before a retry."""
    import requests

    for number in range(CALLS):
        retried(
            lambda body: requests.post(URL, json=body, headers=HEADERS).status_code,
            prompt(f"question {number}"),
            lambda attempt: 0.0,
        )


def httpx_threads_one_prompt() -> None:
    """24 callers with one prompt, each with a client and a loop of its own."""
    import httpx

    def caller() -> None:
        with httpx.Client() as client:
            retried(lambda body: client.post(URL, json=body, headers=HEADERS).status_code, prompt("the same"))

    in_threads([caller] * CALLERS)


def requests_threads_one_prompt_anew() -> None:
    """24 callers with one prompt, and a new connection for each attempt."""
    import requests

    def caller() -> None:
        retried(lambda body: requests.post(URL, json=body, headers=HEADERS).status_code, prompt("the same"))

    in_threads([caller] * CALLERS)


def in_threads(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def aiohttp_pool_one_prompt() -> None:
    """24 callers with one prompt, who share a pool of eight connections."""
    asyncio.run(_aiohttp(lambda number: "the same"))


def aiohttp_pool() -> None:
    asyncio.run(_aiohttp(lambda number: f"question {number}"))


async def _aiohttp(text: Callable[[int], str]) -> None:
    import aiohttp

    async def caller(session: aiohttp.ClientSession, number: int) -> None:
        count("calls")
        for attempt in range(MOST):
            count("attempts")
            async with session.post(URL, json=prompt(text(number)), headers=HEADERS) as answer:
                await answer.read()
                if answer.status < 400:
                    return
            await asyncio.sleep(backoff(attempt))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as session:
        await asyncio.gather(*(caller(session, number) for number in range(CALLERS)))


def counting(client: Any) -> Any:
    """An httpx client that counts its requests for the truth."""
    client.event_hooks = {"request": [lambda request: count("attempts")]}
    return client


def sdk_client(**options: Any) -> Any:
    """The SDK as it is, but for its base of HTTP, which counts."""
    from openai import DefaultHttpxClient, OpenAI

    return OpenAI(http_client=counting(DefaultHttpxClient()), **options)


def ask(client: Any, text: str) -> None:
    client.chat.completions.create(**prompt(text))


def sdk() -> None:
    client = sdk_client()
    for number in range(CALLS // 2):
        count("calls")
        try:
            ask(client, f"question {number}")
        except Exception:  # noqa: BLE001  # given up, as many programs do
            continue


def sdk_threads_one_prompt() -> None:
    """24 callers with one prompt through one SDK client: only its counter tells their retries."""
    client = sdk_client(max_retries=5)

    def caller() -> None:
        count("calls")
        ask(client, "the same")

    in_threads([caller] * CALLERS)


def sdk_same_prompt_without_retries() -> None:
    """A loop that asks the same again and again and retries nothing."""
    client = sdk_client(max_retries=0)
    for _ in range(CALLS):
        count("calls")
        try:
            ask(client, "the same")
        except Exception:  # noqa: BLE001  # the next one may do better
            time.sleep(0.01)


def tenacity_over_the_sdk() -> None:
    """Two layers of retries: the SDK's counter starts anew in each attempt of the outer one."""
    import tenacity

    client = sdk_client(max_retries=1)

    @tenacity.retry(stop=tenacity.stop_after_attempt(5), wait=tenacity.wait_exponential(0.05, max=0.3))
    def answered(text: str) -> None:
        ask(client, text)

    for number in range(CALLS // 2):
        count("calls")
        answered(f"question {number}")


def one_prompt_one_after_the_other() -> None:
    """Equal calls, each retried until it is answered: from outside, one caller that never has enough."""
    import requests

    session = requests.Session()
    for _ in range(CALLS):
        retried(lambda body: session.post(URL, json=body, headers=HEADERS).status_code, prompt("the same"))


def agent() -> None:
    """Tasks of several steps: each step is a call with a longer conversation, and has a loop of its own."""
    import httpx

    with httpx.Client() as client:
        for task in range(CALLS // 4):
            body = prompt(f"task {task}")
            for step in range(4):
                retried(lambda body: client.post(URL, json=body, headers=HEADERS).status_code, body)
                body["messages"] += [
                    {"role": "assistant", "content": f"step {step}"},
                    {"role": "user", "content": "go on"},
                ]


def impatient() -> None:
    """A client that hangs up after 0.3 s and tries again on a new connection."""
    import httpx

    def post(body: dict[str, Any]) -> int:
        try:
            return httpx.post(URL, json=body, headers=HEADERS, timeout=0.3).status_code
        except httpx.TimeoutException:
            return 599

    for number in range(CALLS // 2):
        retried(post, prompt(f"question {number}"), lambda attempt: 0.0)


def main() -> None:
    random.seed(1)
    globals()[sys.argv[1]]()
    print(json.dumps(TRUTH))


if __name__ == "__main__":
    main()
