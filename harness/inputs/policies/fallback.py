"""Where calls go that their first target does not serve."""

from __future__ import annotations

from pydantic import Field, model_validator

from windtunnel.harness.inputs.policies.causes import BREAKER_CAUSES, RetryCause
from windtunnel.harness.inputs.validation import InputPart, complaint
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds


class LocalModel(InputPart):
    """A small model of the application's own: it answers every call, makes no request, and is never overloaded."""

    first_content: Seconds = Field(
        default=0.5, description="Until its first content.", validate_default=False
    )
    tokens: int = Field(
        default=50, ge=1, le=100_000, description="Tokens of an answer. At most 100,000: no model says more."
    )
    tokens_per_second: float = Field(
        default=20.0, gt=0, le=1_000_000, description="How fast they come. At most 1,000,000: at once."
    )


class FallbackStep(InputPart):
    """Where a call goes instead: another region, another model, both, or a local model."""

    region: str | None = Field(
        default=None,
        min_length=1,
        description="A region's name, or other: the first that the load does not call. Left out where the scenario "
        "has no such region.",
    )
    model: str | None = Field(
        default=None, min_length=1, description="The model that is asked for; null: the same."
    )
    local: LocalModel | None = Field(default=None, description="A model of the application's own.")

    @model_validator(mode="after")
    def _goes_somewhere(self) -> FallbackStep:
        given = [key for key in ("region", "model", "local") if getattr(self, key) is not None]
        if not given or (self.local is not None and len(given) > 1):
            raise complaint(
                "", f"a step with {' and '.join(given) or 'nothing'}", "region, model or both; or local"
            )
        return self


class Fallback(InputPart):
    """Where calls go that the first target does not serve, and how the way back is found."""

    to: tuple[FallbackStep, ...] = Field(
        min_length=1, description="The targets, in the order in which they are tried."
    )
    on: tuple[RetryCause, ...] = Field(
        default=BREAKER_CAUSES,
        min_length=1,
        description="After which last failure of a target the next one is tried; also when the breaker refuses.",
    )
    leave_after: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Failed tries in a row after which calls do not ask a target first any more; null: only the "
        "breaker keeps them away. At most 1,000,000: as good as null.",
    )
    probe: PositiveSeconds = Field(
        default=10.0,
        validate_default=False,
        description="How often one call then asks it again: if that succeeds, all calls are back.",
    )
    shadow: bool = Field(
        default=False,
        description="Probes are copies of calls that are served elsewhere: no call waits for one. A copy is ended at "
        "its first content.",
    )

    @model_validator(mode="after")
    def _shadows_what_was_left(self) -> Fallback:
        if self.shadow and self.leave_after is None:
            raise complaint(
                "shadow", "true without leave_after", "a leave_after: only what was left is probed"
            )
        return self
