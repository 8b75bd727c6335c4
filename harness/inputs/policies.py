"""The parts of a profile that say what surrounds a call: retries, budget, breaker, limiter, hedge, fallback.

Each is the data of one policy (`harness/policies/`), and refuses what that could not act on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from windtunnel.harness.inputs.validation import InputPart, complaint, show
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds, format_seconds

Jitter: TypeAlias = Literal["none", "full", "equal", "decorrelated", "down25"]
RETRY_CAUSES = ("timeout", "connection", "broken_answer", "4xx", "5xx", "everything")


def _retry_cause(value: Any) -> Any:
    known = value in RETRY_CAUSES if isinstance(value, str) else False
    status = isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599
    if not (known or status):
        raise complaint("", repr(value), f"a status from 400 to 599 or one of {', '.join(RETRY_CAUSES)}")
    return value


RetryCause: TypeAlias = Annotated[
    Annotated[int, Field(le=599)]
    | Literal["timeout", "connection", "broken_answer", "4xx", "5xx", "everything"],
    BeforeValidator(_retry_cause),
]
SDK_RETRIES: tuple[RetryCause, ...] = ("timeout", "connection", 408, 409, 429, "5xx")


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


BudgetKind: TypeAlias = Literal["ratio", "bucket", "aws", "grpc", "finagle"]
BUDGET_DEFAULTS: dict[str, dict[str, float | str]] = {
    "aws": {"deposit": 1, "cap": 500, "start": 500, "cost": 14, "throttle_cost": 5},
    "grpc": {"deposit": 0.1, "cap": 10, "start": 10, "cost": 1},
    "finagle": {"deposit": 0.2, "per_second": 10, "window": "10s", "cost": 1},
}
"""The numbers of the published budgets; a profile may replace each."""

_WITHOUT: dict[str, tuple[str, ...]] = {
    "ratio": ("per_second", "window"),
    "bucket": ("per_second", "window"),
    "aws": ("per_second", "window"),
    "grpc": ("per_second", "window", "throttle_cost"),
    "finagle": ("cap", "start", "throttle_cost"),
}
"""Keys that mean nothing to a kind of budget."""


class Budget(InputPart):
    """Retries are paid for: one that the budget cannot pay is not made. One budget an instance."""

    kind: BudgetKind = Field(
        description="ratio: every call deposits; bucket: every call that succeeds at its first try does. "
        "aws: a bucket with the numbers of AWS's SDKs, which also gives a retry's price back if that retry succeeds; "
        "grpc: every failed try takes `cost`, every success adds `deposit`, and no retry is made at half of `cap` or "
        "below; finagle: within `window`, retries are at most `deposit` of the calls plus `per_second`.",
    )
    deposit: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000_000,
        description="What a deposit adds. ratio and bucket must say it; aws 1, grpc 0.1, finagle 0.2."
        " At most 1,000,000,000: as good as no budget.",
    )
    cap: float = Field(
        default=0.0,
        gt=0,
        le=1_000_000_000,
        description="What the budget holds at most. ratio and bucket must say it; aws 500, grpc 10."
        " At most 1,000,000,000: as good as no budget.",
    )
    start: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000_000,
        description="What it holds at the start; aws and grpc: their cap."
        " At most 1,000,000,000: as good as no budget.",
    )
    cost: float = Field(
        default=1.0,
        gt=0,
        le=1_000_000_000,
        description="What a retry takes; aws 14. grpc: what a failed try takes."
        " At most 1,000,000,000: no budget holds more.",
    )
    throttle_cost: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        le=1_000_000_000,
        description="What a retry after a 429 takes; null: the same; aws 5."
        " At most 1,000,000,000: no budget holds more.",
    )
    per_second: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        le=1_000_000_000,
        description="finagle alone: retries a second that are free, however few the calls are; 10."
        " At most 1,000,000,000: as good as no budget.",
    )
    window: PositiveSeconds | None = Field(
        default=None, description="finagle alone: how long calls and retries count; 10 s."
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers_of_its_kind(cls, data: Any) -> Any:
        """A published budget has its published numbers, but for those that the profile replaces."""
        kind = data.get("kind") if isinstance(data, dict) else None
        if kind not in _WITHOUT:
            return data  # its own field says what is wrong with it
        written = {key: value for key, value in data.items() if value is not None}
        for key in _WITHOUT[kind]:
            if written.get(key):
                raise complaint(key, show(written[key]), f"none with the kind {kind}")
            written.pop(key, None)
        published = dict(BUDGET_DEFAULTS.get(kind, {}))
        if kind in ("aws", "grpc") and "cap" in written:
            published["start"] = written["cap"]
        for key in ("deposit", "cap") if not published else ():
            if key not in written:
                raise complaint(key, "nothing", "this key, which is required")
        return {**published, **written}

    @model_validator(mode="after")
    def _starts_below_its_cap(self) -> Budget:
        if self.start > self.cap:
            raise complaint("start", f"{self.start:g}", f"at most the cap, {self.cap:g}")
        return self


BREAKER_CAUSES: tuple[RetryCause, ...] = ("timeout", "connection", 429, "5xx", "broken_answer")


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


class Hedge(InputPart):
    """A second request beside the first, when that is slower than most. The first with content wins."""

    quantile: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="It is sent when the first content takes longer than this share of the last 101 did.",
    )
    after: int = Field(
        default=20,
        ge=1,
        le=101,
        description="First contents that must have been measured before. At most 101: that many are remembered.",
    )
    extra_tokens: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="What hedges may add to the tokens of all calls so far: prompt (four characters a token) plus "
        "max_tokens. One that would add more is not sent.",
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        description="Where it is sent: a region's name, or other (the first that the load does not call); null, or no "
        "such region: where the first one went.",
    )


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
