"""The circuit breaker in front of tries."""

from __future__ import annotations

from pydantic import Field

from windtunnel.harness.inputs.policies.causes import BREAKER_CAUSES, RetryCause
from windtunnel.harness.inputs.validation import InputPart
from windtunnel.mock_server.plan.units import PositiveSeconds


class Breaker(InputPart):
    """A circuit breaker: when too many tries fail, none is made for a time, then a few probes. One an instance."""

    rate: float = Field(
        default=0.5, gt=0, le=1, description="It opens when this share of the window's tries failed."
    )
    calls: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="Tries that the window must hold before it can open."
        " At most 1,000,000: more than any window holds.",
    )
    window: PositiveSeconds = Field(
        default=20.0, description="How long a try's end counts.", validate_default=False
    )
    open: PositiveSeconds = Field(
        default=30.0, description="How long nothing is sent, before it probes.", validate_default=False
    )
    probes: int = Field(
        default=3,
        ge=1,
        le=1_000_000,
        description="Tries that are let through then. If all succeed it closes; one that fails opens it again."
        " At most 1,000,000: more than any window holds.",
    )
    counts: tuple[RetryCause, ...] = Field(
        default=BREAKER_CAUSES,
        min_length=1,
        description="What counts as failed: statuses, 4xx, 5xx, timeout, connection (before an answer), "
        "broken_answer (after a 2xx began), everything. Other failures count as tries that the provider answered.",
    )
