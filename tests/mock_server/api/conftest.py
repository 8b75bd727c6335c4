"""What the tests of the API share: asking for answers as bytes, and the real SDK on a transport without I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import orjson
import pytest

from tests.mock_server.scripts import body_of
from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import healthy_answer
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import FirstToken, Head, Script, Send, Tokens

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "embeddings": "/v1/embeddings"}
HEADERS = {"authorization": "Bearer sk-test"}


class Wire:
    """What goes in and what comes out of the API, without a transport."""

    @staticmethod
    def ask(api: str, **body: Any) -> Request:
        """A request with the smallest valid body, changed by `body` (None takes a field away)."""
        smallest: dict[str, dict[str, Any]] = {
            "chat": {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Speak."}]},
            "responses": {"model": "gpt-4.1-mini", "input": "Speak."},
            "embeddings": {"model": "text-embedding-3-small", "input": "Speak."},
        }
        given = {name: value for name, value in {**smallest[api], **body}.items() if value is not None}
        return parse("POST", PATHS[api], HEADERS, orjson.dumps(given), region="local")

    @staticmethod
    def get(path: str, method: str = "GET") -> Request:
        """A request without a body."""
        return parse(method, path, HEADERS, b"", region="local")

    @staticmethod
    def dumps(value: Any) -> bytes:
        """JSON of a value."""
        return orjson.dumps(value)

    @staticmethod
    def reply(request: Request, **settings: Any) -> Answer:
        """The answer with everyday settings, changed by `settings`."""
        assert request.problem is None, Wire.bytes(request.problem)
        usual: dict[str, Any] = {
            "seed": 7,
            "call_key": "c1",
            "tokens": 30,
            "tokens_per_chunk": 4,
            "tool_calls": "forced",
            "unix_t0": 1_700_000_000,
            "store": Store(),
        }
        world = World(**{**usual, **settings})

        def line(creation: Request, url: str, body: dict[str, Any], call_id: str) -> Script:
            """The healthy answer to a line of a batch, in place of the engine's."""
            read = parse("POST", url, HEADERS, orjson.dumps(body), region=creation.region)
            return read.problem or healthy_answer(read, replace(world, call_key=call_id, attempt=0)).script

        return healthy_answer(request, replace(world, line=line))

    @staticmethod
    def bytes(script: Script) -> bytes:
        """All the bytes of the body."""
        return body_of(script)

    @staticmethod
    def json(script: Script) -> Any:
        """The body as JSON."""
        return orjson.loads(Wire.bytes(script))

    @staticmethod
    def work(script: Script) -> int:
        """All the tokens of work that a script waits for."""
        steps = [step for step in script.steps if isinstance(step, (FirstToken, Tokens))]
        return sum(step.n if isinstance(step, Tokens) else 1 for step in steps)

    @staticmethod
    def events(script: Script) -> list[tuple[str | None, Any]]:
        """The server-sent events of a stream as (event name, data); `[DONE]` stays a string."""
        events: list[tuple[str | None, Any]] = []
        for block in Wire.bytes(script).decode().removesuffix("\n\n").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = fields["data"]
            events.append((fields.get("event"), data if data == "[DONE]" else orjson.loads(data)))
        return events


@pytest.fixture(scope="session")
def wire() -> type[Wire]:
    """Requests and answers as bytes."""
    return Wire


@pytest.fixture
def answers() -> list[Answer]:
    """The answers that the `client` was given, in order."""
    return []


@pytest.fixture
def client(answers: list[Answer]) -> Iterator[openai.OpenAI]:
    """The real SDK; what it sends is parsed and answered in memory."""

    def handle(sent: httpx2.Request) -> httpx2.Response:
        path = sent.url.raw_path.decode("ascii")
        request = parse(sent.method, path, sent.headers, sent.content, region="local")
        script = request.problem
        if script is None:
            found = Wire.reply(request, call_key=f"c{len(answers)}", tool_calls="offered")
            answers.append(found)
            script = found.script
        head = next(step for step in script.steps if isinstance(step, Head))
        sends = [step.data for step in script.steps if isinstance(step, Send)]
        return httpx2.Response(head.status, headers=list(head.headers), content=iter(sends))

    http = httpx2.Client(transport=httpx2.MockTransport(handle))
    with openai.OpenAI(
        api_key="sk-test", base_url="http://mock.test/v1", http_client=http, max_retries=0
    ) as made:
        yield made
