"""What the tests of responses and conversations share: lives that are set by hand, and strict validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pydantic
from openai.types.responses import Response, ResponseStreamEvent

from tests.mock_server.scripts import body_of
from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import healthy_answer
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Script, Send

Stage = Literal["queued", "running", "done", "cancelled"]
EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ResponseStreamEvent)
UNTYPED = {"store", "obfuscation"}
"""Fields of the wire that the SDK's types leave out."""


def no_extras(value: Any) -> None:
    """Fails if the SDK's types do not know a field."""
    for inner in value if isinstance(value, list) else [value]:
        if hasattr(inner, "model_extra"):
            assert set(inner.model_extra or ()) <= UNTYPED, inner.model_extra
            for name in type(inner).model_fields:
                no_extras(getattr(inner, name))


def valid_response(data: bytes) -> Response:
    """A response, validated strictly."""
    found = Response.model_validate_json(data, strict=True)
    no_extras(found)
    return found


def json_of(script: Script) -> Any:
    """A body in one piece."""
    return orjson.loads(body_of(script))


def events_of(script: Script) -> list[dict[str, Any]]:
    """The events of a stream, each validated strictly."""
    events = []
    for step in script.steps:
        for block in step.data.split(b"\n\n")[:-1] if isinstance(step, Send) else ():
            name, data = block.split(b"\ndata: ")
            event = orjson.loads(data)
            assert name == f"event: {event['type']}".encode()
            no_extras(EVENT.validate_python(event, strict=True))
            events.append(event)
    return events


@dataclass
class ManualHandle:
    """A life that goes as the test says: `stage` now, one token every second from t = 10 on."""

    now_at: Stage = "done"
    generated: int = 0
    begun: float = 10.0

    def stage(self, now: float) -> Stage:
        """See `WorkHandle.stage`."""
        return self.now_at

    def tokens(self, now: float) -> int:
        """See `WorkHandle.tokens`."""
        return self.generated

    def due(self, tokens: int) -> float:
        """See `WorkHandle.due`."""
        return math.inf if self.now_at == "queued" else self.begun + tokens

    def cancel(self, now: float) -> bool:
        """See `WorkHandle.cancel`."""
        before, self.now_at = self.now_at, "cancelled"
        return before in ("queued", "running")


class Api:
    """Requests that share a store, each a call of its own."""

    def __init__(self) -> None:
        self.store = Store()
        self.calls = 0

    def parsed(self, method: str, path: str, body: dict[str, Any] | None, key: str) -> Request:
        """A request as it is read."""
        data = b"" if body is None else orjson.dumps(body)
        return parse(method, path, {"authorization": f"Bearer {key}"}, data, region="local")

    def do(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        handle: ManualHandle | None = None,
        now: float = 20.0,
        key: str = "sk-one",
    ) -> Answer:
        """The answer, after its effect with a `life` (done, unless given)."""
        request = self.parsed(method, path, body, key)
        assert request.problem is None, json_of(request.problem)
        self.calls += 1
        world = World(
            seed=7, call_key=f"c{self.calls}", store=self.store, tokens=24, now=now, unix_t0=1_700_000_000
        )
        made = healthy_answer(request, world)
        if made.effect is not None:
            made.effect(handle or ManualHandle())
        return made

    def create(self, *, handle: ManualHandle | None = None, key: str = "sk-one", **body: Any) -> Any:
        """A response that is created: what its client gets."""
        made = self.do(
            "POST", "/v1/responses", {"model": "gpt-4.1", "input": "Speak.", **body}, handle=handle, key=key
        )
        if body.get("stream"):
            return events_of(made.script)
        return json_of(made.early or made.script)

    def get(self, path: str, *, now: float = 20.0, key: str = "sk-one") -> Any:
        """What is at a path."""
        return json_of(self.do("GET", path, now=now, key=key).script)


def refusal(api: Api, method: str, path: str, **settings: Any) -> tuple[int | None, str]:
    """Status and message of an error."""
    made = api.do(method, path, **settings)
    return made.script.status, json_of(made.script)["error"]["message"]
