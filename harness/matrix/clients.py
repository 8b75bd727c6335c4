"""openai-python and httpx2, as applications use them: `OpenAI()`, and a client written by hand.

No connection is used twice, so that no fault spoils the measurement of another.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import httpx2
import openai

from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.matrix.cases import CONNECT_TIMEOUT, READ_TIMEOUT, Case
from windtunnel.harness.matrix.reading import PLAIN, SDK, Reading, new_reading
from windtunnel.harness.matrix.wording import Seen, Stage

KEY = "sk-observed"
PATHS = {"chat": "/chat/completions", "responses": "/responses"}
_TIMEOUT = {"connect": CONNECT_TIMEOUT, "read": READ_TIMEOUT, "write": 10.0, "pool": 10.0}
_LIMITS = {"max_connections": 1000, "max_keepalive_connections": 0}


def headers_of(case: Case, call: str) -> dict[str, str]:
    """The headers by which the server knows what is asked, and by whom."""
    fault = {} if case.header is None else {"x-windtunnel-fault": case.header}
    return {"x-windtunnel-call": call, **fault}


class OpenAIClient:
    """The SDK. `sent` counts the attempts of each call that left the SDK, connected or not."""

    name = "openai"

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        timeout = sdk_http.Timeout(**_TIMEOUT)
        self._http = openai.DefaultHttpxClient(
            limits=sdk_http.Limits(**_LIMITS),
            timeout=timeout,
            trust_env=False,
            event_hooks={"request": [self._count]},
        )
        self._client = openai.OpenAI(
            api_key=KEY, base_url="http://unused", max_retries=0, timeout=timeout, http_client=self._http
        )

    def _count(self, request: Any) -> None:
        self.sent[request.headers["x-windtunnel-call"]] += 1

    def call(self, case: Case, call: str, base_url: str, retries: int = 0) -> Seen:
        """One call; whatever goes wrong is in what is seen."""
        client = self._client.with_options(base_url=base_url, max_retries=retries)
        reading = new_reading(case.api, SDK)
        began = time.monotonic()
        asked: Any = client.chat.completions if case.api == "chat" else client.responses
        stage: Stage = "client"
        try:
            answer = asked.create(**case.body, extra_headers=headers_of(case, call))
            if case.stream:
                with answer:
                    for event in answer:
                        stage = "reading"
                        reading.take(event)
                        stage = "client"
            else:
                stage = "reading"
                reading.whole(answer)
            stage = "using"
            reading.use(case.task)
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            return Seen(reading, time.monotonic() - began, error, stage)
        return Seen(reading, time.monotonic() - began)

    def close(self) -> None:
        """Close what is open."""
        self._http.close()


class Httpx2Client:
    """httpx2 by hand: the status is checked, JSON is JSON, and a stream is its `data:` lines."""

    name = "httpx2"

    def __init__(self) -> None:
        self._client = httpx2.Client(
            limits=httpx2.Limits(**_LIMITS), timeout=httpx2.Timeout(**_TIMEOUT), trust_env=False
        )

    def call(self, case: Case, call: str, base_url: str) -> Seen:
        """One call; whatever goes wrong is in what is seen."""
        reading = new_reading(case.api, PLAIN)
        began = time.monotonic()
        said = headers_of(case, call) | {"authorization": f"Bearer {KEY}"}
        url = base_url + PATHS[case.api]
        stage: Stage = "client"
        try:
            if case.stream:
                with self._client.stream("POST", url, json=case.body, headers=said) as response:
                    response.raise_for_status()
                    for line in response.iter_lines():
                        stage = "reading"
                        if take_line(reading, line):
                            break
                        stage = "client"
            else:
                response = self._client.post(url, json=case.body, headers=said)
                response.raise_for_status()
                answer = response.json()
                stage = "reading"
                reading.whole(answer)
            stage = "using"
            reading.use(case.task)
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            return Seen(reading, time.monotonic() - began, error, stage)
        return Seen(reading, time.monotonic() - began)

    def close(self) -> None:
        """Close what is open."""
        self._client.close()


def take_line(reading: Reading, line: str) -> bool:
    """One line of a stream; True if it was the last one that matters: `[DONE]`, or the terminal event."""
    if not line.startswith("data: "):
        return False
    data = line.removeprefix("data: ")
    if data == "[DONE]":
        return True
    reading.take(json.loads(data))
    return reading.over
