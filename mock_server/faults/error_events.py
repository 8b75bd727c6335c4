"""An error as an event of a stream whose status was 200, in the form that each API gives it.

    chat, completions    data: {"error": {…}}, then [DONE]
    responses            event: error with {"type": "error", "sequence_number": n, "error": {…}}, then response.failed
    images, audio        event: error with {"type": "error", "error": {…}}

On the wire of Responses the error was seen inside the event, as above. The API's reference documents a flat event
(`code`, `message` and `param` beside `type`) and no `response.failed`: `form: flat` sends that one. SDKs raise on the
first, and hand on the second as an event among others.
"""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import Field

from windtunnel.mock_server.api.errors import SERVER_ERROR_MESSAGE
from windtunnel.mock_server.faults.base import FaultContext
from windtunnel.mock_server.faults.response_status import MESSAGES, errored
from windtunnel.mock_server.faults.script_edits import after_chunks, is_event_stream
from windtunnel.mock_server.faults.streams import PositionParams
from windtunnel.mock_server.script import End, Script, Send
from windtunnel.mock_server.sse import DONE, write_event

RESPONSES = ("responses", "stored")
"""APIs whose streams consist of a response's numbered events; `stored` where one is resumed."""

SERVER_ERROR = "server_error"

TYPES = {
    "rate_limit_exceeded": "tokens",
    "insufficient_quota": "insufficient_quota",
    "slow_down": "rate_limit_error",
    "server_is_overloaded": "service_unavailable_error",
    "context_length_exceeded": "invalid_request_error",
    "invalid_prompt": "invalid_request_error",
}
"""The type of an error that has this code; of any other, `server_error`. The first was seen on the wire."""

_APIS_WITH_DONE = ("chat", "completions")


class ErrorEventParams(PositionParams):
    """What the error says, where it comes, and in which form."""

    message: str | None = Field(
        default=None, description="The error's message; left out: one that goes with the code."
    )
    code: str | None = Field(
        default=None, description="The error's code; left out: null, for Responses `server_error`."
    )
    type: str | None = Field(
        default=None, description="The error's type; left out: one that goes with the code."
    )
    param: str | None = Field(default=None, description="The error's param; left out: null.")
    form: Literal["nested", "flat"] = Field(
        default="nested",
        description="Responses only: the error inside the event, as seen on the wire, or its fields beside the "
        "event's type, as documented.",
    )
    then_failed: bool | None = Field(
        default=None,
        description="Responses only: whether `response.failed` follows; left out: after the nested form alone.",
    )


def error_event(script: Script, params: ErrorEventParams, ctx: FaultContext) -> Script:
    """An error as an event of a stream whose status was 200, and the end of that stream."""
    if not is_event_stream(script):
        return script
    if ctx.api in RESPONSES:
        return _in_a_response(script, params)
    before, _ = after_chunks(script, params.after_chunks)
    error = _error(params, params.code)
    if ctx.api in _APIS_WITH_DONE:
        event = write_event(orjson.dumps({"error": error}))
        return Script((*before, Send(event), Send(DONE, role="terminal"), End()))
    event = write_event(orjson.dumps({"type": "error", "error": error}), b"error")
    return Script((*before, Send(event, role="terminal"), End()))


def _in_a_response(script: Script, params: ErrorEventParams) -> Script:
    code = params.code or SERVER_ERROR
    error = _error(params, code)
    nested = params.form == "nested"
    event: dict[str, Any]
    if nested:
        event = {"type": "error", "error": error}
    else:
        event = {"type": "error", "code": code, "message": error["message"], "param": params.param}
    then_failed = nested if params.then_failed is None else params.then_failed
    return errored(script, params.after_chunks, event, (code, error["message"]) if then_failed else None)


def _error(params: ErrorEventParams, code: str | None) -> dict[str, Any]:
    message = params.message
    if message is None:
        message = SERVER_ERROR_MESSAGE if code in (None, SERVER_ERROR) else MESSAGES.get(code or "", "")
    kind = params.type if params.type is not None else TYPES.get(code or "", SERVER_ERROR)
    return {
        "message": message or SERVER_ERROR_MESSAGE,
        "type": kind,
        "param": params.param,
        "code": code,
    }
