"""Rate limits per key and model: requests and tokens per minute, and how fast traffic grows.

    check ──► None ──────────────► charge ──► settle (what was not used comes back)
          └─► Refusal ──► charge_refused ──► wait (exact)

Checking takes nothing, since a request that passes here may still find the queue full.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from windtunnel.mock_server.api.headers import LimitLevel
from windtunnel.mock_server.provider.buckets import TOLERANCE, Bucket
from windtunnel.mock_server.provider.growth import GrowthMeter, GrowthSettings

REMEMBERED_QUOTAS = 10_000
"""Pairs of key and model with a state of their own; the least recently used one is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """`burst` is in minutes' worth; `early_return_penalty` in seconds; `says_when` sends Retry-After."""

    rpm: int | None = None
    tpm: int | None = None
    burst: float = 1.0
    quantised: bool = False
    refused_requests_count: bool = True
    debt: bool = False
    says_when: bool = True
    early_return_penalty: float | None = None
    headers: bool = True
    growth: GrowthSettings | None = None

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return self.rpm is not None or self.tpm is not None or self.growth is not None

    @property
    def request_capacity(self) -> float:
        """What the RPM bucket holds: a minute's worth, or a second's if quantised, but one request at least."""
        window = 60.0 if self.quantised else 1.0
        return max(1.0, (self.rpm or 0) * self.burst / window)

    @property
    def token_capacity(self) -> float:
        """What the TPM bucket holds. Never quantised: one request often asks for more than a second's worth."""
        return (self.tpm or 0) * self.burst


class Refusal(Enum):
    """The reason why the limiter refuses a request."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    TOO_LARGE = "too_large"
    GROWTH = "growth"


class Quota:
    """The limits of one key for one model, with their levels. `requests`, `tokens`, `growth` are None if unlimited."""

    __slots__ = ("growth", "requests", "settings", "tokens")

    def __init__(self, settings: LimitSettings, now: float) -> None:
        self.settings = settings
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.growth: GrowthMeter | None = None
        self.reshape(settings, now)

    def reshape(self, settings: LimitSettings, now: float) -> None:
        """Apply other limits. Levels stay; a limit that was not there begins full."""
        self.settings = settings
        self.requests = _reshaped(self.requests, settings.rpm, settings.request_capacity, now)
        self.tokens = _reshaped(self.tokens, settings.tpm, settings.token_capacity, now)
        if settings.growth is None:
            self.growth = None
        elif self.growth is None or self.growth.settings != settings.growth:
            self.growth = GrowthMeter(settings.growth, now)

    def check(self, tokens: float, now: float) -> Refusal | None:
        """Return why a request for `tokens` is refused now, or None. Takes nothing."""
        if self.requests is not None and not self.requests.holds(1.0, now):
            return Refusal.REQUESTS
        if self.tokens is not None:
            if tokens > self.tokens.capacity + TOLERANCE:
                return Refusal.TOO_LARGE
            if not self.tokens.holds(tokens, now):
                return Refusal.TOKENS
        if self.growth is not None and self.growth.wait(now) > 0.0:
            return Refusal.GROWTH
        return None

    def charge(self, tokens: float, now: float) -> None:
        """Take what an admitted request costs."""
        if self.requests is not None:
            self.requests.take(1.0, now)
        if self.tokens is not None:
            self.tokens.take(tokens, now)
        if self.growth is not None:
            self.growth.add(now)

    def charge_refused(self, now: float) -> None:
        """Take what a refused request costs: min(1, level) requests (a whole one with `debt`), no tokens."""
        settings = self.settings
        if not settings.refused_requests_count:
            return
        if self.requests is not None:
            if settings.debt:
                self.requests.take(1.0, now)
            else:
                self.requests.drain(1.0, now)
        if self.growth is not None:
            self.growth.add(now)

    def settle(self, unused: float, now: float) -> None:
        """Give back the tokens that were charged and not used."""
        if self.tokens is not None:
            self.tokens.give_back(unused, now)

    def wait(self, tokens: float, now: float) -> float:
        """Return the seconds until a request for `tokens` passes every limit, if no other comes meanwhile."""
        wait = 0.0
        if self.requests is not None:
            wait = self.requests.wait_for(1.0, now)
        if self.tokens is not None:
            wait = max(wait, self.tokens.wait_for(tokens, now))
        if self.growth is not None:
            wait = max(wait, self.growth.wait(now))
        return wait

    def levels(self, now: float) -> tuple[LimitLevel | None, LimitLevel | None]:
        """Return the levels of requests and tokens as the headers state them; None where there is no limit."""
        settings = self.settings
        return _level(self.requests, settings.rpm, now), _level(self.tokens, settings.tpm, now)


def _level(bucket: Bucket | None, limit: int | None, now: float) -> LimitLevel | None:
    if bucket is None or limit is None:
        return None
    level = bucket.level(now)
    return LimitLevel(limit, int(level + TOLERANCE), bucket.wait_for(bucket.capacity, now))


def _reshaped(bucket: Bucket | None, per_minute: int | None, capacity: float, now: float) -> Bucket | None:
    if per_minute is None:
        return None
    if bucket is None:
        return Bucket(capacity, per_minute / 60.0, now)
    bucket.reshape(capacity, per_minute / 60.0, now)
    return bucket


class RateLimiter:
    """The quotas of one region, by key and model."""

    __slots__ = ("_quotas", "settings")

    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self._quotas: OrderedDict[tuple[str, str], Quota] = OrderedDict()

    def quota(self, key_hash: str, model: str, now: float) -> Quota | None:
        """The quota of a key for a model; None if nothing is limited."""
        if not self.settings.any:
            return None
        key = (key_hash, model)
        quota = self._quotas.get(key)
        if quota is None:
            quota = self._quotas[key] = Quota(self.settings, now)
            if len(self._quotas) > REMEMBERED_QUOTAS:
                self._quotas.popitem(last=False)
        else:
            self._quotas.move_to_end(key)
        return quota

    def change(self, settings: LimitSettings, now: float) -> None:
        """Apply other limits from `now` on."""
        if settings == self.settings:
            return
        self.settings = settings
        for quota in self._quotas.values():
            quota.reshape(settings, now)

    def levels(self, now: float, most: int = 20) -> list[dict[str, object]]:
        """Return the most recently used quotas for the admin API: key hash, model, what is left."""
        shown: list[dict[str, object]] = []
        for (key_hash, model), quota in list(reversed(self._quotas.items()))[:most]:
            requests, tokens = quota.levels(now)
            growth = quota.growth
            shown.append(
                {
                    "key_hash": key_hash,
                    "model": model,
                    "remaining_requests": None if requests is None else requests.remaining,
                    "remaining_tokens": None if tokens is None else tokens.remaining,
                    "most_requests": None if quota.requests is None else quota.requests.capacity,
                    "most_tokens": None if quota.tokens is None else quota.tokens.capacity,
                    "growth_wait_s": None if growth is None else growth.wait(now),
                }
            )
        return shown
