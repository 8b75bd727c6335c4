"""The 429 answers of the rate limiter, and the headers that go with them."""

from __future__ import annotations

import math

from windtunnel.mock_server.api import errors
from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.headers import Headers, RequestStamp, limit_headers
from windtunnel.mock_server.provider.calls import BY_FAULT
from windtunnel.mock_server.provider.rate_limiter import Quota, Refusal
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.script import Script


def retry_after(wait_s: float) -> Headers:
    """Return `retry-after-ms`, exact to the millisecond, and `retry-after`, whole seconds; both rounded up."""
    milliseconds = whole_milliseconds(wait_s)
    return (
        ("retry-after-ms", str(milliseconds)),
        ("retry-after", str(math.ceil(milliseconds / 1000))),
    )


def whole_milliseconds(wait_s: float) -> int:
    """Return a wait in milliseconds, rounded up, so that a client that waits that long is served.

    What floating point adds to a whole number of milliseconds is rounded off first.
    """
    return math.ceil(round(wait_s * 1000.0, 6))


def penalty(ticket: Ticket, quota: Quota, now: float) -> float:
    """Return the prolonged wait of a request that came back before the limiter's promised time, else 0."""
    promise, prolonged = ticket.call.promise, quota.settings.early_return_penalty
    if prolonged is None or promise is None or not ticket.came_back_early or promise.by == BY_FAULT:
        return 0.0
    return promise.until + prolonged - now


def quota_headers(quota: Quota | None, now: float) -> Headers:
    """Return the `x-ratelimit-*` headers at `now`; none without limits, or where they are switched off."""
    if quota is None or not quota.settings.headers:
        return ()
    requests, tokens = quota.levels(now)
    return limit_headers(requests=requests, tokens=tokens)


def limited(
    refusal: Refusal, quota: Quota, *, model: str, tokens: int, wait_s: float, stamp: RequestStamp, now: float
) -> Script:
    """Return the 429 for a request for `tokens`; `wait_s` is the wait that it promises."""
    headers = quota_headers(quota, now)
    if quota.settings.says_when and refusal is not Refusal.TOO_LARGE:
        headers += retry_after(wait_s)
    return _error(refusal, quota, model, tokens, wait_s, now).script(stamp, headers)


def _error(refusal: Refusal, quota: Quota, model: str, tokens: int, wait_s: float, now: float) -> ApiError:
    if refusal is Refusal.TOO_LARGE and quota.tokens is not None:
        return errors.request_too_large(model=model, limit=int(quota.tokens.capacity), requested=tokens)
    if refusal is Refusal.TOKENS and quota.tokens is not None:
        limit, used = quota.settings.tpm or 0, quota.tokens.level(now)
        return _reached("tokens", model, limit, used, tokens, wait_s)
    if refusal is Refusal.REQUESTS and quota.requests is not None:
        limit, level = quota.settings.rpm or 0, quota.requests.level(now)
        return _reached("requests", model, limit, level, 1, wait_s)
    return errors.slow_down()


def _reached(kind: str, model: str, limit: int, level: float, requested: int, wait_s: float) -> ApiError:
    used = max(0, math.ceil(round(limit - level, 6)))
    return errors.rate_limit(kind, model=model, limit=limit, used=used, requested=requested, wait_s=wait_s)
