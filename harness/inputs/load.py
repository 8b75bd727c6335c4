"""The load of a scenario: what is called, how often, and by how many copies of the application."""

from __future__ import annotations

from operator import gt
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from windtunnel.harness.inputs.traces.settings import Tokens, TrafficTrace
from windtunnel.harness.inputs.validation import InputPart, complaint, show
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.plan.distributions import Size
from windtunnel.mock_server.plan.units import MOST_SECONDS, PositiveSeconds, Rate, Seconds

Api: TypeAlias = Literal["chat", "responses", "embeddings"]
ClockName: TypeAlias = Literal["real", "virtual"]
"""A clock that a cell is played on."""
ClockChoice: TypeAlias = Literal["auto", "virtual", "real"]
"""What a user asks for; auto: virtual where all clients of the run can play there, else real."""
Spacing: TypeAlias = Literal["poisson", "constant"]
RESERVED = (
    "model",
    "messages",
    "input",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
)
SHAPES: Final = ("ramp", "steps", "daily", "replay")
_STREAMED = "true, false, or the share of calls that are streamed, between 0 and 1"
_ARRIVALS = "poisson, constant, or a mapping with one of the keys ramp, steps, daily, replay"


class RateRamp(InputPart):
    """A rate that changes evenly from the first phase's start to the last one's end."""

    from_: Rate = Field(alias="from", description="The rate at t0, and in the warm-up.")
    to: Rate = Field(description="The rate at the end of the last phase, and in the tail.")


class RateStep(InputPart):
    """A rate that holds for a while."""

    for_: PositiveSeconds = Field(alias="for", description="How long.")
    rate: Rate = Field(description="Calls per second, or minute, or hour.")


OFFICE: Final = (
    *(0.06, 0.05, 0.05, 0.05, 0.06, 0.08, 0.14, 0.30),  # the night, and those who come early
    *(0.60, 0.88, 1.00, 0.98, 0.82, 0.86, 0.98, 0.96),  # two peaks, with lunch between them
    *(0.84, 0.62, 0.42, 0.30, 0.22, 0.16, 0.11, 0.08),  # people leave, and some work on
)
"""A working day of an office in one time zone, by the hour from midnight; the busiest hour is 1.

Made up by us, in the form that published curves of office traffic have; it is nobody's data.
"""


CURVE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": ["office"]},
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1_000},
            "minItems": 2,
            "maxItems": 1_440,
        },
    ]
}


def _curve(value: Any) -> Any:
    if value == "office":
        return OFFICE
    if isinstance(value, str):
        raise complaint("", show(value), "office, or a list of factors, such as 24 for the hours of a day")
    return value


class DailyCurve(InputPart):
    """A rate that goes up and down with the time of day, again every day."""

    curve: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1_000)], ...],
        BeforeValidator(_curve),
        Field(min_length=2, max_length=1_440),
        WithJsonSchema(CURVE_SCHEMA),
    ] = Field(
        description="office, or factors of `load.rate` that are evenly spread over the day, the first one at midnight: "
        "24 are one an hour. In between the rate changes evenly. At most 1,440, one a minute; each at most 1,000: more"
        " is no daily rhythm.",
    )
    starts: Seconds = Field(default=0.0, description="The time of day at t0: 9h is nine in the morning.")
    day: PositiveSeconds = Field(
        default=86_400.0, description="How long a day is; a time scale makes it shorter."
    )

    @model_validator(mode="after")
    def _not_nothing(self) -> DailyCurve:
        if not any(self.curve):
            raise complaint("curve", "zeros alone", "a factor above zero")
        return self


class Arrivals(InputPart):
    """When calls are due: independently of how the client fares (an open loop).

    Without ramp, steps or replay the rate is `load.rate`; a daily curve is of that rate.
    """

    spacing: Spacing = Field(
        default="poisson", description="poisson: as from many independent users; constant: evenly spaced."
    )
    ramp: RateRamp | None = Field(default=None, description="An evenly changing rate.")
    steps: tuple[RateStep, ...] | None = Field(
        default=None, min_length=1, description="One rate after another from t0; the last one goes on."
    )
    daily: DailyCurve | None = Field(
        default=None,
        description="A curve over the day: office, a list of factors of `load.rate`, or a mapping.",
    )
    replay: str | None = Field(
        default=None,
        description="A file of timestamps, one a line: seconds from t0, or epoch seconds or ISO 8601, "
        "which count from the first line.",
    )
    times_s: tuple[Annotated[float, Field(ge=0, le=MOST_SECONDS)], ...] | None = Field(
        default=None,
        description="The times of `replay`, seconds from t0; filled in when the scenario is read.",
    )

    @model_validator(mode="before")
    @classmethod
    def _word(cls, data: Any) -> Any:
        if data in ("poisson", "constant"):
            return {"spacing": data}
        if isinstance(data, dict):
            return data
        raise complaint("", show(data), _ARRIVALS)

    @field_validator("daily", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"curve": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _one_shape(self) -> Arrivals:
        given = [name for name in SHAPES if getattr(self, name) is not None]
        if len(given) > 1:
            raise complaint("", " and ".join(given), "one of ramp, steps, daily and replay")
        if self.times_s is not None and (not self.times_s or any(map(gt, self.times_s, self.times_s[1:]))):
            raise complaint("times_s", "no times, or times that decrease", "times that do not decrease")
        if self.ramp is not None and self.ramp.from_ + self.ramp.to <= 0:
            raise complaint("ramp", "a ramp from zero to zero", "a rate above zero at one end")
        return self

    @property
    def has_own_rate(self) -> bool:
        """Whether the arrivals say the rate themselves, so that `load.rate` would contradict them."""
        return any(shape is not None for shape in (self.ramp, self.steps, self.replay, self.times_s))


def _streamed(value: Any) -> Any:
    share = isinstance(value, int | float) and 0 < value < 1
    if not (isinstance(value, bool) or share):
        raise complaint("", show(value), _STREAMED)
    return value


Streamed: TypeAlias = Annotated[bool | Annotated[float, Field(gt=0, lt=1)], BeforeValidator(_streamed)]


class Load(InputPart):
    """What the application asks of the provider, and how often."""

    api: Api = Field(default="chat", description="chat (completions), responses or embeddings.")
    model: str = Field(default="gpt-4.1-mini", min_length=1, description="The model asked for.")
    stream: Streamed = Field(
        default=False,
        description="Whether answers are streamed; a number is the share of calls whose answers are, drawn per call.",
    )
    arrivals: Arrivals = Field(
        default_factory=lambda: Arrivals.model_validate("poisson"),
        description="poisson, constant, {ramp: {from, to}}, {steps: [{for, rate}]}, {daily: office} or {replay: FILE}.",
    )
    rate: Rate | None = Field(
        default=None, description="Calls per second (14/s) or minute (60/min), over all instances."
    )
    deadline: PositiveSeconds | None = Field(
        default=None,
        description="A call is good only if it ends within this of its intended time. No client is told.",
    )
    objective_wait: PositiveSeconds | None = Field(
        default=None, description="The same for the metrics alone, where the load has no deadline."
    )
    instances: int = Field(
        default=1,
        ge=1,
        le=100_000,
        description="Copies of the application, each with its own client, pool, budget and limiter."
        " At most 100,000: each is a client with a pool of its own.",
    )
    concurrency: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        le=1_000_000,
        description="Workers per instance: a call waits for a free one, and waiting counts. null: no limit."
        " At most 1,000,000: more than any machine has connections.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="Load processes; they share the instances."
        " At most 1,000: each is a process of this machine.",
    )
    prompt_tokens: Size = Field(
        default_factory=lambda: Size.model_validate(50), description="Length of a prompt, drawn per call."
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        le=200_000,
        description="The most tokens an answer may have; null: the request does not say."
        " At most 200,000: no model writes more.",
    )
    priorities: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None,
        description="Classes of calls and their shares, 1 in all; the most important first. What a class is worth, a "
        "profile's `limiter.priorities` says. null: all calls are the same.",
    )
    request: dict[str, Any] = Field(
        default_factory=dict, description="Further keys of the request's body (tools, response_format, n, …)."
    )
    region: str | None = Field(default=None, description="The region called; null: the provider's first.")
    trace: TrafficTrace | None = Field(
        default=None,
        description="Real traffic from a file, in place of rate and arrivals; --trace replaces it.",
    )
    prompt_sizes: dict[str, Tokens] = Field(
        default_factory=dict,
        description="The prompts' tokens by call, as a trace has them; filled in for a cell.",
    )

    @field_validator("request")
    @classmethod
    def _nothing_twice(cls, request: dict[str, Any]) -> dict[str, Any]:
        for key in request:
            if key in RESERVED:
                raise complaint(key, f"the key '{key}'", "only keys that the load does not say itself")
        return request

    @model_validator(mode="after")
    def _agrees(self) -> Load:
        if self.api == "embeddings" and self.stream:
            raise complaint(
                "stream",
                f"{str(self.stream).lower()} with the api embeddings",
                "false: embeddings are never streamed",
            )
        shape = next((name for name in SHAPES if getattr(self.arrivals, name) is not None), None)
        if self.trace is not None and shape is not None:
            raise complaint("arrivals", f"{shape} beside a trace", "one of the two")
        if self.trace is not None and self.rate is not None:
            raise complaint("rate", "a rate beside a trace, which has its own", "one of the two")
        if self.arrivals.has_own_rate and self.rate is not None:
            raise complaint("rate", "a rate beside arrivals that have their own", "one of the two")
        if not self.arrivals.has_own_rate and self.trace is None and not self.rate:
            found = "nothing" if self.rate is None else "a rate of zero"
            raise complaint("rate", found, "a rate above zero with its unit, such as '14/s'")
        if self.priorities is not None and abs(sum(self.priorities.values()) - 1) > 1e-6:
            raise complaint(
                "priorities", f"shares of {sum(self.priorities.values()):g}", "shares of 1 in all"
            )
        if self.deadline is None and self.objective_wait is None:
            raise complaint(
                "deadline", "neither deadline nor objective_wait", "one of them: goodput needs it"
            )
        if self.processes > self.instances:
            raise complaint(
                "processes", str(self.processes), f"at most the number of instances, {self.instances}"
            )
        return self

    def priority(self, call_id: str, seed: int) -> str | None:
        """The class of this call, None if the load has none. `seed` is the cell's."""
        if self.priorities is None:
            return None
        u, below = uniform(seed, "priority", call_id), 0.0
        for name, share in self.priorities.items():
            below += share
            if u < below:
                return name
        return name

    def streams(self, call_id: str, seed: int) -> bool:
        """Whether this call's answer is streamed. `seed` is the cell's."""
        if isinstance(self.stream, bool):
            return self.stream
        return uniform(seed, "stream", call_id) < self.stream

    @property
    def forms(self) -> tuple[bool, ...]:
        """Which forms of answers (streamed or not) some calls ask for."""
        return (self.stream,) if isinstance(self.stream, bool) else (True, False)

    @property
    def patience_s(self) -> float:
        """Within how many seconds of its intended time a call must end to be good."""
        patience = self.deadline if self.deadline is not None else self.objective_wait
        assert patience is not None  # validation requires one of them
        return patience
