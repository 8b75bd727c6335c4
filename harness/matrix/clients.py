"""openai, httpx2 and aiohttp as applications use them: `OpenAI()`, and two clients written by hand.

No connection is used twice, so that no fault spoils the measurement of another.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp
import httpx2
import openai

from windtunnel.harness.clients.base import CALL_HEADER
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.reading import JsonAnswer
from windtunnel.harness.clients.sse import PATHS
from windtunnel.harness.matrix.cases import CONNECT_TIMEOUT, READ_TIMEOUT, Case
from windtunnel.harness.matrix.observed_call import ObservedCall, observing
from windtunnel.harness.plan import API_KEY

_TIMEOUT = {"connect": CONNECT_TIMEOUT, "read": READ_TIMEOUT, "write": 10.0, "pool": 10.0}
_LIMITS = {"max_connections": 1000, "max_keepalive_connections": 0}
_AIOHTTP_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
_LOADS = partial(json.loads, object_hook=JsonAnswer)


def _headers(case: Case, call: str) -> dict[str, str]:
    """The headers by which the server knows which fault is meant, and which call it is."""
    fault = {} if case.header is None else {"x-windtunnel-fault": case.header}
    return {CALL_HEADER: call, **fault}


def _own_headers(case: Case, call: str) -> dict[str, str]:
    return _headers(case, call) | {"authorization": f"Bearer {API_KEY}"}


class OpenAIClient:
    """The SDK. `sent` counts the attempts of each call that left the SDK, connected or not."""

    name = "openai"

    def __init__(self, trust: ssl.SSLContext) -> None:
        self.sent: Counter[str] = Counter()
        timeout = sdk_http.Timeout(**_TIMEOUT)
        self._http = openai.DefaultHttpxClient(
            limits=sdk_http.Limits(**_LIMITS),
            timeout=timeout,
            trust_env=False,
            verify=trust,
            event_hooks={"request": [self._count]},
        )
        self._client = openai.OpenAI(
            api_key=API_KEY, base_url="http://unused", max_retries=0, timeout=timeout, http_client=self._http
        )

    def _count(self, request: Any) -> None:
        self.sent[request.headers[CALL_HEADER]] += 1

    def call(self, case: Case, call: str, base_url: str, retries: int = 0) -> ObservedCall:
        """Make one call."""
        client = self._client.with_options(base_url=base_url, max_retries=retries)
        api: Any = client.chat.completions if case.api == "chat" else client.responses
        with observing(case) as observed:
            answer = api.create(**case.body, extra_headers=_headers(case, call))
            if case.stream:
                with answer:
                    for event in answer:
                        observed.take(event)
            else:
                observed.whole(answer)
            observed.use(case.task)
        return observed

    def close(self) -> None:
        """Close what is open."""
        self._http.close()


class Httpx2Client:
    """httpx2 by hand: the status is checked, JSON is JSON, and a stream is its `data:` lines."""

    name = "httpx2"

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._client = httpx2.Client(
            limits=httpx2.Limits(**_LIMITS), timeout=httpx2.Timeout(**_TIMEOUT), trust_env=False, verify=trust
        )

    def call(self, case: Case, call: str, base_url: str) -> ObservedCall:
        """Make one call."""
        request = ("POST", base_url + PATHS[case.api])
        headers = _own_headers(case, call)
        with observing(case) as observed:
            if case.stream:
                with self._client.stream(*request, json=case.body, headers=headers) as response:
                    response.raise_for_status()
                    for line in response.iter_lines():
                        if observed.take_line(line):
                            break
            else:
                response = self._client.request(*request, json=case.body, headers=headers)
                response.raise_for_status()
                observed.whole(response.json(object_hook=JsonAnswer))
            observed.use(case.task)
        return observed

    def close(self) -> None:
        """Close what is open."""
        self._client.close()


class AiohttpClient:
    """aiohttp by hand, as httpx2: one session, calls side by side on one loop."""

    name = "aiohttp"

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust

    async def calls(self, calls: Sequence[tuple[Case, str, str]], at_once: int) -> list[ObservedCall]:
        """Make each (case, call id, base URL); the observed calls are in that order."""
        slots = asyncio.Semaphore(at_once)
        connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=self._trust)
        async with aiohttp.ClientSession(connector=connector, timeout=_AIOHTTP_TIMEOUT) as session:

            async def one(case: Case, call: str, base_url: str) -> ObservedCall:
                async with slots:
                    return await self._call(session, case, call, base_url)

            return await asyncio.gather(*[one(*call) for call in calls])

    async def _call(
        self, session: aiohttp.ClientSession, case: Case, call: str, base_url: str
    ) -> ObservedCall:
        url, headers = base_url + PATHS[case.api], _own_headers(case, call)
        with observing(case) as observed:
            async with session.post(url, json=case.body, headers=headers) as response:
                response.raise_for_status()
                if case.stream:
                    async for line in response.content:
                        if observed.take_line(line):
                            break
                else:
                    observed.whole(await response.json(loads=_LOADS))
                observed.use(case.task)
        return observed
