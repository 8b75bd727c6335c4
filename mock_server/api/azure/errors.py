"""Azure's error bodies: a `code` that is a word or a number in quotes, and a message of its own.

What Azure passes through from the model behind it (most 400s) has OpenAI's form there as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.azure.filters import blame
from windtunnel.mock_server.request import Request

ACCESS_DENIED: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
    "an active subscription and use a correct regional API endpoint for your resource."
)
DEPLOYMENT_NOT_FOUND: Final = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
    "minutes, please wait a moment and try again."
)
FILTERED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
    "modify your prompt and retry. To learn more about our content filtering policies please read our "
    "documentation: https://go.microsoft.com/fwlink/?linkid=2198766"
)
RATE_LIMIT: Final = (
    "Requests to the {operation} Operation under Azure OpenAI API version {version} have exceeded {kind} rate "
    "limit of your current OpenAI S0 pricing tier. Please retry after {seconds} {unit}. Please go here: "
    "https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
)
_SUPPORT: Final = (
    "You can retry your request, or contact us through an Azure support request at: "
    "https://go.microsoft.com/fwlink/?linkid=2213926 if you keep seeing this error."
)
SERVER_ERROR: Final = f"The server had an error processing your request. Sorry about that! {_SUPPORT} (Please include the request ID {{ident}} in your email.)"  # fmt: skip  # noqa: E501 - the message is one line
OVERLOADED: Final = f"That model is currently overloaded with other requests. {_SUPPORT}"

_OPERATIONS: Final = {
    "chat": "ChatCompletions_Create",
    "completions": "Completions_Create",
    "embeddings": "Embeddings_Create",
    "responses": "Responses_Create",
    "images": "ImageGenerations_Create",
    "speech": "AudioSpeech_Create",
    "transcriptions": "AudioTranscriptions_Create",
}
_TRY_AGAIN: Final = re.compile(r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?([\d.]+)(ms|s)")


def azure_error(status: int, body: bytes, headers: Mapping[str, str], request: Request) -> tuple[int, bytes]:
    """An error of OpenAI's form as Azure sends it, with its status. A body of any other form stays as it is."""
    try:
        error = orjson.loads(body)["error"]
        message, kind, code = str(error["message"]), error["type"], error["code"]
    except (ValueError, KeyError, TypeError):
        return status, body
    if status == 401:
        return 401, _form("401", ACCESS_DENIED)
    if status == 404 and code == "model_not_found":
        return 404, _form("DeploymentNotFound", DEPLOYMENT_NOT_FOUND)
    if status == 405 or (status == 404 and message.startswith("Invalid URL")):
        return 404, _form("404", "Resource not found")
    if status == 408:
        return 408, _form("Timeout", "The operation was timeout.")
    if status == 429:
        return 429, _form("429", _limited("token" if kind == "tokens" else "call", message, headers, request))
    if status == 400 and code == "content_filter":
        return 400, content_filtered()
    if status in (500, 503) and isinstance(kind, str):
        ident = headers.get("x-request-id", "").removeprefix("req_")
        text = SERVER_ERROR.format(ident=ident) if status == 500 else OVERLOADED
        return status, orjson.dumps(
            {"error": {**error, "message": text, "type": "server_error", "code": None}}
        )
    return status, body


def content_filtered() -> bytes:
    """The 400 of a prompt that the content filter does not let through."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": blame(prompt=True)}
    error: dict[str, Any] = {"message": FILTERED, "type": None, "param": "prompt", "code": "content_filter"}
    return orjson.dumps({"error": {**error, "status": 400, "innererror": inner}})


def _form(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message}})


def _limited(kind: str, message: str, headers: Mapping[str, str], request: Request) -> str:
    seconds = _wait(message, headers)
    return RATE_LIMIT.format(
        operation=_OPERATIONS.get(request.api, _OPERATIONS["chat"]),
        version=request.azure.version if request.azure is not None else "",
        kind=kind,
        seconds=seconds,
        unit="second" if seconds == 1 else "seconds",
    )


def _wait(message: str, headers: Mapping[str, str]) -> int:
    """The promised wait in whole seconds: as the headers say, else as the message does, else a minute."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait) and wait >= 0:
            return math.ceil(wait)
    found = _TRY_AGAIN.search(message)
    if found is None:
        return 60
    hours, minutes, rest, unit_name = found.groups()
    wait = float(rest) * (0.001 if unit_name == "ms" else 1.0)
    return math.ceil(int(hours or 0) * 3600 + int(minutes or 0) * 60 + wait)
