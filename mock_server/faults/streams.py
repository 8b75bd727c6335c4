"""When an answer comes: late, after a silence, all at once.

`after_chunks` counts chunks that carry content. An answer with fewer of them is hit after its last one. A
wait is time on the wire: it adds time and no content, and holds no slot unless the rule says so.
"""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.faults.script_edits import (
    Steps,
    after_bytes,
    after_chunks,
    body_of,
    first_send,
    promised,
)
from windtunnel.mock_server.plan.model import raise_located
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds, SecondsOrForever
from windtunnel.mock_server.request import STREAMING_APIS
from windtunnel.mock_server.script import FOREVER, FirstToken, Head, Script, Send, Tokens, Wait

PING = b": ping\n\n"
MOST_BEATS = 10_000
"""Heartbeats of one script at most; a longer stall is silent after them."""

_TIMED = (FirstToken, Tokens, Wait)


class LateParams(Params):
    """How late the content comes."""

    seconds: Seconds = Field(default=5.0, description="How much later than usual the first content comes.")


class PositionParams(Params):
    """Where in a stream something happens."""

    after_chunks: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="After this many chunks of content; 0 is before the first."
        " At most 1,000,000: no answer has more.",
    )


class StallParams(PositionParams):
    """Where a stream falls silent, and for how long."""

    seconds: SecondsOrForever = Field(
        default=math.inf, description="How long; `forever` until the client leaves."
    )


class HeartbeatParams(StallParams):
    """The same, with a comment from time to time."""

    every: PositiveSeconds = Field(default=0.3, description="Time between two comments.")

    @model_validator(mode="after")
    def _check_number_of_beats(self) -> Self:
        if not math.isinf(self.seconds) and self.seconds / self.every > MOST_BEATS:
            found = f"{self.seconds / self.every:.0f} comments"
            problem = PlanError("", found, f"at most {MOST_BEATS}: a longer `every`, or `forever`")
            raise_located("HeartbeatParams", [(("every",), problem)])
        return self


class BufferedParams(Params):
    """What else the buffer keeps back."""

    hold_headers: bool = Field(
        default=False, description="Status and headers come at the end as well, not at once."
    )


def slow_first_token(script: Script, params: LateParams, ctx: FaultContext) -> Script:
    """Headers at once, content late."""
    at = next((i + 1 for i, step in enumerate(script.steps) if isinstance(step, FirstToken)), None)
    if at is None:
        at = first_send(script.steps)
    return Script((*script.steps[:at], Wait(params.seconds), *script.steps[at:]))


def stall(script: Script, params: StallParams, ctx: FaultContext) -> Script:
    """Silence in mid-answer: after a chunk of a stream, half way through any other body."""
    whole = promised(script)
    if ctx.stream:
        before, after = after_chunks(whole, params.after_chunks)
    else:
        before, after = after_bytes(whole, len(body_of(whole)) // 2)
    return _silent(before, (Wait(params.seconds),), after, params.seconds)


def stall_with_heartbeats(script: Script, params: HeartbeatParams, ctx: FaultContext) -> Script:
    """A stall during which comments keep coming, so that no read timeout ever fires."""
    before, after = after_chunks(script, params.after_chunks)
    forever = math.isinf(params.seconds)
    beats = MOST_BEATS if forever else max(0, math.ceil(params.seconds / params.every) - 1)
    beat: Steps = (Wait(params.every), Send(PING, role="comment"))
    rest = FOREVER if forever else max(0.0, params.seconds - beats * params.every)
    return _silent(before, (*beat * beats, Wait(rest)), after, params.seconds)


def _silent(before: Steps, silence: Steps, after: Steps, seconds: float) -> Script:
    return Script((*before, *silence) if math.isinf(seconds) else (*before, *silence, *after))


def buffered(script: Script, params: BufferedParams, ctx: FaultContext) -> Script:
    """All work and all waits first, then every byte at once. What never ends is never passed on."""
    first = () if params.hold_headers else tuple(step for step in script.steps if isinstance(step, Head))
    time = tuple(step for step in script.steps if isinstance(step, _TIMED))
    if Wait(FOREVER) in time:
        return Script((*first, *time))
    rest = tuple(step for step in script.steps if step not in first and not isinstance(step, _TIMED))
    return Script((*first, *time, *rest))


KINDS = (
    FaultKind(
        name="slow_first_token",
        family="stream",
        stage="answer",
        layer="pace",
        params=LateParams,
        apply=slow_first_token,
        example="{fault: slow_first_token, with: {seconds: 8s}, rate: 0.05}",
        about="Status and headers at once, the content late. A long prompt, a cold model, a hidden queue.",
    ),
    FaultKind(
        name="stall",
        family="stream",
        stage="answer",
        layer="pace",
        params=StallParams,
        apply=stall,
        example="{fault: stall, with: {after_chunks: 3, seconds: 5s}, rate: 0.1}",
        about="Silence after some chunks of a stream, or half way through any other body; then it "
        "goes on. A stuck worker, a lost route.",
    ),
    FaultKind(
        name="stall_with_heartbeats",
        family="stream",
        stage="answer",
        layer="pace",
        params=HeartbeatParams,
        apply=stall_with_heartbeats,
        apis=STREAMING_APIS,
        forms=("streamed",),
        example="{fault: stall_with_heartbeats, with: {seconds: 90s, every: 5s}, every: 20}",
        about="The same, while SSE comments (`: ping`) keep coming: read timeouts never fire. After "
        f"{MOST_BEATS:,} comments a stall that lasts `forever` is silent. A gateway that keeps the connection "
        "alive for a model that hangs.",
    ),
    FaultKind(
        name="buffered",
        family="stream",
        stage="answer",
        layer="pace",
        params=BufferedParams,
        apply=buffered,
        apis=STREAMING_APIS,
        forms=("streamed",),
        example="{fault: buffered, match: {api: chat}}",
        about="The whole stream arrives at once, when its last byte would have come; a stream that never ends "
        "never arrives. A proxy that buffers, or compresses, what it should pass on.",
    ),
)
