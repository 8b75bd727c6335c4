"""Whether a failed try is made again, and after how long: pure functions of the policy, the failure and a draw.

retryable? ──► promised wait (retry-after-ms, retry-after) ──► else backoff, with jitter
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from windtunnel.harness.inputs.policies import Retries
from windtunnel.harness.policies.clock import Draw, Now
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.policy import CallState, Policy, TryState

MAX_EXPONENT = 1000
"""Above it 2.0 ** n overflows."""


def retryable(policy: Retries, failure: Failure) -> bool:
    """Whether the policy makes another try after this failure, if it has tries left."""
    if policy.respect_should_retry:
        said = failure.headers.get("x-should-retry")
        if said in ("true", "false"):
            return said == "true"
    return failure.is_one_of(policy.retry_on)


def promised_wait(headers: Mapping[str, str], wall_s: float) -> float | None:
    """Seconds after which the provider wants to be asked again, or None if it does not say (or says nonsense).

    `retry-after-ms` goes first, then `retry-after` in seconds or as an HTTP date, which counts from
    `wall_s` (seconds since the epoch).
    """
    milliseconds = number_in(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = number_in(text)
    if seconds is not None or text is None:
        return seconds
    try:
        return parsedate_to_datetime(text).timestamp() - wall_s
    except (ValueError, OverflowError):
        return None


def number_in(text: str | None) -> float | None:
    """The finite number that a header says, or None."""
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def backoff(policy: Retries, retry: int, last_s: float | None, u: float, *, throttled: bool = False) -> float:
    """Seconds before retry number `retry` (from 0), from a draw `u` in [0, 1); `last_s` is the wait before it.

    The jitters are those of Brooker, 'Exponential Backoff And Jitter' (2015), and `down25`, the SDK's.
    """
    base = policy.throttle_base if throttled and policy.throttle_base is not None else policy.base
    grown = base * 2.0 ** min(retry, MAX_EXPONENT)
    wait = base if policy.kind == "fixed" else min(grown, policy.cap)
    match policy.jitter:
        case "full":
            return wait * u
        case "equal":
            return wait / 2 + wait / 2 * u
        case "decorrelated":
            most = max(base, 3 * (base if last_s is None else last_s))
            return min(policy.cap, base + (most - base) * u)
        case "down25":
            return wait * (1 - 0.25 * u)
    return wait


def next_wait(
    policy: Retries, failure: Failure, retry: int, last_s: float | None, u: float, wall_s: float
) -> float | None:
    """Seconds to wait before retry number `retry` (from 0) after `failure`; None: there is none.

    A promise of zero, below zero or that cannot be read counts as none, as in the SDK.
    """
    if policy.kind == "none" or retry + 1 >= policy.tries or not retryable(policy, failure):
        return None
    promised = promised_wait(failure.headers, wall_s) if policy.respect_retry_after else None
    if promised is None or promised <= 0:
        return backoff(policy, retry, last_s, u, throttled=failure.throttled)
    if policy.retry_after_cap is not None and promised > policy.retry_after_cap:
        return None
    return promised * (1 + policy.retry_after_jitter * u)


class RetryPolicy(Policy):
    """Retries around the driver."""

    name = "retry"

    def __init__(self, settings: Retries, draw: Draw, wall: Now) -> None:
        self._settings = settings
        self._draw = draw
        self._wall = wall

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        if one.failure is None:
            return None
        u = self._draw(call.call_id, call.retries)
        return next_wait(self._settings, one.failure, call.retries, call.last_wait_s, u, self._wall())
