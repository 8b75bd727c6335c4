"""`drip`: an answer that trickles, cut wherever a byte ends: inside a UTF-8 character, an SSE frame, a header.

Send(100 bytes) ──► Send(5), Wait, Send(5), Wait, …     5 bytes, or however many leave every 10 ms
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.faults.script_edits import body_of
from windtunnel.mock_server.script import Head, Role, Script, Send, Step, Torn, Trickle, Wait

SHORTEST_PAUSE = 0.01
"""Seconds between two pieces at least: a timer has to mean something to the loop that keeps it."""

MOST_PIECES = 10_000
"""Pieces of one body at most; a longer body comes in larger ones, at the same rate."""


class DripParams(Params):
    """How fast the bytes come."""

    bytes_per_second: float = Field(
        default=100.0,
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        description="How many bytes arrive in a second. At most 1,000,000,000.0: faster is no drip.",
    )
    head: bool = Field(default=False, description="Status line and headers come as slowly as the body.")


def drip(script: Script, params: DripParams, ctx: FaultContext) -> Script:
    """The body's bytes one piece after the other, at a steady rate; what they mean is left as it was."""
    rate = params.bytes_per_second
    total = len(body_of(script))
    # The tolerance: 0.01 × 100.0 bytes are one byte, whatever binary fractions make of it.
    size = max(1, math.ceil(rate * SHORTEST_PAUSE - 1e-9), math.ceil(total / MOST_PIECES))
    pause = Wait(size / rate)
    steps: list[Step] = []
    room = size
    for step in script.steps:
        if isinstance(step, Send | Torn):
            for piece in _pieces(step, room, size):
                if room == 0:
                    steps.append(pause)
                    room = size
                steps.append(piece)
                room -= len(piece.data)
        else:
            steps.append(step)
            if isinstance(step, Head) and params.head:
                steps.append(Trickle(size, size / rate))
    return Script(tuple(steps))


def _pieces(step: Send | Torn, room: int, size: int) -> Iterator[Send | Torn]:
    """The step's bytes, first as many as there is room for. What they count for stays with the last piece."""
    data, at, cut = step.data, 0, room or size
    role: Role = "comment" if isinstance(step, Send) and step.role == "comment" else "body"
    while len(data) - at > cut:
        yield Send(data[at : at + cut], 0, role)
        at += cut
        cut = size
    if isinstance(step, Torn):
        yield Torn(data[at:], step.size - at)
    else:
        yield replace(step, data=data[at:])


KINDS = (
    FaultKind(
        name="drip",
        family="edge",
        stage="answer",
        params=DripParams,
        apply=drip,
        layer="bytes",
        example="{fault: drip, with: {bytes_per_second: 20}, rate: 0.1}",
        about="The body trickles, so many bytes a second and no pause long enough for a read timeout, cut through "
        "UTF-8 characters and SSE frames; `head: true` does the same to the headers. A starved link, a slow "
        "proxy, a slow-drip attack.",
    ),
)
