"""From what a client raised to what its row says: one table for all drivers."""

from __future__ import annotations

import http.client
import ssl
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import aiohttp
import httpx2
import openai

from windtunnel.harness.policies.call import CallEnding
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import WatchdogTimeout

OutcomeName: TypeAlias = Literal[
    "ok", "incomplete", "error", "timeout", "deadline", "cancelled", "shed", "unfinished"
]

TIMEOUTS = (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)
CONNECTIONS = (
    openai.APIConnectionError,
    httpx2.TransportError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    aiohttp.http_exceptions.HttpProcessingError,
    http.client.HTTPException,
    OSError,
    ssl.SSLError,
)
MAX_CAUSES = 10
REFUSED_BY = {"shed": "LimiterRefused", "breaker": "BreakerOpen"}
"""What a call's error is called that a policy of its own refused."""

LAYER_NAMES = {
    "total": "DeadlineExceeded",
    "first_content": "FirstContentTimeout",
    "between_contents": "BetweenContentsTimeout",
}


class ToldError(Exception):
    """A failure that a client in another process tells of: in its own words, as nobody here has seen its exception.

    `headers` are those of the last answer, in lower case, where the client shows them.
    """

    def __init__(
        self,
        outcome: OutcomeName,
        error_type: str,
        message: str = "",
        *,
        cause: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome: OutcomeName = outcome
        self.error_type = error_type
        self.cause = cause
        self.status = status
        self.headers: Mapping[str, str] = headers or {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row says of a call's end. `delivered`: the application got an answer that it took for one."""

    outcome: OutcomeName
    error: BaseException | None = None
    error_type: str | None = None
    error_cause: str | None = None

    @property
    def delivered(self) -> bool:
        return self.outcome in ("ok", "incomplete")


def failure_of(error: BaseException, *, opened: bool) -> Failure:
    """What policies see of an exception. `opened`: a 2xx answer had begun to be handed to the application."""
    forget_frames(error)
    if isinstance(error, WatchdogTimeout):
        return Failure("timeout" if error.layer == "first_content" else "broken_answer", error)
    if opened:
        return Failure("broken_answer", error)
    answered = _status_of(error)
    if answered is not None:
        return Failure("status", error, *answered)
    if is_timeout(error):
        return Failure("timeout", error)
    if _is_connection(error):
        return Failure("connection", error)
    return Failure("broken_answer", error)


def _status_of(error: BaseException) -> tuple[int, Mapping[str, str]] | None:
    """(status, headers) of the answer that an exception stands for; None if it stands for something else."""
    if isinstance(error, ToldError):
        return None if error.status is None else (error.status, error.headers)
    legacy = _legacy("HTTPStatusError")
    if isinstance(error, (openai.APIStatusError, httpx2.HTTPStatusError, *legacy)):
        response = error.response  # type: ignore[attr-defined]  # httpx's has it as well
        return response.status_code, response.headers
    if isinstance(error, _legacy("HTTPError", "requests")):
        answer = getattr(error, "response", None)
        return None if answer is None else (answer.status_code, answer.headers)
    if isinstance(error, urllib.error.HTTPError):
        return error.code, error.headers  # type: ignore[return-value]  # a message has what is used of a mapping
    # aiohttp calls an answer that it cannot parse a response with status 400: the cause tells the two apart.
    if isinstance(error, aiohttp.ClientResponseError) and error.__cause__ is None:
        return error.status, error.headers or {}
    return None


def is_timeout(error: BaseException) -> bool:
    """Whether a client gave up waiting."""
    if isinstance(error, ToldError):
        return error.outcome == "timeout"
    kinds = (
        *TIMEOUTS,
        *_legacy("TimeoutException"),
        *_legacy("Timeout", "requests"),
        *_legacy("TimeoutError", "urllib3.exceptions"),
    )
    return any(isinstance(one, kinds) for one in _wrapped(error))


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """The error, and what requests and urllib have put into it: they wrap one into another by argument or `reason`."""
    link: object = error
    for _ in range(MAX_CAUSES):
        if not isinstance(link, BaseException):
            return
        yield link
        link = getattr(link, "reason", None) or (link.args[0] if link.args else None)


def _is_connection(error: BaseException) -> bool:
    if isinstance(error, ToldError):
        return "connect" in error.error_type.lower()
    if isinstance(error, aiohttp.ClientResponseError):
        return error.__cause__ is not None
    kinds = (
        *CONNECTIONS,
        *_legacy("TransportError"),
        *_legacy("HTTPError", "urllib3.exceptions"),
        *_legacy("H2Error", "h2.exceptions"),  # escapes from httpx after a GOAWAY
    )
    return isinstance(error, kinds)


def _legacy(name: str, library: str = "httpx") -> tuple[type[BaseException], ...]:
    """An exception of a library that only a user's own client has imported, if it has: httpx, the predecessor of
    httpx2, requests, urllib3, or h2."""
    module = sys.modules.get(library)
    kind = getattr(module, name, None)
    return () if kind is None else (kind,)


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an exception and of what caused it; its types and messages stay.

    A failure that is kept refers to frames that refer to it: only the collector could free them, and in a storm its
    pauses (tens of milliseconds) would be the harness's own latency.
    """
    link: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if link is None:
            return
        link.__traceback__ = None
        link = link.__cause__ or link.__context__


def names_of(error: BaseException) -> tuple[str, str | None]:
    """(type of the error, type of its `__cause__`): the SDK reports a full local pool as a timeout."""
    if isinstance(error, WatchdogTimeout):
        return LAYER_NAMES[error.layer], None
    if isinstance(error, ToldError):
        return error.error_type, error.cause
    cause = error.__cause__
    return type(error).__name__, None if cause is None else type(cause).__name__


def outcome_of(ending: CallEnding, *, incomplete: bool) -> Outcome:
    """Return the outcome of a call that `play` ended. `incomplete`: the answer says so and the profile checks it."""
    failure = ending.failure
    if ending.gave_up in REFUSED_BY:
        # Also where a retry was refused: what it would have come to nobody knows, and the client did not want to.
        cause = None if failure is None else names_of(failure.error)[0]
        return Outcome("shed", error_type=REFUSED_BY[ending.gave_up], error_cause=cause)
    if failure is None:
        return Outcome("incomplete" if incomplete else "ok")
    error = failure.error
    timed_out = isinstance(error, WatchdogTimeout) or is_timeout(error)
    outcome: OutcomeName = "timeout" if timed_out else "error"
    if isinstance(error, ToldError):
        outcome = error.outcome
    if ending.gave_up == "deadline":
        outcome = "deadline"
    return Outcome(outcome, error, *names_of(error))


def overdue(error: WatchdogTimeout) -> Outcome:
    """Return the outcome of a call whose total ran out."""
    return Outcome("deadline", error, *names_of(error))


def cancelled(error: BaseException | None) -> Outcome:
    """Return the outcome of a call that the application itself has cancelled."""
    return Outcome("cancelled", None, None if error is None else type(error).__name__)


def cut_off(outcome: Outcome) -> Outcome:
    """Return the outcome of a call that the harness ended, whatever the application made of that."""
    return Outcome("unfinished", None, outcome.error_type, outcome.error_cause)
