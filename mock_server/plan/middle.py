"""What stands between clients and a region: proxies, each with a hop, limits and time limits of its own.

    client ─► link ─► first of the list ─► … ─► last of the list ─► region

A part that concerns bytes (`hop`, `idle`) is a layer under TLS and HTTP. One that concerns answers (`buffers`,
`timeout`, `reset_after`) is a rule with a fault that exists, which acts on each answer of the region.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.connections import IdleEnd
from windtunnel.mock_server.plan.distributions import Duration
from windtunnel.mock_server.plan.model import Problem, Strict, raise_located
from windtunnel.mock_server.plan.units import Bytes, PositiveSeconds, format_seconds


class ImpliedFault(NamedTuple):
    """A fault that acts on every answer, as something in the middle does that. `part` is the key that asks for it."""

    part: str
    fault: str
    params: dict[str, Any]


class Middle(Strict):
    """One proxy, load balancer or gateway in front of a region. Every part is left out unless it is named."""

    kind: Literal["proxy"] = Field(default="proxy", description="What it is.")
    hop: Duration | None = Field(
        default=None,
        description="Round trip between it and what is behind it. It keeps connections to there open: connecting costs "
        "none of it.",
    )
    idle: PositiveSeconds | None = Field(
        default=None,
        description="A connection on which nothing passes for so long is ended, be a request under way or not.",
    )
    expiry: IdleEnd = Field(
        default="close",
        description="How an idle one ends: close (a FIN), reset (what comes next gets an RST) or silent (what comes "
        "next gets nothing); see the region's `connections`.",
    )
    header_limit: Bytes | None = Field(
        default=None,
        description="Bytes of a request's line and headers, such as 8KB (1,000 bytes each) or 8KiB; more get a 431 and "
        "the end of the connection, and never reach the region.",
    )
    buffers: bool = Field(
        default=False,
        description="Answers are passed on once they are whole, their headers too: a stream arrives at once.",
    )
    timeout: PositiveSeconds | None = Field(
        default=None,
        description="Without a byte of the answer after so long its client gets a 504; a stream that is silent for so "
        "long is cut.",
    )
    reset_after: PositiveSeconds | None = Field(
        default=None, description="An answer that is not over after so long ends with an RST."
    )

    @model_validator(mode="after")
    def _have_effect(self) -> Self:
        """Refuse what would do nothing."""
        problems: list[Problem] = []
        parts = (self.hop, self.idle, self.header_limit, self.timeout, self.reset_after)
        if not self.buffers and all(part is None for part in parts):
            expected = "one of hop, idle, header_limit, buffers, timeout and reset_after"
            problems.append(((), PlanError("", "a proxy that does nothing", expected)))
        elif self.expiry != "close" and self.idle is None:
            expected = "idle, the time after which a connection ends"
            problems.append((("expiry",), PlanError("", "expiry without idle", expected)))
        raise_located(type(self).__name__, problems)
        return self

    def faults(self) -> Iterator[ImpliedFault]:
        """What it does to each answer, as faults."""
        if self.buffers:
            yield ImpliedFault("buffers", "buffered", {"hold_headers": True})
        if self.timeout is not None:
            limit = format_seconds(self.timeout)
            # In this order: of two limits that are reached at once the one that was set last counts.
            yield ImpliedFault("timeout.silence", "cut", {"silence": limit})
            yield ImpliedFault("timeout", "gateway_timeout", {"after": limit, "html": True})
        if self.reset_after is not None:
            yield ImpliedFault("reset_after", "reset", {"at": f"after {format_seconds(self.reset_after)}"})
