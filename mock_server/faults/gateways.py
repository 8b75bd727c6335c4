"""Error statuses that something in front of the API sends: gateways, the edge network, Azure."""

from __future__ import annotations

import math
from typing import Annotated

import orjson
from pydantic import AfterValidator, Field, WithJsonSchema

from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.headers import JSON
from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import FaultContext, Stage, with_content_type
from windtunnel.mock_server.faults.error_answer import answer, error, status_kind
from windtunnel.mock_server.faults.pages import (
    CLOUDFLARE,
    cloudflare_page,
    edge_headers,
    gateway_page,
    ray_of,
)
from windtunnel.mock_server.faults.patience import SlotParams, head_with_first_byte, limited
from windtunnel.mock_server.faults.retry import RetryParams, told_wait
from windtunnel.mock_server.plan.units import Seconds, as_pydantic_error
from windtunnel.mock_server.request import WORKING_APIS
from windtunnel.mock_server.script import Script


def _edge_status(status: int) -> int:
    if status not in CLOUDFLARE:
        raise as_pydantic_error(PlanError("", str(status), f"one of {', '.join(map(str, CLOUDFLARE))}"))
    return status


EdgeStatus = Annotated[
    int, AfterValidator(_edge_status), WithJsonSchema({"type": "integer", "enum": list(CLOUDFLARE)})
]


class GatewayParams(RetryParams):
    """An error of a gateway."""

    html: bool = Field(default=False, description="An HTML page in place of JSON.")


class GatewayTimeoutParams(GatewayParams, SlotParams):
    """How long the gateway waits."""

    after: Seconds | None = Field(
        default=None,
        description="The 504 comes if there is no byte of the answer after this time, queueing included, and only "
        "then; left out: at once, in place of the answer.",
    )


class CloudflareParams(RetryParams):
    """An error page of the edge network."""

    status: EdgeStatus = Field(
        default=520, le=599, description="520 to 524, or 530. At most 599: the largest status."
    )


class AzureParams(RetryParams):
    """Azure OpenAI's rate limit."""

    seconds: Seconds = Field(default=6.0, description="The wait in the message, and in `retry-after`.")
    region: str = Field(default="East US", pattern=r"^[\x20-\x7e]+$", description="The header `x-ms-region`.")


def bad_gateway(script: Script, params: GatewayParams, ctx: FaultContext) -> Script:
    """502 of the edge: an integer code, keys in the order in which they were seen; or a page."""
    if params.html:
        return answer(502, gateway_page(502, "Bad Gateway"), edge_headers(ctx), params, ctx)
    body = orjson.dumps(
        {"error": {"code": 502, "message": "Bad gateway.", "param": None, "type": "cf_bad_gateway"}}
    )
    return answer(502, body, with_content_type(ctx.headers, JSON), params, ctx)


def gateway_timeout(script: Script, params: GatewayTimeoutParams, ctx: FaultContext) -> Script:
    """504 of a gateway that waited long enough; with `after` in place of an answer that is slower than that."""
    if params.html:
        given_up = answer(504, gateway_page(504, "Gateway Time-out"), edge_headers(ctx), params, ctx)
    else:
        given_up = error(ApiError(504, "Gateway timeout.", "server_error"), params, ctx)
    if params.after is None:
        return given_up
    held = head_with_first_byte(script)
    return limited(held, params.after, "first_byte", given_up.steps, "gateway_timeout", params.frees_slot)


def _stage_of_timeout(params: GatewayTimeoutParams) -> Stage:
    return "edge" if params.after is None else "answer"


def cloudflare(script: Script, params: CloudflareParams, ctx: FaultContext) -> Script:
    """A 52x or 530 page."""
    return answer(params.status, cloudflare_page(params.status, ray_of(ctx)), edge_headers(ctx), params, ctx)


def country_unsupported(script: Script, params: RetryParams, ctx: FaultContext) -> Script:
    """403, keys in the order in which they were seen."""
    body = orjson.dumps(
        {
            "error": {
                "code": "unsupported_country_region_territory",
                "message": "Country, region, or territory not supported",
                "param": None,
                "type": "request_forbidden",
            }
        }
    )
    return answer(403, body, with_content_type(ctx.headers, JSON), params, ctx)


_AZURE_VERSION = "2024-08-01-preview"
"""What the message names where the request is none of Azure's: the version that was seen."""

_AZURE_OPERATIONS = {
    "chat": "ChatCompletions_Create",
    "responses": "Responses_Create",
    "completions": "Completions_Create",
    "embeddings": "Embeddings_Create",
    "images": "ImageGenerations_Create",
    "speech": "Speech_Create",
    "transcriptions": "Transcriptions_Create",
}


def azure_rate_limit(script: Script, params: AzureParams, ctx: FaultContext) -> Script:
    """429 in Azure's form: a code that is a string of digits, no type, no param."""
    operation = _AZURE_OPERATIONS.get(ctx.api, _AZURE_OPERATIONS["chat"])
    seconds = math.ceil(told_wait(params, ctx, params.seconds))
    version = ctx.api_version or _AZURE_VERSION
    message = (
        f"Requests to the {operation} Operation under Azure OpenAI API version {version} "
        "have exceeded token rate limit of your current OpenAI S0 pricing tier. "
        f"Please retry after {seconds} seconds. "
        "Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default "
        "rate limit."
    )
    body = orjson.dumps({"error": {"code": "429", "message": message}})
    ray = ray_of(ctx)
    headers = [
        ("content-type", JSON),
        ("x-ms-region", params.region),
        ("apim-request-id", f"{ray[:8]}-{ray[8:12]}-4{ray[13:16]}-a{ray[1:4]}-{ray[:12]}"),
    ]
    if (params.retry_after, params.retry_after_ms, params.retry_after_date) == (None, None, None):
        headers.append(("retry-after", str(seconds)))
    return answer(429, body, tuple(headers), params, ctx)


KINDS = (
    status_kind(
        "bad_gateway",
        bad_gateway,
        "502 with an *integer* code in its JSON, or an HTML page. The edge could not reach the origin.",
        params=GatewayParams,
        example="with: {html: true, retry_after: soon}, rate: 0.1",
    ),
    status_kind(
        "gateway_timeout",
        gateway_timeout,
        "504, in OpenAI's form or as an HTML page. With `after` only where the answer is slower than that, and status "
        "and headers of one in time come with its first byte. The edge gave up waiting for the origin.",
        seen="U",
        params=GatewayTimeoutParams,
        example="with: {after: 30s, slot: held}",
        stage_of=_stage_of_timeout,
        layer="gateway",
    ),
    status_kind(
        "cloudflare",
        cloudflare,
        "520 to 524 or 530 with an HTML page and no header of the API. The edge cannot reach the origin.",
        seen="U",
        params=CloudflareParams,
        example="with: {status: 524}, rate: 0.05",
    ),
    status_kind(
        "country_unsupported",
        country_unsupported,
        "403, code `unsupported_country_region_territory`. The request came out of the wrong country.",
        example="match: {region: local}",
    ),
    status_kind(
        "azure_rate_limit",
        azure_rate_limit,
        '429 as Azure OpenAI words it: code `"429"`, no type, `x-ms-region` and `apim-request-id`; '
        '`retry_after: none` and `retry_after: "-1"` are both seen.',
        params=AzureParams,
        apis=WORKING_APIS,
        example="with: {seconds: 30s, retry_after: none}, rate: 0.2",
    ),
)
