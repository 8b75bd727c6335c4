"""Calls of every endpoint, drawn: bodies after the SDK's types, paths and queries with ids of objects that exist."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from tests.mock_server.hardening.sdk_params import FILES, LEAST, NAMES, PARAMS, STARTS
from tests.mock_server.hardening.typed_bodies import Bodies
from windtunnel.mock_server.api.endpoint import Endpoint
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.inprocess.inprocess import HangsForeverError, InProcess

ERROR_FIELDS = {"message", "type", "param", "code"}
QUERY = (
    "limit",
    "after",
    "before",
    "order",
    "purpose",
    "stream",
    "starting_after",
    "include[]",
    "model",
    "metadata[a]",
)
QUERY_VALUES = (
    "1",
    "0",
    "-1",
    "asc",
    "desc",
    "true",
    "x",
    "\x00",
    "é",
    "9" * 30,
    "vision",
    "message.output_text.logprobs",
)
FILE_FIELDS = ("file", "image", "mask", "data")
MOST_IDS = 200

PATIENCE = {"connect": 9.0, "read": 1e6, "write": 9.0, "pool": 9.0}

Call = tuple[str, httpx2.Request]
"""The name of an endpoint, and a request for it."""


class Calls:
    """Draws calls, and learns from the answers which objects there are."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.ids: list[str] = []

    def draw(self) -> Call:
        """A call of any endpoint, or of one that makes an object."""
        random = self._random
        name = random.choice(list(PARAMS if random.random() < 0.5 else ENDPOINTS))
        endpoint = ENDPOINTS[name]
        headers = {"authorization": "Bearer sk-test"}
        if random.random() < 0.05:
            headers["idempotency-key"] = random.choice("ab")
        url = f"http://mock/v1{self._path(endpoint)}{self._query()}"
        request = httpx2.Request(
            endpoint.method, url, headers=headers, extensions={"timeout": PATIENCE}, **self._body(endpoint)
        )
        request.headers.setdefault("content-type", "application/json")
        return name, request

    def learn(self, body: bytes) -> None:
        """Remember the ids in an answer."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        for entry in (found, *_listed(found)):
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                self.ids.append(entry["id"])
        del self.ids[:-MOST_IDS]

    def _path(self, endpoint: Endpoint) -> str:
        random = self._random
        fitting = [
            one for one in self.ids if one.startswith(STARTS.get(endpoint.name.partition(".")[0], "-"))
        ]
        path = endpoint.path
        while "{" in path:
            start, end = path.index("{"), path.index("}") + 1
            known = fitting if random.random() < 0.9 and path[:start].count("/") < 4 else self.ids
            path = path[:start] + quote(random.choice(known or ["x"]), safe="") + path[end:]
        return path

    def _query(self) -> str:
        random = self._random
        if random.random() < 0.7:
            return ""
        values = (*QUERY_VALUES, *self.ids[-5:])
        fields = [
            f"{random.choice(QUERY)}={quote(random.choice(values))}" for _ in range(random.randrange(1, 4))
        ]
        return f"?{'&'.join(fields)}"

    def _body(self, endpoint: Endpoint) -> dict[str, Any]:
        random = self._random
        if endpoint.name == "uploads.parts.create":
            return {"files": {"data": ("part", random.choice(FILES))}}
        if endpoint.name not in PARAMS:
            return {}
        bodies = Bodies(random, random.choice((0.0, 0.0, 0.0, 0.02, 0.2)), tuple(self.ids[-20:]))
        hint = random.choice(PARAMS[endpoint.name])
        body = bodies.fields(hint)
        for name, value in LEAST.get(endpoint.name, {}).items():
            if name not in body or random.random() < 0.8:
                body[name] = value
        if endpoint.form is not None and (endpoint.check is None or random.random() < 0.5):
            return self._form(body)
        return {"content": orjson.dumps(body)}

    def _form(self, body: dict[str, Any]) -> dict[str, Any]:
        random = self._random
        fields: dict[str, Any] = {}
        files: list[tuple[str, tuple[str, bytes]]] = []
        for name, value in body.items():
            if name in FILE_FIELDS:
                files.append((name, (random.choice(NAMES), random.choice(FILES))))
            elif isinstance(value, dict):
                fields |= {f"{name}[{key}]": _text(inner) for key, inner in value.items()}
            elif isinstance(value, list):
                fields[f"{name}[]"] = [_text(inner) for inner in value]
            else:
                fields[name] = _text(value)
        return {"data": fields, "files": files or {"other": ("a", b"x")}}


def in_process() -> InProcess:
    """A provider that answers in a few tokens."""
    return InProcess(Plan.model_validate({"provider": {"answer": {"tokens": 12}}}))


def ask(mock: InProcess, request: httpx2.Request) -> tuple[int, bytes]:
    """Status and body of the answer. A stream that never goes on (of a response that waits for nobody) ends there."""
    answer = mock.handle(request)
    body = bytearray()
    try:
        for piece in answer.iter_bytes():
            body += piece
    except HangsForeverError:
        pass
    return answer.status_code, bytes(body)


def proper(status: int, body: bytes) -> bool:
    """Is it an answer, or an error of the API in OpenAI's form?"""
    if status == 200:
        return True
    return 400 <= status < 500 and orjson.loads(body)["error"].keys() == ERROR_FIELDS


def _listed(found: Any) -> list[Any]:
    data = found.get("data") if isinstance(found, dict) else None
    return data if isinstance(data, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
