"""The retry headers of an error: retry-after, retry-after-ms, x-should-retry, in every spelling."""

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import formatdate
from typing import Annotated

from pydantic import Field, StringConstraints

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import FaultContext, Headers, Params
from windtunnel.mock_server.plan.units import Seconds, parse_seconds

HeaderText = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]

LEFT_OUT = "none"


class RetryParams(Params):
    """What every status error takes. Naming any retry-after replaces what the error says by itself."""

    retry_after: HeaderText | None = Field(
        default=None,
        description="`retry-after`: a duration such as `5s` (sent in seconds, rounded up), `none`, or any "
        'other text, sent as it is: `"0"`, `"-1"`, `"999999"`, `"soon"`, an HTTP date.',
    )
    retry_after_ms: HeaderText | None = Field(
        default=None,
        description="`retry-after-ms`: a duration such as `174ms`, `none`, or any other text, sent as it is.",
    )
    retry_after_date: Seconds | None = Field(
        default=None, description="`retry-after` as an HTTP date that lies this far ahead."
    )
    should_retry: bool | None = Field(
        default=None, description="`x-should-retry: true` or `false`, which SDKs obey."
    )
    headers: dict[HeaderName, HeaderText] = Field(
        default={}, description="Further headers; they replace those of the same name."
    )


def duration_of(text: str | None) -> float | None:
    """The seconds that a retry parameter means, or None where it is no duration."""
    if text is None:
        return None
    try:
        return parse_seconds(text)
    except PlanError:
        return None


def retry_headers(params: RetryParams, ctx: FaultContext, wait: float | None = None) -> Headers:
    """The headers that these parameters ask for; `wait` (seconds) is what the error says by itself."""
    retry_given = (params.retry_after, params.retry_after_ms, params.retry_after_date)
    headers: list[tuple[str, str]] = []
    if wait is not None and retry_given == (None, None, None):
        headers += [("retry-after-ms", _milliseconds(wait)), ("retry-after", _whole_seconds(wait))]
    headers += _one("retry-after-ms", params.retry_after_ms, _milliseconds)
    headers += _one("retry-after", params.retry_after, _whole_seconds)
    if params.retry_after_date is not None:
        date = formatdate(math.ceil(ctx.created + params.retry_after_date), usegmt=True)
        headers.append(("retry-after", date))
    if params.should_retry is not None:
        headers.append(("x-should-retry", "true" if params.should_retry else "false"))
    return tuple(headers)


def told_wait(params: RetryParams, ctx: FaultContext, own: float) -> float:
    """The wait in seconds that the headers of these parameters tell a client; `own` where they tell none.

    What is said in words is this wait, so that who reads the message waits as long as who reads the header.
    """
    told = dict(retry_headers(params, ctx))
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(told[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait) and wait >= 0:
            return wait
    return own if params.retry_after_date is None else params.retry_after_date


def replaced(headers: Headers, by: Headers) -> Headers:
    """`headers` without those whose names are in `by`, and then `by`."""
    names = {name.lower() for name, _ in by}
    return (*(header for header in headers if header[0].lower() not in names), *by)


def _one(name: str, text: str | None, spell: Callable[[float], str]) -> list[tuple[str, str]]:
    if text is None or text == LEFT_OUT:
        return []
    seconds = duration_of(text)
    return [(name, text if seconds is None else spell(seconds))]


def _milliseconds(seconds: float) -> str:
    return str(math.ceil(round(seconds * 1000, 3)))


def _whole_seconds(seconds: float) -> str:
    return str(math.ceil(round(seconds, 6)))
