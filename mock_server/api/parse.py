"""Parse the bytes of an HTTP request into a `Request`. Nothing raises: an error becomes its `problem`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, overload
from urllib.parse import parse_qsl

import orjson

from windtunnel.mock_server.api.azure.paths import translate
from windtunnel.mock_server.api.endpoint import Endpoint
from windtunnel.mock_server.api.errors import (
    ApiError,
    bad_json,
    invalid_type,
    method_not_allowed,
    missing_api_key,
    unknown_url,
)
from windtunnel.mock_server.api.foreign_fields import without_unknown
from windtunnel.mock_server.api.forms import BadFormError, read_form, without_boundary
from windtunnel.mock_server.api.headers import RequestStamp, answer_headers, request_stamp
from windtunnel.mock_server.api.json_body import TooDeepError, read_json
from windtunnel.mock_server.api.routes import RouteMatch, find
from windtunnel.mock_server.request import WORKING_APIS, AzureCall, FormPart, Request
from windtunnel.mock_server.script import End, Head, Script

HASHED_PER_STEP: Final = 4 * 2**20
"""Bytes that are hashed at once, in some milliseconds."""

_KEY_SALT: Final = b"windtunnel key"
_BODILESS: Final = ("HEAD", "OPTIONS")
_CORS: Final = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "*"),
    ("access-control-allow-methods", "GET, POST, DELETE, OPTIONS"),
)
MOST_HEADER_CHARS: Final = 256
"""Characters that are kept of a call id, a model's name, an idempotency key, a user agent."""

MOST_FAULT: Final = 4_096
"""Characters of `x-windtunnel-fault`."""

MOST_QUERY_FIELDS: Final = 100
"""Fields of a query that are read; further ones are ignored."""


def key_hash(key: str) -> str:
    """Return the name of an API key in rules and records: 16 hex digits of a salted hash, always the same."""
    return blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8, salt=_KEY_SALT).hexdigest()


def parse(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    unknown_fields: bool = False,
    unknown_ids: bool = False,
    body_hash: str | None = None,
    http2: bool = False,
) -> Request:
    """Read and check one request. `path` may carry a query; `headers` is case-insensitive, or lower-case.

    With `unknown_fields` those that the API does not have are taken and ignored, for tools that send another server's.
    With `unknown_ids` the request is marked so that ids which name nothing get an object that is made up.

    `body_hash` is what `hash_in_steps` gave for a long body. `http2`: the request is a stream of HTTP/2.

    Any key will do, but there must be one. A request that the API refuses has its error answer in
    `problem`; `model`, `stream` and the rest are then filled in as far as they could be read.
    """
    # Transports decode with surrogateescape. Records are UTF-8, so what cannot be encoded is replaced here, once.
    if not path.isascii():
        path = _readable(path)
    route, _, query = path.partition("?")
    fields = _query_fields(query) if query else {}
    azure = None
    if route.startswith("/openai/"):
        route, azure = translate(route, fields, headers.get("x-ms-client-request-id"))
    key = _key(headers, azure)
    found: RouteMatch | tuple[str, ...] = find(method, route)
    kind = headers.get("content-type") or ""
    if not kind.isascii():
        kind = kind.encode("ascii", "replace").decode()
    body_hash = body_hash or _hash_of(_hashed(kind, body) or route.encode()).hexdigest()
    # Azure answers 404 to a call without `api-version`, as if there were no such path.
    if azure is not None and azure.version is None:
        found = ()
    if isinstance(found, tuple):
        read = _Read(problem=_nowhere(method, route, found, key))
        if method in _BODILESS and read.problem is not None:
            read.answer = _bodiless(method, found, read.problem)
        return _request(headers, body_hash, region, key, read, azure=azure)
    deployment = azure.deployment if azure is not None and found.endpoint.api in WORKING_APIS else None
    read = (
        _read(found.endpoint, kind, body, deployment, unknown_fields)
        if key
        else _Read(problem=missing_api_key())
    )
    request = _request(headers, body_hash, region, key, read, found.endpoint, found.ids, fields, azure)
    return replace(request, unknown_ids=unknown_ids, http2=http2) if unknown_ids or http2 else request


def hash_in_steps(kind: str, body: bytes) -> Generator[None, None, str]:
    """Hash a long body in steps, as `parse` hashes any body at once; `kind` is its Content-Type."""
    hashed = _hashed(kind, body)
    yield
    begun = _hash_of(b"")
    for at in range(0, len(hashed), HASHED_PER_STEP):
        begun.update(memoryview(hashed)[at : at + HASHED_PER_STEP])
        yield
    return begun.hexdigest()


def _hashed(kind: str, body: bytes) -> bytes:
    """What tells a body from another: retries of a form must count as the same request, though the SDK draws a new
    boundary for each."""
    return without_boundary(kind if kind.isascii() else kind.encode("ascii", "replace").decode(), body)


def _hash_of(data: bytes) -> blake2b:
    return blake2b(data, digest_size=16)


def _nowhere(method: str, route: str, allowed: tuple[str, ...], key: str) -> ApiError:
    """Return the error of a request without an endpoint; without a key it is the missing key."""
    if not key:
        return missing_api_key()
    return method_not_allowed(", ".join(allowed)) if allowed else unknown_url(method, route)


def _bodiless(method: str, allowed: tuple[str, ...], problem: ApiError) -> Script:
    """Return the answer to HEAD, without the body that GET has, or to OPTIONS, which needs no key."""
    stamp = request_stamp(0, method)
    if method == "OPTIONS" and allowed:
        methods = ", ".join(("OPTIONS", *allowed))
        return Script((Head(200, (*answer_headers(stamp), ("allow", methods), *_CORS)), End()))
    status = 200 if problem.status == 405 and "GET" in allowed else problem.status
    return Script((Head(status, answer_headers(stamp)), End()))


def _query_fields(query: str) -> dict[str, str]:
    """Read a query: the last value of every field, all values of a list (`name[]=…`) joined by commas."""
    fields: dict[str, str] = {}
    for name, value in parse_qsl(query, True, max_num_fields=None)[:MOST_QUERY_FIELDS]:
        before = fields.get(name) if name.endswith("[]") else None
        fields[name] = value if before is None else f"{before},{value}"
    return fields


def _key(headers: Mapping[str, str], azure: AzureCall | None) -> str:
    authorization = headers.get("authorization") or ""
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return (headers.get("api-key") or "").strip() if azure is not None else ""


@dataclass(slots=True)
class _Read:
    """A body, as far as it could be read."""

    body: dict[str, Any] | None = None
    parts: Mapping[str, tuple[FormPart, ...]] | None = None
    prompt_tokens: int = 0
    problem: ApiError | None = None
    answer: Script | None = None

    def script(self, stamp: RequestStamp) -> Script | None:
        """Return the answer that reading has decided already: an error, or that to HEAD or OPTIONS."""
        if self.answer is not None or self.problem is None:
            return self.answer
        allow = self.problem.allow
        return self.problem.script(stamp, (("allow", allow),) if allow else ())


def _read(endpoint: Endpoint, kind: str, body: bytes, deployment: str | None, unknown_fields: bool) -> _Read:
    """Read and check the body that an endpoint takes; `kind` is its Content-Type.

    The `deployment` in one of Azure's paths is the model, whatever the body says, and need not stand there.
    """
    named = {"model": deployment} if deployment else {}
    if endpoint.form is not None and not (endpoint.check is not None and kind.startswith("application/json")):
        try:
            fields, parts = read_form(kind, body)
        except BadFormError as error:
            return _Read(problem=ApiError(400, f"We could not parse your request's form: {error}."))
        fields |= named
        return _checked(endpoint.form(fields, parts), _Read(fields, parts))
    if endpoint.check is None:
        return _Read()
    given: Any = {}
    if body or not endpoint.empty:
        try:
            given = read_json(body)
        except TooDeepError as error:
            return _Read(problem=ApiError(400, f"Your request's body is nested too deeply: {error}."))
        except orjson.JSONDecodeError:
            return _Read(problem=bad_json())
        if not isinstance(given, dict):
            return _Read(problem=invalid_type("body", "an object", given))
        given |= named
    checked = endpoint.check(given)
    if unknown_fields and isinstance(checked, ApiError):
        checked = without_unknown(given, endpoint.check, checked)
    return _checked(checked, _Read(given))


def _checked(checked: ApiError | int, read: _Read) -> _Read:
    if isinstance(checked, ApiError):
        read.problem = checked
    else:
        read.prompt_tokens = checked
    return read


def _request(
    headers: Mapping[str, str],
    body_hash: str,
    region: str,
    key: str,
    read: _Read,
    endpoint: Endpoint | None = None,
    ids: tuple[str, ...] = (),
    query: Mapping[str, str] | None = None,
    azure: AzureCall | None = None,
) -> Request:
    get = headers.get
    body = read.body or {}
    call_id = _shortened(get("x-windtunnel-call")) or None
    model: Any = (azure.deployment if azure is not None else None) or body.get("model")
    if endpoint is not None and endpoint.path == "/models/{model}":
        model = ids[0]
    limit = None
    if endpoint is not None and read.problem is None:
        for name in endpoint.limits:
            limit = limit or body.get(name)
    stream = body.get("stream") is True
    if endpoint is not None and endpoint.streams is not None:
        stream = endpoint.streams(body, query or {})
    answered = None if read.problem is None else read.script(request_stamp(0, f"{body_hash}/{call_id}"))
    return Request(
        api=endpoint.api if endpoint is not None else "models",
        model=_shortened(model) if isinstance(model, str) else "",
        region=region,
        stream=stream,
        key_hash=key_hash(key) if key else "",
        body_hash=body_hash,
        prompt_tokens=read.prompt_tokens,
        call_id=call_id,
        body=body,
        max_tokens=limit,
        step=_whole(get("x-windtunnel-step")),
        client_attempt=_whole(get("x-windtunnel-attempt")),
        sdk_retry_count=_whole(get("x-stainless-retry-count")),
        user_agent=_shortened(get("user-agent")),
        sdk_version=_shortened(get("x-stainless-package-version")),
        fault_header=_shortened(get("x-windtunnel-fault"), MOST_FAULT),
        problem=answered,
        endpoint=endpoint.name if endpoint is not None else "",
        ids=ids,
        query=query or {},
        parts=read.parts or {},
        idempotency_key=_shortened(get("idempotency-key")),
        azure=azure,
    )


def _readable(text: str) -> str:
    """Return text that can be encoded: what the transport could not decode is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@overload
def _shortened(text: str, most: int = ...) -> str: ...
@overload
def _shortened(text: str | None, most: int = ...) -> str | None: ...
def _shortened(text: str | None, most: int = MOST_HEADER_CHARS) -> str | None:
    """Shorten what a client sent to `most` characters: its beginning and a digest of it all."""
    if text is None or (len(text) <= most and text.isascii()):
        return text
    text = _readable(text)
    return (
        text
        if len(text) <= most
        else f"{text[: most - 33]}~{blake2b(text.encode(), digest_size=16).hexdigest()}"
    )


def _whole(text: str | None) -> int | None:
    """A header that should be a whole number; None if it is not one."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None
