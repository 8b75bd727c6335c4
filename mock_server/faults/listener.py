"""Faults of a region's listening socket: connections are refused, or never accepted.

These are conditions of a region, not of a request. A rule with one of them is narrowed by its region and by
time (its phase, `burst`) alone, and it has no script: the transports act on it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.script import Script


class ClosedParams(Params):
    """What else happens while nobody can connect."""

    established: Literal["keep", "reset", "silent"] = Field(
        default="keep",
        description="Connections that exist when it begins: they go on (`keep`), end with an RST (`reset`), or pass "
        "nothing in either direction until it is over (`silent`).",
    )


def no_answer(script: Script, params: ClosedParams, ctx: FaultContext) -> Script:
    """Answers on connections that exist stay as they are."""
    return script


KINDS = (
    FaultKind(
        name="refuse",
        family="edge",
        stage="listener",
        params=ClosedParams,
        apply=no_answer,
        apis=(),
        example="{fault: refuse, burst: {every: 60s, for: 5s}}",
        about="Nothing listens on the region's port: connecting fails at once with an RST. A process that is "
        "down or restarts, a load balancer without targets.",
    ),
    FaultKind(
        name="blackhole",
        family="edge",
        stage="listener",
        params=ClosedParams,
        apply=no_answer,
        apis=(),
        example="{fault: blackhole, with: {established: reset}, burst: {every: 60s, for: 5s}}",
        about="The accept queue of the region's port is full: the kernel drops every SYN, and connecting "
        "takes until the client's own timeout. A process that hangs, a firewall that drops, a dead route.",
    ),
)
