"""A region's settings in one phase, compiled for the hot path: plain slotted values instead of pydantic models."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.mock_server.chance import lognormal as quantile
from windtunnel.mock_server.plan.connections import ConnectionRules, IdleEnd, WhenFull
from windtunnel.mock_server.plan.distributions import Lognormal
from windtunnel.mock_server.plan.middle import Middle
from windtunnel.mock_server.plan.provider import BatchPace, Limits, Provider, RegionTls
from windtunnel.mock_server.provider.growth import GrowthSettings
from windtunnel.mock_server.provider.rate_limiter import LimitSettings


@dataclass(frozen=True, slots=True)
class Spread:
    """A lognormal quantity by its median and p99 (equal: a constant)."""

    median: float
    p99: float

    @property
    def constant(self) -> bool:
        """Whether every draw gives the same value."""
        return self.p99 <= self.median

    def at(self, u: float) -> float:
        """Return the `u` quantile: the value below which a share `u` of all draws lies."""
        return quantile(u, median=self.median, p99=self.p99)

    @classmethod
    def of(cls, distribution: Lognormal) -> Spread:
        """Compile a distribution, whichever way it is written in the plan."""
        return cls(distribution.quantile(0.5), distribution.quantile(0.99))


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """A region's link: `jitter` in seconds, `bandwidth` in bits a second (None: no limit), `loss` a share."""

    rtt: Spread
    jitter: float
    bandwidth: float | None
    loss: float


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """A region's rules for connections: `idle` in seconds, `most` open at once, `requests` on one (None: no limit)."""

    idle: float | None
    expiry: IdleEnd
    announce: bool
    requests: int | None
    most: int | None
    when_full: WhenFull

    @classmethod
    def of(cls, rules: ConnectionRules) -> ConnectionSettings:
        """Compile the rules of a plan."""
        return cls(rules.idle, rules.expiry, rules.announce, rules.requests, rules.most, rules.when_full)


@dataclass(frozen=True, slots=True)
class MiddleSettings:
    """One thing between clients and a region, as far as it concerns bytes: `hop` is a link, `idle` seconds."""

    hop: LinkSettings | None
    idle: float | None
    expiry: IdleEnd

    @classmethod
    def of(cls, middle: Middle) -> MiddleSettings:
        """Compile one of a plan's."""
        hop = None if middle.hop is None else LinkSettings(Spread.of(middle.hop), 0.0, None, 0.0)
        return cls(hop, middle.idle, middle.expiry)


@dataclass(frozen=True, slots=True)
class ColdStartDelay:
    """A delay (`first_token`) of first tokens after so many seconds without work (`after`)."""

    after: float
    first_token: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSettings:
    """The settings of one region in one phase. Durations are seconds, speeds tokens a second."""

    rtt: Spread | None
    link: LinkSettings | None
    http2: bool
    tls: RegionTls | None
    connections: ConnectionSettings | None
    middle: tuple[MiddleSettings, ...]
    header_limit: int | None
    slots: int
    queue: int
    keep_working: bool
    first_token: Spread
    tokens: Spread
    tokens_per_second: float
    tokens_per_chunk: int
    slowdown: float
    prefill_tokens_per_second: float | None
    cold_start: ColdStartDelay | None
    tool_calls: str
    limits: LimitSettings
    models: tuple[str, ...] | None
    batches: BatchPace

    @classmethod
    def of(cls, provider: Provider, region: str) -> CompiledSettings:
        """Compile `provider` for `region`. Raises KeyError for a region that it does not have."""
        here = provider.region(region)
        capacity, answer = here.capacity, here.answer
        cold, link, rules = answer.cold_start, here.link, here.connections
        return cls(
            rtt=None if here.rtt is None else Spread.of(here.rtt),
            link=None
            if link is None
            else LinkSettings(Spread.of(link.rtt), link.jitter, link.bandwidth, link.loss),
            http2=here.http2,
            tls=here.tls,
            connections=None if rules is None else ConnectionSettings.of(rules),
            middle=tuple([MiddleSettings.of(one) for one in here.middle]),
            header_limit=min(
                [one.header_limit for one in here.middle if one.header_limit is not None], default=None
            ),
            slots=capacity.slots,
            queue=capacity.queue,
            keep_working=capacity.abandoned == "keep_working",
            first_token=Spread.of(answer.first_token),
            tokens=Spread.of(answer.tokens),
            tokens_per_second=answer.tokens_per_second,
            tokens_per_chunk=answer.tokens_per_chunk,
            slowdown=answer.slowdown,
            prefill_tokens_per_second=answer.prefill_tokens_per_second,
            cold_start=None if cold is None else ColdStartDelay(cold.after, Spread.of(cold.first_token)),
            tool_calls=answer.tool_calls,
            limits=limit_settings(here.limits),
            models=None if provider.models is None else tuple(provider.models),
            batches=provider.batches,
        )

    def token_rate(self, busy: int) -> float:
        """Return the token rate of one answer while `busy` slots are taken: base ÷ (1 + slowdown · busy ÷ slots)."""
        if not self.slowdown:
            return self.tokens_per_second
        return self.tokens_per_second / (1.0 + self.slowdown * busy / max(1, self.slots))


def limit_settings(limits: Limits) -> LimitSettings:
    """Compile the limits of a plan for the rate limiter."""
    growth = limits.growth
    return LimitSettings(
        rpm=limits.rpm,
        tpm=limits.tpm,
        burst=limits.burst,
        quantised=limits.quantised,
        refused_requests_count=limits.refused_requests_count,
        debt=limits.debt,
        says_when=limits.retry_after == "exact",
        early_return_penalty=limits.early_return_penalty,
        headers=limits.headers,
        growth=None
        if growth is None
        else GrowthSettings(growth.factor, growth.baseline, growth.recent, growth.floor),
    )
