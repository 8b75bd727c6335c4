"""How a stream ends: cut, without its end, never closed, with an error or another verdict than `completed`.

`after_chunks` counts chunks that carry content. An answer with fewer of them is hit after its last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import BOTH_FORMS, FaultContext, FaultKind, Form, Layer, Params
from windtunnel.mock_server.faults.error_events import RESPONSES, ErrorEventParams, error_event
from windtunnel.mock_server.faults.patience import SlotParams, limited
from windtunnel.mock_server.faults.response_status import failed, incomplete
from windtunnel.mock_server.faults.script_edits import after_chunks, first_send
from windtunnel.mock_server.faults.streams import PositionParams
from windtunnel.mock_server.plan.model import raise_located
from windtunnel.mock_server.plan.units import Seconds, SecondsOrForever
from windtunnel.mock_server.request import STREAMING_APIS
from windtunnel.mock_server.script import Close, End, Script, Send, Wait


class TimedCutParams(PositionParams, SlotParams):
    """Where, or when, the stream is cut."""

    after: Seconds | None = Field(
        default=None,
        description="In place of `after_chunks`: after this time, queueing included, if the stream goes on longer.",
    )
    silence: Seconds | None = Field(
        default=None, description="In place of `after_chunks`: once no byte has come for this long."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("after_chunks", "after", "silence") if name in self.model_fields_set]
        if len(given) > 1:
            problem = PlanError(
                "", f"`{given[0]}` and `{given[1]}`", "one of after_chunks, after and silence"
            )
            raise_located("Cut", [((given[1],), problem)])
        return self


class EarlyEndParams(Params):
    """Where a stream ends as if it were complete."""

    after_chunks: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="After this many chunks of content; left out: after the last one."
        " At most 1,000,000: no answer has more.",
    )


class OpenEndParams(Params):
    """How long the connection stays."""

    seconds: SecondsOrForever = Field(
        default=math.inf,
        description="How long until the stream ends properly; `forever` until the client leaves.",
    )


class FailedParams(PositionParams):
    """Why a response failed, and where."""

    code: str = Field(
        default="server_error",
        min_length=1,
        description="`response.error.code`: `server_error`, `rate_limit_exceeded`, `invalid_prompt`, …",
    )
    message: str | None = Field(
        default=None, description="`response.error.message`; left out: one that goes with the code."
    )


class IncompleteParams(PositionParams):
    """Why a response is incomplete, and where it stops."""

    reason: Literal["max_output_tokens", "content_filter"] = Field(
        default="max_output_tokens", description="`incomplete_details.reason`."
    )


def cut(script: Script, params: TimedCutParams, ctx: FaultContext) -> Script:
    """The connection ends inside the chunked body."""
    if params.after is not None:
        return limited(script, params.after, "whole", (Close(),), "cut", params.frees_slot)
    if params.silence is not None:
        return limited(script, params.silence, "silence", (Close(),), "cut", params.frees_slot)
    before, _ = after_chunks(script, params.after_chunks)
    return Script((*before, Close()))


def _layer_of_cut(params: TimedCutParams) -> Layer:
    return "ending" if params.after is None and params.silence is None else "gateway"


def eof_without_done(script: Script, params: EarlyEndParams, ctx: FaultContext) -> Script:
    """The stream ends properly, without finish_reason and `[DONE]` (or without the terminal event)."""
    chunks = sum(isinstance(step, Send) and step.role == "content" for step in script.steps)
    wanted = chunks if params.after_chunks is None else params.after_chunks
    before, _ = after_chunks(script, wanted) if chunks else (script.steps[: first_send(script.steps)], ())
    return Script((*before, End()))


def open_after_done(script: Script, params: OpenEndParams, ctx: FaultContext) -> Script:
    """All of the stream, and then nothing: neither the last chunk of HTTP nor the end of the connection."""
    *steps, last = script.steps
    if not isinstance(last, End):
        return script
    wait = Wait(params.seconds)
    return Script((*steps, wait) if math.isinf(params.seconds) else (*steps, wait, last))


def response_failed(script: Script, params: FailedParams, ctx: FaultContext) -> Script:
    """A response whose status is `failed`: as the last event, or as the whole answer."""
    return failed(script, params.after_chunks, params.code, params.message)


def response_incomplete(script: Script, params: IncompleteParams, ctx: FaultContext) -> Script:
    """A response whose status is `incomplete`: as the last event, or as the whole answer."""
    return incomplete(script, params.after_chunks, params.reason)


def _kind(
    name: str,
    params: type[Params],
    apply: Callable[[Script, Any, FaultContext], Script],
    example: str,
    about: str,
    *,
    seen: Literal["V", "U"] | None = None,
    apis: tuple[str, ...] = STREAMING_APIS,
    forms: tuple[Form, ...] = ("streamed",),
    layer_of: Callable[[Any], Layer] | None = None,
) -> FaultKind:
    return FaultKind(
        name=name,
        family="stream",
        stage="answer",
        layer="ending",
        params=params,
        apply=apply,
        seen=seen,
        apis=apis,
        forms=forms,
        layer_of=layer_of,
        example=example,
        about=about,
    )


KINDS = (
    _kind(
        "cut",
        TimedCutParams,
        cut,
        "{fault: cut, with: {silence: 60s, slot: freed}}",
        "The connection ends (FIN) inside the chunked body: after some chunks, after a time, or after a silence. A "
        "proxy restarts in mid-stream, or waits no longer.",
        layer_of=_layer_of_cut,
    ),
    _kind(
        "eof_without_done",
        EarlyEndParams,
        eof_without_done,
        "{fault: eof_without_done, with: {after_chunks: 5}, rate: 0.02}",
        "A clean end of the stream without finish_reason and `[DONE]` (Responses: without the terminal event). "
        "Several SDKs take it for success. A worker that was stopped behind a gateway that closes politely.",
    ),
    _kind(
        "open_after_done",
        OpenEndParams,
        open_after_done,
        "{fault: open_after_done, rate: 0.1}",
        "The whole stream with its `[DONE]` or terminal event, and then neither the last chunk of HTTP nor the end "
        "of the connection. A gateway that keeps the connection to itself; who reads to the end of the body hangs.",
    ),
    _kind(
        "error_event",
        ErrorEventParams,
        error_event,
        "{fault: error_event, with: {after_chunks: 2}, rate: 0.05}",
        'An error as an event in a stream that began with 200: for chat `data: {"error": …}`, then `[DONE]`; for '
        "Responses `event: error` with the error inside, then `response.failed`, both numbered; for images and audio "
        "`event: error` with the error inside. With `response_failed` beside it, that one's code and message "
        "stand in the `response.failed`. The model's worker failed after the first token.",
        seen="V",
    ),
    _kind(
        "response_failed",
        FailedParams,
        response_failed,
        "{fault: response_failed, with: {code: rate_limit_exceeded, after_chunks: 2}, rate: 0.05}",
        "A stream ends with `response.failed`: `status: failed`, `error.code`, no output. Not streamed, the response "
        "says so with status 200; of what is `stored`, only responses do. Behind an `error` event (`error_event`) it "
        "follows that. An error after the first token, or of a response in the background.",
        seen="U",
        apis=RESPONSES,
        forms=BOTH_FORMS,
    ),
    _kind(
        "response_incomplete",
        IncompleteParams,
        response_incomplete,
        "{fault: response_incomplete, with: {reason: content_filter, after_chunks: 4}, rate: 0.02}",
        "A stream stops, closes what is open with the text so far and ends with `response.incomplete`. Not streamed, "
        "the response has half of its text and says so; of what is `stored`, only responses do. A limit on the "
        "output, or a filter that stepped in.",
        seen="U",
        apis=RESPONSES,
        forms=BOTH_FORMS,
    ),
)
