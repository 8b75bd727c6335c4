"""The real SDK, sync and async, on one engine in virtual time; and strict validation by the SDK's own types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx2
import openai
import orjson
import pydantic

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

_M = TypeVar("_M", bound=pydantic.BaseModel)


def in_process(*rules: dict[str, Any], **provider: Any) -> InProcess:
    """An engine with short answers."""
    answers = {"first_token": "100ms", "tokens": 12, "tokens_per_second": 100.0}
    return InProcess(Plan.model_validate({"provider": {"answer": answers, **provider}, "rules": list(rules)}))


@contextmanager
def sdk(mock: InProcess, key: str = "sk-test") -> Iterator[openai.OpenAI]:
    """The SDK's client, without retries."""
    http = httpx2.Client(transport=httpx2.MockTransport(mock.handle))
    with openai.OpenAI(
        api_key=key, base_url="http://mock.test/v1", http_client=http, max_retries=0
    ) as client:
        yield client


@asynccontextmanager
async def async_sdk(mock: InProcess) -> Any:
    """The SDK's async client, without retries."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(mock.handle))
    async with openai.AsyncOpenAI(
        api_key="sk-test", base_url="http://mock.test/v1", http_client=http, max_retries=0
    ) as client:
        yield client


def strict(model: type[_M], value: Any) -> _M:
    """`value` (bytes or text of JSON, or an object of the SDK) as the SDK's type, without any leniency.

    Raises a ValidationError where a type or a literal is not exactly right.
    """
    if isinstance(value, pydantic.BaseModel):
        value = orjson.dumps(value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    found = model.model_validate_json(value, strict=True)
    assert no_extras(found) == [], f"{model.__name__} has no such fields"
    return found


def no_extras(value: Any, at: str = "") -> list[str]:
    """The fields, anywhere in a value, that the SDK's types do not have."""
    if isinstance(value, pydantic.BaseModel):
        found = [f"{at}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += no_extras(getattr(value, name), f"{at}.{name}")
        return found
    if isinstance(value, list):
        return [name for entry in value for name in no_extras(entry, f"{at}[]")]
    return []


def form(path: str, fields: dict[str, Any], **files: tuple[str, bytes]) -> Request:
    """A multipart request as httpx2 writes it."""
    sent = httpx2.Request(
        "POST",
        f"http://mock.test{path}",
        data=fields,
        files=files or None,
        headers={"authorization": "Bearer sk-test"},
    )
    return parse("POST", path, sent.headers, sent.read(), region="local")


def post(path: str, **body: Any) -> Request:
    """A request with a JSON body."""
    return parse("POST", path, {"authorization": "Bearer sk-test"}, orjson.dumps(body), region="local")


def refusal(request: Request) -> tuple[int | None, dict[str, Any]]:
    """Status and error of a request that was refused when it was read."""
    assert request.problem is not None
    sends = b"".join([getattr(step, "data", b"") for step in request.problem.steps])
    return request.problem.status, orjson.loads(sends)["error"]
