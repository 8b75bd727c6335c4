"""The limiter in front of attempts: its rate, whether it finds that by itself, and who waits how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from windtunnel.harness.inputs.validation import InputPart, complaint, show
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds, format_seconds


def _rpm(value: Any) -> Any:
    if value != "quota" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise complaint("", show(value), "a whole number of at least 1, or the word quota")
    return value


class Adaptive(InputPart):
    """The limiter finds its rate by itself: up a little with every success, down by a share at a 429 (AIMD)."""

    increase: float = Field(
        default=6.0,
        ge=0,
        le=1_000_000_000,
        description="Requests a minute that are added in a second in which the limiter is fully used and nothing is "
        "refused. At most 1,000,000,000: as good as no limiter.",
    )
    decrease: float = Field(
        default=0.5, gt=0, lt=1, description="What is left of the rate at a 429, at most once in `settle`."
    )
    floor: float = Field(
        default=6.0,
        gt=0,
        le=1_000_000_000,
        description="Requests a minute below which it never goes. At most 1,000,000,000: as good as no limiter.",
    )
    settle: PositiveSeconds = Field(
        default=1.0,
        validate_default=False,
        description="429s within this after a decrease are of the same crowd, and change nothing.",
    )
    headers: bool = Field(
        default=True,
        description="Read x-ratelimit-limit-requests (never faster than that), x-ratelimit-remaining-requests (none "
        "left: nothing is sent until one is) and the wait that a 429 promises (nothing is sent until then).",
    )


class Priority(InputPart):
    """A class of calls: how long one waits at the limiter before it is shed. The least patient are shed first."""

    name: str = Field(min_length=1, description="Its name.")
    share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The share of calls that have it, drawn per call; null: the load's `priorities` say who has it.",
    )
    wait: Seconds = Field(description="A call that would wait longer than this at the limiter is shed.")


class Limiter(InputPart):
    """A local limiter, one an instance: a token bucket in front of every attempt, which waits its turn."""

    rpm: Annotated[Annotated[int, Field(ge=1, le=10**9)] | Literal["quota"], BeforeValidator(_rpm)] = Field(
        description="Requests a minute; quota: an instance's share of the provider's rpm (none: no limiter)."
        " adaptive: where it begins."
        " At most 1,000,000,000: as good as no limiter.",
    )
    tpm: Annotated[Annotated[int, Field(ge=1, le=10**9)] | Literal["quota"], BeforeValidator(_rpm)] | None = (
        Field(
            default=None,
            description="Tokens a minute, counted as prompt (four characters a token) plus max_tokens, where the "
            "request says it; quota: an instance's share of the provider's tpm; null: not counted.",
        )
    )
    burst: int = Field(
        default=1,
        ge=1,
        le=1_000_000_000,
        description="Requests that may go at once after a pause."
        " At most 1,000,000,000: as good as no limiter.",
    )
    adaptive: Adaptive | None = Field(default=None, description="null: the rate stays as it is.")
    priorities: tuple[Priority, ...] = Field(
        default=(),
        description="Classes of calls, the most important first. None: a call waits as long as its deadline lets it.",
    )

    @model_validator(mode="after")
    def _priorities_agree(self) -> Limiter:
        names = [priority.name for priority in self.priorities]
        shares = [priority.share for priority in self.priorities if priority.share is not None]
        for index, priority in enumerate(self.priorities):
            if priority.name in names[:index]:
                raise complaint(f"priorities.{index}.name", show(priority.name), "a name that is not taken")
            if index and priority.wait > self.priorities[index - 1].wait:
                found, most = format_seconds(priority.wait), format_seconds(self.priorities[index - 1].wait)
                raise complaint(
                    f"priorities.{index}.wait",
                    found,
                    f"at most {most}, that of the more important one before",
                )
        if shares and (len(shares) < len(names) or abs(sum(shares) - 1) > 1e-6):
            found = f"shares of {sum(shares):g} in {len(shares)} of {len(names)}"
            raise complaint("priorities", found, "a share for each, 1 in all; or none, and the load says it")
        return self
