"""From the bytes of an HTTP request to a `Request`. Nothing raises: what is wrong becomes its `problem`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote

import orjson

from mock_server.api.chat_checks import check_chat
from mock_server.api.errors import (
    ApiError,
    bad_json,
    invalid_type,
    method_not_allowed,
    missing_api_key,
    unknown_url,
)
from mock_server.api.headers import request_stamp
from mock_server.api.input_checks import check_embeddings, check_responses
from mock_server.request import Api, Request

_KEY_SALT: Final = b"windtunnel key"
_MODEL_PREFIX: Final = "/v1/models/"
_RESPONSE_PREFIX: Final = "/v1/responses/"
_LIMITS: Final = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
    "embeddings": (),
}
_CHECKS: Final[dict[str, tuple[Api, Callable[[dict[str, Any]], ApiError | int]]]] = {
    "/v1/chat/completions": ("chat", check_chat),
    "/v1/responses": ("responses", check_responses),
    "/v1/embeddings": ("embeddings", check_embeddings),
}


def key_hash(key: str) -> str:
    """What stands for an API key in rules and records: 16 hex digits of a salted hash, always the same."""
    return blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8, salt=_KEY_SALT).hexdigest()


def parse(method: str, path: str, headers: Mapping[str, str], body: bytes, *, region: str) -> Request:
    """Reads and checks one request. `path` may carry a query; `headers` is case-insensitive, or lower-case.

    Any Bearer key will do, but there must be one. A request that the API refuses has its error answer in
    `problem`; `model`, `stream` and the rest are then filled in as far as they could be read.
    """
    route, _, _ = path.partition("?")
    found = _CHECKS.get(route)
    authorization = headers.get("authorization") or ""
    key = authorization[7:].strip() if authorization[:7].lower() == "bearer " else ""
    if found is None or method != "POST" or not key:
        return _without_body(method, route, headers, body, region, key)
    api, check = found
    read: Any
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _request(api, headers, body, region, key, {}, problem=bad_json())
    if not isinstance(read, dict):
        problem = invalid_type("body", "an object", read)
        return _request(api, headers, body, region, key, {}, problem=problem)
    checked = check(read)
    if isinstance(checked, ApiError):
        return _request(api, headers, body, region, key, read, problem=checked)
    limit = None
    for name in _LIMITS[api]:
        limit = limit or read.get(name)
    return _request(api, headers, body, region, key, read, prompt_tokens=checked, max_tokens=limit)


def _without_body(
    method: str, route: str, headers: Mapping[str, str], body: bytes, region: str, key: str
) -> Request:
    """A request for models, or one that is refused before its body is looked at."""
    api: Api = _CHECKS[route][0] if route in _CHECKS else "models"
    problem: ApiError | None = None
    model = ""
    allowed = "POST" if route in _CHECKS else "GET"
    if route.startswith(_MODEL_PREFIX) and len(route) > len(_MODEL_PREFIX):
        model = unquote(route[len(_MODEL_PREFIX) :])
    elif route.startswith(_RESPONSE_PREFIX):
        api, allowed = "responses", method
        problem = ApiError(404, f"Response with id '{route[len(_RESPONSE_PREFIX) :]}' not found.")
    elif route not in _CHECKS and route != "/v1/models":
        problem, allowed = unknown_url(method, route), method
    if not key:
        problem = missing_api_key()
    elif method != allowed:
        problem = method_not_allowed(allowed)
    return _request(api, headers, body or route.encode(), region, key, {}, model=model, problem=problem)


def _request(
    api: Api,
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    key: str,
    read: dict[str, Any],
    *,
    prompt_tokens: int = 0,
    max_tokens: int | None = None,
    model: str | None = None,
    problem: ApiError | None = None,
) -> Request:
    get = headers.get
    body_hash = blake2b(body, digest_size=16).hexdigest()
    call_id = get("x-windtunnel-call") or None
    if model is None:
        named = read.get("model")
        model = named if isinstance(named, str) else ""
    return Request(
        api=api,
        model=model,
        region=region,
        stream=read.get("stream") is True,
        key_hash=key_hash(key) if key else "",
        body_hash=body_hash,
        prompt_tokens=prompt_tokens,
        call_id=call_id,
        body=read,
        max_tokens=max_tokens,
        client_attempt=_whole(get("x-windtunnel-attempt")),
        sdk_retry_count=_whole(get("x-stainless-retry-count")),
        user_agent=get("user-agent"),
        sdk_version=get("x-stainless-package-version"),
        fault_header=get("x-windtunnel-fault"),
        problem=None if problem is None else problem.script(request_stamp(0, f"{body_hash}/{call_id}")),
    )


def _whole(text: str | None) -> int | None:
    """A header that should be a whole number; None if it is not one."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None
