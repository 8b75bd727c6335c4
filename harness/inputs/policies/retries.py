"""Retries around the driver."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from windtunnel.harness.inputs.policies.causes import SDK_RETRIES, RetryCause
from windtunnel.harness.inputs.validation import InputPart, complaint
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds

Jitter: TypeAlias = Literal["none", "full", "equal", "decorrelated", "down25"]


class Retries(InputPart):
    """Retries made around the driver. The SDK's own are `sdk.max_retries`, and both multiply."""

    kind: Literal["none", "fixed", "exponential"] = Field(
        default="none", description="fixed: `base` each time; exponential: min(base·2ⁿ, cap), n from 0."
    )
    tries: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="Tries of one call at most, the first included."
        " At most 1,000,000: no call lives so long.",
    )
    base: Seconds = Field(default=0.5, description="The first wait.", validate_default=False)
    throttle_base: Seconds | None = Field(
        default=None, description="The first wait after a 429, where that differs; null: `base`."
    )
    cap: Seconds = Field(default=8.0, description="The longest wait before jitter.", validate_default=False)
    jitter: Jitter = Field(
        default="none",
        description="full: U(0, w); equal: w/2 + U(0, w/2); decorrelated: U(base, 3·last), at most cap; "
        "down25: w less 0 to 25 %, as the SDK does.",
    )
    respect_retry_after: bool = Field(
        default=True, description="Wait as long as retry-after-ms or retry-after says."
    )
    retry_after_cap: PositiveSeconds | None = Field(
        default=None,
        description="A promise above this is not waited for: the call is given up. null: no limit.",
    )
    retry_after_jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Up to this share is added to a promised wait: 0.25 is up to 25 %.",
    )
    respect_should_retry: bool = Field(default=False, description="Let the header x-should-retry decide.")
    retry_on: tuple[RetryCause, ...] = Field(
        default=SDK_RETRIES,
        description="What is retried: statuses, 4xx, 5xx, timeout, connection (before an answer), "
        "broken_answer (after a 2xx began), everything.",
    )

    @model_validator(mode="after")
    def _tries_need_a_kind(self) -> Retries:
        if self.kind == "none" and self.tries > 1:
            raise complaint("tries", f"{self.tries} with kind none", "1, or kind fixed or exponential")
        return self
