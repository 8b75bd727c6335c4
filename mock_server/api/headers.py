"""The headers of every answer, and how OpenAI writes durations in headers and messages.

Header names are lower-case. Values are plain strings; nothing here reads a clock or draws at random: a
request's id is a hash of the draw key, so a replayed incident has the same ids.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
HTML: Final = "text/html; charset=UTF-8"

ORGANIZATION: Final = "org-windtunnel"
OPENAI_VERSION: Final = "2020-10-01"

LEAST_MS: Final = 1
"""Milliseconds that a refusal takes, and what only reads or writes an object."""

_PROCESSING = "openai-processing-ms"
_ORGANIZATION = ("openai-organization", ORGANIZATION)
_VERSION = ("openai-version", OPENAI_VERSION)
_CONTENT_TYPES: Final = {kind: ("content-type", kind) for kind in (JSON, EVENT_STREAM, HTML)}


class RequestStamp(NamedTuple):
    """What tells one answer's headers from another's: `req_<32 hex>` and milliseconds of processing."""

    request_id: str
    processing_ms: int


class LimitLevel(NamedTuple):
    """One limit as the headers tell it: its size, what is left (whole units), seconds until full again."""

    limit: int
    remaining: int
    reset_s: float


def request_stamp(seed: int, call_key: str, attempt: int = 0) -> RequestStamp:
    """The request id of one attempt, a hash of (seed, call, attempt), and the time of what takes none.

    An answer that is worked on is told how long by `processed`.
    """
    digest = blake2b(f"{seed}/request/{call_key}/{attempt}".encode(), digest_size=18).hexdigest()
    return RequestStamp("req_" + digest[:32], LEAST_MS)


def processed(headers: Headers, seconds: float) -> Headers:
    """Return `headers` with `openai-processing-ms` as what the answer takes."""
    taken = (_PROCESSING, str(max(LEAST_MS, round(seconds * 1000))))
    return tuple([taken if header[0] == _PROCESSING else header for header in headers])


def answer_headers(stamp: RequestStamp, content_type: str = JSON) -> Headers:
    """The headers that every answer of the API carries, errors included; limits are added by the engine."""
    return (
        _CONTENT_TYPES.get(content_type) or ("content-type", content_type),
        _ORGANIZATION,
        (_PROCESSING, str(stamp.processing_ms)),
        _VERSION,
        ("x-request-id", stamp.request_id),
    )


def limit_headers(*, requests: LimitLevel | None = None, tokens: LimitLevel | None = None) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the limits that the key has."""
    headers: list[tuple[str, str]] = []
    for name, level in (("requests", requests), ("tokens", tokens)):
        if level is not None:
            headers.append((f"x-ratelimit-limit-{name}", str(level.limit)))
            headers.append((f"x-ratelimit-remaining-{name}", str(max(level.remaining, 0))))
            headers.append((f"x-ratelimit-reset-{name}", format_duration(level.reset_s)))
    return tuple(headers)


def format_duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: `12ms`, `1s`, `8.64s`, `6m0s`, `1h2m3s`; rounded up to a millisecond."""
    milliseconds = max(0, math.ceil(round(seconds * 1000, 3)))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    second_part = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return second_part
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{second_part}" if hours else f"{minutes}m{second_part}"
