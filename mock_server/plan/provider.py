"""The provider of a plan: what it can do, how fast, for whom, and in which regions.

A phase or a region overrides parts of it; `merge` lays such a part over the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.connections import ConnectionRules
from windtunnel.mock_server.plan.distributions import Duration, Size
from windtunnel.mock_server.plan.middle import Middle
from windtunnel.mock_server.plan.model import Strict, raise_located, relocated
from windtunnel.mock_server.plan.units import Bandwidth, PositiveSeconds, Seconds

_M = TypeVar("_M", bound=Strict)


@dataclass(frozen=True, slots=True)
class PartOf:
    """Marks a mapping that overrides some keys of a model: for the exported schema it is that model."""

    model: type[Strict]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self.model.__pydantic_core_schema__)


class Capacity(Strict):
    """How many requests are served at once, and what happens to the others."""

    slots: int = Field(
        default=64,
        ge=0,
        le=10_000_000,
        description="Requests served at the same time; 0 is a provider gone dark."
        " At most 10,000,000: more than any machine has connections.",
    )
    queue: int = Field(
        default=1000,
        ge=0,
        le=10_000_000,
        description="Requests that may wait for a slot, first in, first out; more are refused."
        " At most 10,000,000: more than any machine has connections.",
    )
    abandoned: Literal["keep_working", "stop"] = Field(
        default="keep_working",
        description="keep_working: a request whose client left keeps its place and its slot; stop: it frees them.",
    )


class ColdStart(Strict):
    """The first answer after idleness is slow, as is what begins while it still waits."""

    after: PositiveSeconds = Field(description="How long a region idles before it is cold; it begins cold.")
    first_token: Duration = Field(description="What this adds to the first token.")


class AnswerModel(Strict):
    """How long answers are and how fast they come."""

    first_token: Duration = Field(
        default=Duration.model_validate("300ms"),
        description="From taking a slot to the first token; drawn per attempt.",
    )
    tokens: Size = Field(default=Size.model_validate(60), description="Tokens of an answer; drawn per call.")
    tokens_per_second: float = Field(
        default=80.0,
        gt=0,
        le=10_000_000,
        description="Token rate of one answer on an idle provider. At most 10,000,000: faster than any wire.",
    )
    tokens_per_chunk: int = Field(
        default=4,
        ge=1,
        le=200_000,
        description="Tokens in one event of a stream. At most 200,000: no answer has more tokens.",
    )
    slowdown: float = Field(
        default=0.0,
        ge=0,
        le=10_000,
        description="Token rate = tokens_per_second / (1 + slowdown * busy / slots)."
        " At most 10,000: an answer then takes days.",
    )
    prefill_tokens_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000_000,
        description="Prompt tokens read per second, before the first token; left out: at once."
        " At most 1,000,000,000: as good as at once.",
    )
    cold_start: ColdStart | None = Field(
        default=None, description="What the first answer after idleness waits for; left out: nothing."
    )
    tool_calls: Literal["forced", "offered", "never"] = Field(
        default="forced",
        description="When an answer calls a tool: where tool_choice forces it; wherever tools are offered, until the "
        "request holds a tool's result, as OpenAI's models do (`serve` without a plan does this); never.",
    )


class Growth(Strict):
    """The growth limiter: `slow_down` when traffic grows too fast, inside the limits."""

    factor: float = Field(
        default=2.0,
        gt=1,
        le=1_000_000,
        description="Refused where the recent rate is above this multiple of the baseline's."
        " At most 1,000,000: as good as no limit.",
    )
    baseline: PositiveSeconds = Field(default=60.0, description="Time constant of the baseline rate.")
    recent: PositiveSeconds = Field(default=5.0, description="Time constant of the recent rate.")
    floor: float = Field(
        default=1.0,
        ge=0,
        le=1_000_000,
        description="Requests per second; up to factor * floor nothing is refused."
        " At most 1,000,000: more than any machine makes.",
    )


class Limits(Strict):
    """Rate limits per key and model: buckets that refill continuously."""

    rpm: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Requests per minute; left out: no limit. At most 1,000,000,000: as good as no limit.",
    )
    tpm: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000_000,
        description="Tokens per minute; left out: no limit. At most 1,000,000,000,000: as good as no limit.",
    )
    burst: float = Field(
        default=1.0,
        gt=0,
        le=100_000,
        description="Capacity of the buckets, in minutes' worth. At most 100,000: as good as no limit.",
    )
    quantised: bool = Field(
        default=False, description="60 RPM as one per second: the bucket holds one second's worth."
    )
    refused_requests_count: bool = Field(
        default=True, description="A refused request takes from the RPM bucket too."
    )
    debt: bool = Field(default=False, description="Refused requests may take the RPM bucket below zero.")
    retry_after: Literal["exact", "none"] = Field(
        default="exact", description="Whether a 429 says when to come back (retry-after-ms and retry-after)."
    )
    early_return_penalty: Seconds | None = Field(
        default=None, description="Coming back before the promised time prolongs the wait by this."
    )
    headers: bool = Field(default=True, description="Send x-ratelimit-* headers with every answer.")
    growth: Growth | None = Field(default=None, description="The growth limiter; left out: none.")


class BatchPace(Strict):
    """How long the stages of a batch take, on the adjustable clock. A batch keeps the pace that it was made under."""

    validating: Seconds = Field(default=2.0, description="Reading the input file, before the first line.")
    line: Seconds = Field(default=0.05, description="One line of the input file; they go one after another.")
    finalizing: Seconds = Field(
        default=1.0, description="Writing the output files; how long cancelling takes, too."
    )


DEFAULT_BATCH_PACE = BatchPace()
"""The pace where a plan does not set one."""


class RegionLink(Strict):
    """The way from clients to a region, under everything that is spoken on it.

    Connecting costs a round trip, a TLS handshake its own, a message half of one each way.
    """

    rtt: Duration = Field(description="Network round trip, drawn for each connection and each message.")
    jitter: Seconds = Field(
        default=0.0, description="Each message takes up to so much longer, each way; nothing is overtaken."
    )
    bandwidth: Bandwidth | None = Field(
        default=None, description="How much passes each way; left out: no limit."
    )
    loss: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Share of packets that are lost and sent again, which makes what follows them wait.",
    )


Reachable: TypeAlias = Literal["open", "refused", "silent"]


class RegionTls(Strict):
    """TLS in front of a region, with a certificate of an authority that the server makes for itself."""

    resumption: bool = Field(
        default=True,
        description="Whether a client may resume a session, by the tickets that it was given (RFC 8446, 4.6.1).",
    )
    certificate: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="Which certificate new connections are shown: a phase with another number has rotated it. What is"
        " open goes on, and sessions from before are not resumed. At most 1,000,000: each is made and kept.",
    )


def _or_a_switch(schema: dict[str, Any]) -> None:
    """In the exported schema, `true` and `false` may stand for what they mean."""
    schema["anyOf"].append({"type": "boolean"})


class Region(Strict):
    """One region: the way to it, and where it differs from the provider."""

    rtt: Duration | None = Field(
        default=None,
        description="Network round trip, drawn for each attempt and added to it; left out: none. Without connections: "
        "see `link`.",
    )
    link: RegionLink | None = Field(
        default=None,
        description="The network that its connections go through, in place of `rtt`; left out: none.",
    )
    reachable: Reachable = Field(
        default="open",
        description="open; refused: nobody listens, and connections that exist end with an RST; silent: a black hole, "
        "connecting takes until the client's timeout and nothing passes on connections that exist.",
    )
    http2: bool = Field(
        default=True,
        description="Whether new connections may speak HTTP/2: without TLS to a client that begins with its preface, "
        "under TLS to one that offers it. A client that does not is answered in HTTP/1.1.",
    )
    tls: RegionTls | None = Field(
        default=None,
        description="`true`, or how: its base URL begins with https. Left out, or `false`: without TLS.",
        json_schema_extra=_or_a_switch,
    )
    connections: ConnectionRules | None = Field(
        default=None, description="How many connections it keeps, and for how long; left out: all, for ever."
    )
    middle: list[Middle] = Field(
        default=[],
        max_length=10,
        description="What stands between its clients and it, the client's side first. At most 10: each is on the way "
        "of every byte.",
    )
    capacity: Annotated[dict[str, Any], PartOf(Capacity)] | None = Field(
        default=None, description="What differs from the provider's capacity."
    )
    limits: Annotated[dict[str, Any], PartOf(Limits)] | None = Field(
        default=None, description="What differs from the provider's limits."
    )
    answer: Annotated[dict[str, Any], PartOf(AnswerModel)] | None = Field(
        default=None, description="What differs from the provider's answers."
    )

    @field_validator("tls", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """Take `true` for TLS as it is by default."""
        if isinstance(value, bool):
            return {} if value else None
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.link is not None and self.rtt is not None:
            both = PlanError("", "both a link and an rtt", "one of them: a link has an rtt of its own")
            raise_located("Region", [(("link",), both)])
        return self


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """What holds in one region, all overrides applied."""

    rtt: Duration | None
    link: RegionLink | None
    reachable: Reachable
    http2: bool
    tls: RegionTls | None
    connections: ConnectionRules | None
    middle: tuple[Middle, ...]
    capacity: Capacity
    limits: Limits
    answer: AnswerModel


class Provider(Strict):
    """The provider. Every region has slots, a queue and buckets of its own."""

    regions: dict[str, Region] = Field(
        default={"local": Region()},
        min_length=1,
        max_length=100,
        description="Regions by name; the first is the default one. At most 100: each has a port of its own.",
    )
    capacity: Capacity = Field(default=Capacity(), description="Slots and queue of each region.")
    answer: AnswerModel = Field(default=AnswerModel(), description="Length and speed of answers.")
    limits: Limits = Field(default=Limits(), description="Rate limits per key and model.")
    batches: BatchPace = Field(default=BatchPace(), description="How fast batches go.")
    models: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        description="Models that exist; left out: every model name is served."
        " At most 1,000: they are looked through for every request.",
    )
    _settled: dict[str, RegionSettings] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _settle(self) -> Self:
        for name, region in self.regions.items():
            at = ("regions", name)
            self._settled[name] = RegionSettings(
                rtt=region.rtt,
                link=region.link,
                reachable=region.reachable,
                http2=region.http2,
                tls=region.tls,
                connections=region.connections,
                middle=tuple(region.middle),
                capacity=_overridden(self.capacity, region.capacity, (*at, "capacity")),
                limits=_overridden(self.limits, region.limits, (*at, "limits")),
                answer=_overridden(self.answer, region.answer, (*at, "answer")),
            )
        return self

    def region(self, name: str) -> RegionSettings:
        """What holds in the region `name`. Raises KeyError for a region that does not exist."""
        return self._settled[name]

    @property
    def secured(self) -> tuple[str, ...]:
        """The regions with TLS."""
        return tuple([name for name, region in self.regions.items() if region.tls is not None])

    @property
    def default_region(self) -> str:
        """The region that is called when no other is named."""
        return next(iter(self.regions))


def _overridden(base: _M, part: dict[str, Any] | None, at: tuple[str, ...]) -> _M:
    return base if part is None else overridden(base, part, at)


def overridden(base: _M, part: Mapping[str, Any], at: tuple[str | int, ...]) -> _M:
    """`base` with the keys of `part` laid over it, validated; its errors are located below `at`."""
    try:
        return type(base).model_validate(merge(base.model_dump(mode="json", by_alias=True), part))
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            type(base).__name__, relocated(at, error.errors(include_url=False))
        ) from None


def merge(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """`part` laid over `base`, mapping by mapping; everything that is no mapping replaces what was there.

    A distribution's centre is one choice: giving its mean takes the median away, and the other way round.
    """
    merged = dict(base)
    for centre, other in (("mean", "median"), ("median", "mean")):
        if centre in part and other not in part:
            merged.pop(other, None)
    for key, value in part.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            value = merge(below, value)
        merged[key] = value
    return merged


__all__ = [
    "DEFAULT_BATCH_PACE",
    "AnswerModel",
    "BatchPace",
    "Capacity",
    "ColdStart",
    "Growth",
    "Limits",
    "PartOf",
    "Provider",
    "Region",
    "RegionLink",
    "RegionSettings",
    "RegionTls",
    "merge",
    "overridden",
]
