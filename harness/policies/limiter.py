"""A local rate limiter: a token bucket in front of every try, so that a client keeps to its quota by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping

from windtunnel.harness.inputs.policies import Adaptive, Limiter
from windtunnel.harness.policies.clock import Draw
from windtunnel.harness.policies.failure import TOO_MANY_REQUESTS
from windtunnel.harness.policies.policy import LOCAL, Answer, CallState, No, Policy, TryState
from windtunnel.harness.policies.priority import priority_of, shed
from windtunnel.harness.policies.retry import number_in, promised_wait

SECONDS_PER_MINUTE = 60.0
LONGEST_HOLD_S = 60.0
"""A quota of a minute is full again by then, whatever a header says."""


class LocalLimiter:
    """A bucket that refills continuously at `rpm` a minute and holds `burst` tries at most.

    Tries reserve their turn in the order in which they ask: the level may go below zero, and what is
    missing is the wait. Tokens, if they are counted, space the turns as well: each try takes as long as its tokens
    need at `tpm` a minute.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate", "_token_rate", "_tokens_free_at")

    def __init__(self, rpm: float, burst: int = 1, tpm: float | None = None) -> None:
        self._rate = rpm / SECONDS_PER_MINUTE
        self._burst = float(burst)
        self._level = float(burst)
        self._at: float | None = None
        self._token_rate = None if tpm is None else tpm / SECONDS_PER_MINUTE
        self._tokens_free_at = -math.inf

    @property
    def rpm(self) -> float:
        """Requests a minute."""
        return self._rate * SECONDS_PER_MINUTE

    def wait(self, now: float) -> float:
        """Seconds until a try that asks now would have its turn; reserves nothing."""
        return max(0.0, (1.0 - self._filled(now)) / self._rate, self._tokens_free_at - now)

    def take(self, now: float, tokens: float = 0.0) -> float:
        """Reserve the next turn, for a try of so many tokens, and return the seconds until it."""
        wait = self.wait(now)
        self._level = self._filled(now) - 1.0
        self._at = now
        if self._token_rate is not None:
            self._tokens_free_at = now + wait + tokens / self._token_rate
        return wait

    def change(self, rpm: float, now: float) -> None:
        """Refill at another rate from now on. Turns that are reserved stay as they are."""
        self._settle(now)
        self._rate = rpm / SECONDS_PER_MINUTE

    def hold(self, seconds: float, now: float) -> None:
        """Give no turn before that has passed; the turns after it are spaced as ever."""
        self._settle(now)
        self._level = min(self._level, 1.0 - seconds * self._rate)

    def _settle(self, now: float) -> None:
        self._level = self._filled(now)
        self._at = now

    def _filled(self, now: float) -> float:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        return min(self._burst, self._level + passed * self._rate)


class AdaptiveRate:
    """The rate of a limiter that finds it by itself: additive increase, multiplicative decrease.

    As TCP does, it grows with every success, so it does not grow while nobody uses it.
    """

    __slots__ = ("_ceiling", "_cut_at", "_limiter", "_settings")

    def __init__(self, settings: Adaptive, limiter: LocalLimiter) -> None:
        self._settings = settings
        self._limiter = limiter
        self._ceiling = math.inf
        self._cut_at = -math.inf

    def answered(self, status: int, headers: Mapping[str, str], now: float, wall: float) -> None:
        """An answer's head is here: the rate, and whether any turn is given now, follow from it.

        `headers` have lower-case names; `wall` is for a Retry-After that is a date.
        """
        if self._settings.headers:
            self._read(headers)
        rate = self._limiter.rpm
        if status == TOO_MANY_REQUESTS:
            if now >= self._cut_at + self._settings.settle:
                self._cut_at = now
                rate *= self._settings.decrease
        elif status < 400:
            rate += self._settings.increase * SECONDS_PER_MINUTE / rate
        rate = max(self._settings.floor, min(rate, self._ceiling))
        if rate != self._limiter.rpm:
            self._limiter.change(rate, now)
        hold = self._hold(status, headers, wall) if self._settings.headers else 0.0
        if hold > 0:
            self._limiter.hold(min(hold, LONGEST_HOLD_S), now)

    def _read(self, headers: Mapping[str, str]) -> None:
        limit = number_in(headers.get("x-ratelimit-limit-requests"))
        if limit is not None and limit > 0:
            self._ceiling = limit

    def _hold(self, status: int, headers: Mapping[str, str], wall: float) -> float:
        """Seconds in which no try would be served, as far as the headers say it."""
        if status == TOO_MANY_REQUESTS:
            return promised_wait(headers, wall) or 0.0
        remaining = number_in(headers.get("x-ratelimit-remaining-requests"))
        if remaining is not None and remaining < 1 and self._ceiling < math.inf:
            return SECONDS_PER_MINUTE / self._ceiling
        return 0.0


class LimiterPolicy(Policy):
    """The instance's limiter, which may find its rate by itself, and sheds calls by their priority."""

    name = "limiter"

    def __init__(self, settings: Limiter, draw: Draw) -> None:
        if settings.rpm == "quota" or settings.tpm == "quota":
            raise ValueError("the limiter's quota must be a number by now: a cell's plan resolves it")
        tpm = None if settings.tpm is None else float(settings.tpm)
        self.limiter = LocalLimiter(float(settings.rpm), settings.burst, tpm)
        self._rate = None if settings.adaptive is None else AdaptiveRate(settings.adaptive, self.limiter)
        self._priorities = settings.priorities
        self.counts_tokens = settings.tpm is not None
        self._draw = draw

    def may_begin(self, call: CallState, target: str, now: float) -> Answer:
        if self in call.own or target == LOCAL:
            return None  # this is the turn that it has waited for
        wait = self.limiter.wait(now)
        if self._priorities:
            of_call = priority_of(self._priorities, call.priority, self._draw(f"{call.call_id}/priority", 0))
            if shed(of_call, wait):
                return No("shed")
        return wait

    def waits(self, call: CallState, target: str, seconds: float, now: float) -> None:
        self.limiter.take(now, call.tokens)
        call.own[self] = True

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        call.own.pop(self, None)

    def answered(
        self, call: CallState, one: TryState, status: int, headers: Mapping[str, str], now: float, wall: float
    ) -> None:
        if self._rate is not None:
            self._rate.answered(status, headers, now, wall)

    def says(self, call: CallState, now: float) -> str:
        return f"limiter's next turn in {self.limiter.wait(now):.3f} s"
