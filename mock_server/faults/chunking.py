"""The bytes of a healthy answer, cut and spelled in ways that should make no difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams, Params
from windtunnel.mock_server.faults.script_edits import is_event_stream
from windtunnel.mock_server.plan.units import PositiveSeconds
from windtunnel.mock_server.request import STREAMING_APIS
from windtunnel.mock_server.script import Script, Send, Step, Wait

MOST_PIECES = 10_000
"""Pieces of one script at most; what remains of its body then is sent as it is."""


class PiecesParams(Params):
    """How small the pieces are, and how far apart."""

    bytes: int = Field(
        default=16,
        ge=1,
        le=1_048_576,
        description="Bytes of the body in one piece; a write's last is shorter."
        " At most 1,048,576: larger pieces cut nothing.",
    )
    pause: PositiveSeconds = Field(
        default=0.002,
        description="Time between two pieces. What is due within a millisecond leaves together, so a shorter "
        "pause joins pieces; so does a machine that is late by more than the pause.",
    )


def fragment(script: Script, params: PiecesParams, ctx: FaultContext) -> Script:
    """Every write of the body in pieces, each of them a write of its own."""
    pause = Wait(params.pause)
    left = MOST_PIECES
    steps: list[Step] = []
    for step in script.steps:
        if not isinstance(step, Send) or not left:
            steps.append(step)
            continue
        for piece in _cut(step, params.bytes, left):
            steps += (piece,) if left == MOST_PIECES else (pause, piece)
            left -= 1
    return Script(tuple(steps))


def _cut(step: Send, size: int, most: int) -> list[Send]:
    """Pieces of `size` bytes, at most `most` of them. What the whole counts for goes with the piece after which
    nothing but the ends of lines is missing: a client that reads lines has all of it then."""
    data = step.data
    starts = range(0, len(data), size)[:most]
    ends = [*starts[1:], len(data)]
    length = len(data.rstrip(b"\r\n")) or len(data)
    plain = Send(b"", role="comment" if step.role == "comment" else "body")
    return [
        replace(step if start < length <= end else plain, data=data[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]


def crlf_events(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """Every line of the stream ends with CR and LF."""
    if not is_event_stream(script):
        return script

    def spell(step: Step) -> Iterable[Step]:
        return (replace(step, data=step.data.replace(b"\n", b"\r\n")),) if isinstance(step, Send) else (step,)

    return script.map_steps(spell)


KINDS = (
    FaultKind(
        name="crlf_events",
        family="stream",
        stage="answer",
        layer="bytes",
        params=NoParams,
        apply=crlf_events,
        apis=STREAMING_APIS,
        forms=("streamed",),
        example="{fault: crlf_events, match: {stream: true}}",
        about="Lines and events end with CR LF, not LF: allowed by the SSE standard. A gateway on another platform.",
    ),
    FaultKind(
        name="fragment",
        family="stream",
        stage="answer",
        layer="bytes",
        params=PiecesParams,
        apply=fragment,
        example="{fault: fragment, with: {bytes: 7}, match: {stream: true}}",
        about="Every write of the body is cut into pieces that arrive one by one, through the characters of UTF-8, "
        "through lines and events; no byte is missing. "
        f"After {MOST_PIECES:,} pieces the rest comes as it is. Small segments, a slow uplink, a TLS record boundary.",
    ),
)
