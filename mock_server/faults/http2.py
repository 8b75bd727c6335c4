"""What only HTTP/2 can say: of one stream, by RST_STREAM; of the connection, by GOAWAY and SETTINGS.

A connection carries many requests, so the faults of the connection hit others than the request that they were drawn
for: `calm_down` all that are under way, `goaway`, `one_stream` and `window_stall` those that come next.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams, Params
from windtunnel.mock_server.faults.connection import (
    EndingParams,
    ended,
    ending_forms,
    ending_layer,
    ending_stage,
)
from windtunnel.mock_server.plan.units import SecondsOrForever
from windtunnel.mock_server.script import Abort, Script, Signal, SignalKind

REFUSED_STREAM = 0x7
ENHANCE_YOUR_CALM = 0xB

Code: TypeAlias = Literal[
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "stream_closed",
    "refused_stream",
    "cancel",
    "enhance_your_calm",
    "http_1_1_required",
]

CODES: dict[Code, int] = {
    "no_error": 0x0,
    "protocol_error": 0x1,
    "internal_error": 0x2,
    "flow_control_error": 0x3,
    "stream_closed": 0x5,
    "refused_stream": REFUSED_STREAM,
    "cancel": 0x8,
    "enhance_your_calm": ENHANCE_YOUR_CALM,
    "http_1_1_required": 0xD,
}
"""Error codes that a stream may end with (RFC 9113, section 7)."""


class StreamResetParams(EndingParams):
    """Where the stream ends, and why."""

    code: Code = Field(default="internal_error", description="The error code of RFC 9113.")


class GoawayParams(Params):
    """How long the connection lasts."""

    grace: SecondsOrForever = Field(
        default=math.inf,
        description="After so long the connection is closed, with answers under way; `forever`: after the last one.",
    )


class OneStreamParams(Params):
    """How long it lasts."""

    seconds: SecondsOrForever = Field(default=math.inf, description="Until more are allowed again.")


class WindowStallParams(Params):
    """How long it lasts."""

    seconds: SecondsOrForever = Field(default=30.0, description="Until windows are opened again.")


def stream_reset(script: Script, params: StreamResetParams, ctx: FaultContext) -> Script:
    """The stream ends with RST_STREAM."""
    return ended(script, params, Abort(CODES[params.code]), "stream_reset")


def refused_stream(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """The stream is refused before anything was done for it."""
    return Script((Abort(REFUSED_STREAM),))


def calm_down(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """The connection ends with GOAWAY, and all requests on it."""
    return Script((Signal("calm_down"), Abort(ENHANCE_YOUR_CALM)))


def _announced(script: Script, kind: SignalKind, seconds: float) -> Script:
    return Script((Signal(kind, seconds), *script.steps))


def goaway(script: Script, params: GoawayParams, ctx: FaultContext) -> Script:
    """GOAWAY, then the answer."""
    return _announced(script, "goaway", params.grace)


def one_stream(script: Script, params: OneStreamParams, ctx: FaultContext) -> Script:
    """A limit of one stream, then the answer."""
    return _announced(script, "one_stream", params.seconds)


def window_stall(script: Script, params: WindowStallParams, ctx: FaultContext) -> Script:
    """No window for new requests, then the answer."""
    return _announced(script, "window_stall", params.seconds)


KINDS = (
    FaultKind(
        name="stream_reset",
        family="edge",
        stage="edge",
        params=StreamResetParams,
        apply=stream_reset,
        layer="ending",
        http2=True,
        example="{fault: stream_reset, with: {at: after_chunks 3, code: internal_error}, rate: 0.05}",
        stage_of=ending_stage,
        forms_of=ending_forms,
        layer_of=ending_layer,
        about="One answer ends with RST_STREAM, and the others on its connection go on. A gateway that has lost the "
        "server behind it.",
    ),
    FaultKind(
        name="refused_stream",
        family="edge",
        stage="edge",
        params=NoParams,
        apply=refused_stream,
        http2=True,
        example="{fault: refused_stream, rate: 0.05}",
        about="RST_STREAM with REFUSED_STREAM: the request was not looked at, and is safe to repeat (RFC 9113, section "
        "8.7). A gateway with too many streams.",
    ),
    FaultKind(
        name="goaway",
        family="edge",
        stage="answer",
        params=GoawayParams,
        apply=goaway,
        layer="pace",
        http2=True,
        example="{fault: goaway, with: {grace: 30s}, every: 100}",
        about="GOAWAY with NO_ERROR: what has been received is answered, this request too, what comes later on the "
        "connection is ignored, and after the last answer it is closed. A deploy, a gateway that ends connections "
        "after so many requests.",
    ),
    FaultKind(
        name="calm_down",
        family="edge",
        stage="edge",
        params=NoParams,
        apply=calm_down,
        http2=True,
        example="{fault: calm_down, every: 100}",
        about="GOAWAY with ENHANCE_YOUR_CALM, and the connection is closed at once, with all requests under way on it. "
        "A gateway that takes its client for an attacker: too many pings, resets or streams.",
    ),
    FaultKind(
        name="one_stream",
        family="edge",
        stage="answer",
        params=OneStreamParams,
        apply=one_stream,
        layer="pace",
        http2=True,
        example="{fault: one_stream, with: {seconds: 30s}, first: 1}",
        about="SETTINGS_MAX_CONCURRENT_STREAMS becomes 1, and the request is answered: from then on requests wait for "
        "each other in the client, out of sight of its timeouts. A gateway that saves itself.",
    ),
    FaultKind(
        name="window_stall",
        family="edge",
        stage="answer",
        params=WindowStallParams,
        apply=window_stall,
        layer="pace",
        http2=True,
        example="{fault: window_stall, with: {seconds: 10s}, first: 1}",
        about="SETTINGS_INITIAL_WINDOW_SIZE becomes 0, and the request is answered: the bodies of the next ones wait "
        "in the client for a window. A gateway out of buffers, a WINDOW_UPDATE that is lost.",
    ),
)
