"""Error statuses of the API itself, in place of the answer: at the edge, before limits and slots.

Bodies seen verbatim in public are kept to the letter; the others are the plainest body in OpenAI's form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Self

import orjson
from pydantic import Field, JsonValue, WithJsonSchema, model_validator

from windtunnel.mock_server.api import errors as api
from windtunnel.mock_server.api.errors import ApiError, error_body
from windtunnel.mock_server.api.headers import HTML, JSON, LimitLevel, limit_headers
from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import FaultContext, with_content_type
from windtunnel.mock_server.faults.error_answer import POSTS, answer, error, status_kind
from windtunnel.mock_server.faults.retry import RetryParams, replaced, told_wait
from windtunnel.mock_server.plan.model import raise_located
from windtunnel.mock_server.request import WORKING_APIS
from windtunnel.mock_server.script import Script

_NO_BODY = (204, 304)
_BEYOND = 1538
"""Tokens beyond the limit that the message of a request which is too large names, if the real one is not known."""

_WITH_CONTEXT = ("chat", "responses", "completions", "embeddings")


class RateLimitParams(RetryParams):
    """A rate limit in the provider's own words; the wait is (used + requested - limit) / (limit / 60)."""

    limit: int = Field(
        default=500,
        ge=1,
        le=1_000_000_000,
        description="The limit per minute that message and headers name; left out: the provider's own, if it has one."
        " At most 1,000,000,000: it only stands in texts.",
    )
    used: int = Field(
        default=500,
        ge=0,
        le=1_000_000_000,
        description="What the message says is used of it; left out: all of the provider's."
        " At most 1,000,000,000: it only stands in texts.",
    )
    requested: int = Field(
        default=1,
        ge=1,
        le=1_000_000_000,
        description="What the message says was asked for; left out: what the request asks for."
        " At most 1,000,000,000: it only stands in texts.",
    )


class TokenLimitParams(RateLimitParams):
    """The same for tokens."""

    limit: int = Field(
        default=30000,
        ge=1,
        le=1_000_000_000,
        description="The limit per minute that message and headers name; left out: the provider's own, if it has one."
        " At most 1,000,000,000: it only stands in texts.",
    )
    used: int = Field(
        default=18928,
        ge=0,
        le=1_000_000_000,
        description="What the message says is used of it; left out: all of the provider's."
        " At most 1,000,000,000: it only stands in texts.",
    )
    requested: int = Field(
        default=11159,
        ge=1,
        le=1_000_000_000,
        description="What the message says was asked for; left out: what the request asks for."
        " At most 1,000,000,000: it only stands in texts.",
    )


class TooLargeParams(RetryParams):
    """A request larger than the whole limit."""

    limit: int = Field(
        default=30000,
        ge=1,
        le=1_000_000_000,
        description="The limit per minute that message and headers name; left out: the provider's own, if it has one."
        " At most 1,000,000,000: it only stands in a text.",
    )
    requested: int = Field(
        default=31538,
        ge=1,
        le=1_000_000_000,
        description="What the message says was asked for; left out: what the request asks for, if that is too large."
        " At most 1,000,000,000: it only stands in a text.",
    )


class ContextLengthParams(RetryParams):
    """Messages longer than the model's context."""

    limit: int = Field(
        default=8192,
        ge=1,
        le=1_000_000_000,
        description="The context length that the message names."
        " At most 1,000,000,000: it only stands in a text.",
    )
    requested: int = Field(
        default=10240,
        ge=1,
        le=1_000_000_000,
        description="The length of the messages that it names."
        " At most 1,000,000,000: it only stands in a text.",
    )


class StatusParams(RetryParams):
    """Any other status."""

    status: int = Field(ge=200, le=599, description="The status. At most 599: the largest status.")
    body: Annotated[JsonValue, WithJsonSchema({})] = Field(
        default=None,
        description="The body: text as it is, anything else as JSON; left out: an error in OpenAI's form.",
    )

    @model_validator(mode="after")
    def _bodiless(self) -> Self:
        if self.status in _NO_BODY and self.body not in (None, ""):
            problem = PlanError("", f"a body with status {self.status}", "no body: this status has none")
            raise_located("Status", [(("body",), problem)])
        return self


def rate_limit_requests(script: Script, params: RateLimitParams, ctx: FaultContext) -> Script:
    """429 of the limit of requests per minute."""
    return _rate_limit("requests", params, ctx)


def rate_limit_tokens(script: Script, params: TokenLimitParams, ctx: FaultContext) -> Script:
    """429 of the limit of tokens per minute."""
    return _rate_limit("tokens", params, ctx)


def _rate_limit(kind: str, params: RateLimitParams, ctx: FaultContext) -> Script:
    """The 429 of a limit that is used up: the provider's own one, unless the parameters name another."""
    requests = kind == "requests"
    level = ctx.limits[0 if requests else 1]
    given = params.model_fields_set
    limit, used, requested = params.limit, params.used, params.requested
    if "limit" in given or level is not None:
        limit = params.limit if "limit" in given or level is None else level.limit
        used = params.used if "used" in given else limit
        if "requested" not in given:
            requested = 1 if requests else ctx.tokens or params.requested
    wait = told_wait(params, ctx, max(0.0, (used + requested - limit) / (limit / 60)))
    what = api.rate_limit(kind, model=ctx.model, limit=limit, used=used, requested=requested, wait_s=wait)
    # A bucket without anything in it is full again after the minute that its size is given for.
    return error(what, params, _stating(ctx, kind, LimitLevel(limit, 0, 60.0)), wait)


def request_too_large(script: Script, params: TooLargeParams, ctx: FaultContext) -> Script:
    """429 that no waiting cures: nothing need be used up, the request alone is beyond the provider's limit."""
    level = ctx.limits[1]
    given = params.model_fields_set
    limit, requested = params.limit, params.requested
    if level is not None and "limit" not in given:
        limit = level.limit
    if ("requested" not in given and requested <= limit) or (level is not None and not given):
        requested = ctx.tokens if ctx.tokens > limit else limit + _BEYOND
    what = api.request_too_large(model=ctx.model, limit=limit, requested=requested)
    if level is None or level.limit != limit:
        level = LimitLevel(limit, limit, 0.0)
    return error(what, params, _stating(ctx, "tokens", level))


def _stating(ctx: FaultContext, kind: str, level: LimitLevel) -> FaultContext:
    """Return the context with headers that state this level, in place of what they say of that limit."""
    if not ctx.states_limits:
        return ctx
    stated = limit_headers(requests=level) if kind == "requests" else limit_headers(tokens=level)
    return replace(ctx, headers=replaced(ctx.headers, stated))


def overloaded_legacy(script: Script, params: RetryParams, ctx: FaultContext) -> Script:
    """503 as it was, with the request's id in the message."""
    request_id = dict(ctx.headers).get("x-request-id", "").removeprefix("req_")
    what = api.overloaded_legacy()
    message = f"{what.message} (Please include the request ID {request_id} in your message.)"
    return error(replace(what, message=message), params, ctx)


def model_not_found(script: Script, params: RetryParams, ctx: FaultContext) -> Script:
    """404 for the model of the request."""
    return error(api.model_not_found(ctx.model), params, ctx)


def context_length_exceeded(script: Script, params: ContextLengthParams, ctx: FaultContext) -> Script:
    """400 for a prompt that is too long."""
    what = api.context_length_exceeded(limit=params.limit, requested=params.requested)
    if ctx.api != "chat":
        what = replace(what, param="prompt" if ctx.api == "completions" else "input")
    return error(what, params, ctx)


def any_status(script: Script, params: StatusParams, ctx: FaultContext) -> Script:
    """Any status, with a body and headers of one's own."""
    if params.status in _NO_BODY:
        return answer(params.status, b"", ctx.headers, params, ctx)
    if params.body is None:
        message = f"The mock server was asked for status {params.status}."
        body, content_type = error_body(params.status, message, None, None, None), JSON
    elif isinstance(params.body, str):
        body, content_type = params.body.encode(), _text_type(params.body)
    else:
        body, content_type = orjson.dumps(params.body), JSON
    return answer(params.status, body, with_content_type(ctx.headers, content_type), params, ctx)


def _text_type(text: str) -> str:
    start = text.lstrip()[:1]
    return JSON if start in ("{", "[") else HTML if start == "<" else "text/plain; charset=utf-8"


def _plain(status: int, message: str, code: str | None = None) -> ApiError:
    return ApiError(status, message, "invalid_request_error", None, code)


KINDS = (
    status_kind(
        "rate_limit_requests",
        rate_limit_requests,
        "429, code `rate_limit_exceeded`, type `requests`, the wait in the message, `retry-after-ms` and "
        "`retry-after`. More requests per minute than the key has.",
        params=RateLimitParams,
        apis=WORKING_APIS,
        example="with: {retry_after: 2s}, burst: {every: 60s, for: 10s}",
    ),
    status_kind(
        "rate_limit_tokens",
        rate_limit_tokens,
        "429, code `rate_limit_exceeded`, type `tokens`, the wait in the message, `retry-after-ms` and "
        "`retry-after`. More tokens per minute than the key has.",
        params=TokenLimitParams,
        apis=WORKING_APIS,
        example="with: {limit: 60000, used: 59000, requested: 2500}, rate: 0.2",
    ),
    status_kind(
        "request_too_large",
        request_too_large,
        "429, type `tokens`: the request alone is larger than the limit. Retrying can never help.",
        params=TooLargeParams,
        apis=WORKING_APIS,
        example='match: {model: "gpt-4*"}, every: 50',
    ),
    status_kind(
        "insufficient_quota",
        api.insufficient_quota(),
        "429, type and code `insufficient_quota`. The account has no credit left; SDKs retry all the same.",
        example='match: {model: "gpt-4*"}',
    ),
    status_kind(
        "slow_down",
        api.slow_down(),
        "429, type `rate_limit_error`, code `slow_down`. Traffic grows too fast, inside the limits.",
        seen="U",
        apis=WORKING_APIS,
        example='with: {retry_after: "0"}, ramp: {from: 0, to: 0.5, over: 60s}',
    ),
    status_kind(
        "overloaded",
        api.overloaded(),
        "503, type `service_unavailable_error`, code `server_is_overloaded`, no Retry-After. No room.",
        example="first: 2",
    ),
    status_kind(
        "overloaded_legacy",
        overloaded_legacy,
        "503, type `server_error`, code null: the overload's older form, with the request id in the message.",
        example="with: {should_retry: false}, rate: 0.1",
    ),
    status_kind(
        "server_error",
        api.server_error(),
        "500, type `server_error`. Something broke inside the provider.",
        example="with: {retry_after_ms: 150ms}, rate: 0.05",
    ),
    status_kind(
        "invalid_api_key",
        api.invalid_api_key(),
        "401, code `invalid_api_key`. A revoked or mistyped key.",
        example="match: {region: local}",
    ),
    status_kind(
        "ip_not_authorized",
        _plain(401, "Your IP address is not authorized to access this resource.", "ip_not_authorized"),
        "401, code `ip_not_authorized`. The project has an allow-list and the caller is not on it.",
        seen="U",
        example="match: {attempt: 0}",
    ),
    status_kind(
        "model_not_found",
        model_not_found,
        "404, code `model_not_found`. A retired model, or one that the key may not use.",
        seen="U",
        example='match: {model: "gpt-4-*"}',
    ),
    status_kind(
        "conflict",
        _plain(409, "The request conflicts with another request. Please try again."),
        "409: two requests that change the same thing got in each other's way. SDKs retry it.",
        seen="U",
        example='with: {retry_after: "-1"}, first: 1',
    ),
    status_kind(
        "request_timeout",
        _plain(408, "The request timed out. Please try again."),
        "408: the server did not get the whole request in time. A slow upload, a starved link. SDKs retry it.",
        seen="U",
        example='with: {retry_after: "999999"}, first: 1',
    ),
    status_kind(
        "payload_too_large",
        _plain(413, "The request is too large."),
        "413: the body is larger than the server takes. A file or a conversation that grew.",
        seen="U",
        apis=POSTS,
        example="match: {api: files}",
    ),
    status_kind(
        "unprocessable",
        _plain(422, "The request could not be processed."),
        "422: well-formed, and refused by a check further in. A value that one model takes and another does not.",
        seen="U",
        apis=POSTS,
        example="with: {should_retry: true}, rate: 0.02",
    ),
    status_kind(
        "context_length_exceeded",
        context_length_exceeded,
        "400, code `context_length_exceeded`. A conversation that grew too long.",
        params=ContextLengthParams,
        apis=_WITH_CONTEXT,
        example="with: {limit: 128000, requested: 131072}, rate: 0.02",
    ),
    status_kind(
        "status",
        any_status,
        "Any other status, with a body and headers of your own.",
        seen="U",
        params=StatusParams,
        example='with: {status: 418, body: {detail: short and stout}, headers: {x-kettle: "yes"}}, rate: 0.01',
    ),
)
