"""What happens to an answer while it runs: late, silent, cut, ended without an end, an error in its middle.

`after_chunks` counts chunks that carry content. An answer with fewer of them is hit after its last one. A
wait is time on the wire: it adds time and no content, and holds no slot unless the rule says so.
"""

from __future__ import annotations

import math
import re
from typing import Self

import orjson
from pydantic import Field, model_validator

from mock_server.api.errors import SERVER_ERROR_MESSAGE
from mock_server.errors import PlanError
from mock_server.faults.base import STREAMING_APIS, FaultContext, FaultKind, Params
from mock_server.faults.surgery import Steps, after_bytes, after_chunks, body_of, first_send, promised
from mock_server.script import FOREVER, Close, End, FirstToken, Script, Send, Wait
from mock_server.strict import raise_located
from mock_server.units import PositiveSeconds, Seconds, SecondsOrForever

PING = b": ping\n\n"
MOST_BEATS = 10_000
"""Heartbeats of one script at most; a longer stall is silent after them."""

_SEQUENCE = re.compile(rb'"sequence_number":\s*(\d+)')


class Late(Params):
    """How late the content comes."""

    seconds: Seconds = Field(default=5.0, description="How much later than usual the first content comes.")


class Place(Params):
    """Where in a stream something happens."""

    after_chunks: int = Field(
        default=1, ge=0, description="After this many chunks of content; 0 is before the first."
    )


class Stall(Place):
    """Where a stream falls silent, and for how long."""

    seconds: SecondsOrForever = Field(
        default=math.inf, description="How long; `forever` until the client leaves."
    )


class Heartbeats(Stall):
    """The same, with a comment from time to time."""

    every: PositiveSeconds = Field(default=0.3, description="Time between two comments.")

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if not math.isinf(self.seconds) and self.seconds / self.every > MOST_BEATS:
            found = f"{self.seconds / self.every:.0f} comments"
            problem = PlanError("", found, f"at most {MOST_BEATS}: a longer `every`, or `forever`")
            raise_located("Heartbeats", [(("every",), problem)])
        return self


class Early(Params):
    """Where a stream ends as if it were complete."""

    after_chunks: int | None = Field(
        default=None, ge=0, description="After this many chunks of content; left out: after the last one."
    )


def slow_first_token(script: Script, params: Late, ctx: FaultContext) -> Script:
    """Headers at once, content late."""
    at = next((i + 1 for i, step in enumerate(script.steps) if isinstance(step, FirstToken)), None)
    if at is None:
        at = first_send(script.steps)
    return Script((*script.steps[:at], Wait(params.seconds), *script.steps[at:]))


def stall(script: Script, params: Stall, ctx: FaultContext) -> Script:
    """Silence in mid-answer: after a chunk of a stream, half way through any other body."""
    whole = promised(script)
    if ctx.stream:
        before, after = after_chunks(whole, params.after_chunks)
    else:
        before, after = after_bytes(whole, len(body_of(whole)) // 2)
    return _silent(before, (Wait(params.seconds),), after, params.seconds)


def stall_with_heartbeats(script: Script, params: Heartbeats, ctx: FaultContext) -> Script:
    """A stall during which comments keep coming, so that no read timeout ever fires."""
    before, after = after_chunks(script, params.after_chunks)
    forever = math.isinf(params.seconds)
    beats = MOST_BEATS if forever else max(0, math.ceil(params.seconds / params.every) - 1)
    beat: Steps = (Wait(params.every), Send(PING, role="comment"))
    rest = FOREVER if forever else max(0.0, params.seconds - beats * params.every)
    return _silent(before, (*beat * beats, Wait(rest)), after, params.seconds)


def _silent(before: Steps, silence: Steps, after: Steps, seconds: float) -> Script:
    return Script((*before, *silence) if math.isinf(seconds) else (*before, *silence, *after))


def cut(script: Script, params: Place, ctx: FaultContext) -> Script:
    """The connection ends inside the chunked body."""
    before, _ = after_chunks(script, params.after_chunks)
    return Script((*before, Close()))


def eof_without_done(script: Script, params: Early, ctx: FaultContext) -> Script:
    """The stream ends properly, without finish_reason and `[DONE]` (or without the terminal event)."""
    chunks = sum(isinstance(step, Send) and step.role == "content" for step in script.steps)
    wanted = chunks if params.after_chunks is None else params.after_chunks
    before, _ = after_chunks(script, wanted) if chunks else (script.steps[: first_send(script.steps)], ())
    return Script((*before, End()))


def error_event(script: Script, params: Place, ctx: FaultContext) -> Script:
    """An error as an event of a stream whose status was 200, and the end of that stream."""
    before, _ = after_chunks(script, params.after_chunks)
    if ctx.api == "responses":
        return Script((*before, Send(_response_error(before), role="terminal"), End()))
    error = {"message": SERVER_ERROR_MESSAGE, "type": "server_error", "param": None, "code": None}
    event = b"data: " + orjson.dumps({"error": error}) + b"\n\n"
    return Script((*before, Send(event), Send(b"data: [DONE]\n\n", role="terminal"), End()))


def _response_error(before: Steps) -> bytes:
    numbers = _SEQUENCE.findall(body_of(Script(before)))
    event = {
        "type": "error",
        "code": "server_error",
        "message": SERVER_ERROR_MESSAGE,
        "param": None,
        "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
    }
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"


KINDS = (
    FaultKind(
        name="slow_first_token",
        family="stream",
        stage="answer",
        params=Late,
        apply=slow_first_token,
        about="Status and headers at once, the content late. A long prompt, a cold model, a hidden queue.",
    ),
    FaultKind(
        name="stall",
        family="stream",
        stage="answer",
        params=Stall,
        apply=stall,
        about="Silence after some chunks of a stream, or half way through any other body; then it "
        "goes on. A stuck worker, a lost route.",
    ),
    FaultKind(
        name="stall_with_heartbeats",
        family="stream",
        stage="answer",
        params=Heartbeats,
        apply=stall_with_heartbeats,
        apis=STREAMING_APIS,
        forms=("streamed",),
        about="The same, while SSE comments (`: ping`) keep coming: read timeouts never fire. After "
        f"{MOST_BEATS:,} comments a stall that lasts `forever` is silent.",
    ),
    FaultKind(
        name="cut",
        family="stream",
        stage="answer",
        params=Place,
        apply=cut,
        apis=STREAMING_APIS,
        forms=("streamed",),
        about="The connection ends (FIN) inside the chunked body. A proxy restarts in mid-stream.",
    ),
    FaultKind(
        name="eof_without_done",
        family="stream",
        stage="answer",
        params=Early,
        apply=eof_without_done,
        apis=STREAMING_APIS,
        forms=("streamed",),
        about="A clean end of the stream without finish_reason and `[DONE]` (Responses: without the "
        "terminal event). Several SDKs take it for success.",
    ),
    FaultKind(
        name="error_event",
        family="stream",
        stage="answer",
        params=Place,
        apply=error_event,
        apis=STREAMING_APIS,
        forms=("streamed",),
        about='An error as an event in a stream that began with 200: for chat `data: {"error": …}`, then '
        "`[DONE]`; for Responses `event: error` with its sequence_number.",
    ),
)
