"""What a client made of an answer, as a sentence that is the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from windtunnel.harness.matrix.cases import PATIENT, Case
from windtunnel.harness.matrix.reading import Reading
from windtunnel.mock_server.manual.clients import ENDLESS, NOT_RETRIED, RETRIED, TRUE

CORRUPTED = "success, but the content is not what was meant (silent corruption)"
EMPTY = "success, but nothing in it (silent corruption)"
EMPTY_AND_OPEN = "success, but nothing in it and no {what} (silent corruption)"
INCOMPLETE = "success, incomplete: no {what} (silent, unless the application checks)"
ERROR_UNHEARD = (
    "success, incomplete: the `error` event is one among others (silent, unless the application looks for it)"
)

_HEALTHY = ("stop", "tool_calls")
_CUT = ("length", "content_filter")
_MOST_CAUSES = 2
_PLUMBING = ("TimeoutError", "CancelledError")
"""How a library waits: no cause that anybody would look for."""

_MALFORMED = "HttpProcessingError"
"""What aiohttp makes of bytes that are no HTTP: an error with a status that nobody sent."""

_TIMEOUTS = {
    "ReadTimeout": "read",
    "SocketTimeoutError": "read",
    "ConnectTimeout": "connect",
    "ConnectionTimeoutError": "connect",
}

_CUT_ANYWHERE = ("bad_gzip",)
"""Faults that cut JSON at a byte which depends on the second in which it was sent."""

_DECODING = ("JSONDecodeError", "UnicodeDecodeError")

Stage: TypeAlias = Literal["client", "reading", "using"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as its client saw it.

    `error` is what ended it and `stage` whose it is: the client's own, or the application's, which had taken what it
    got for an answer and was reading it, or using what it had read. `took` is in seconds.
    """

    reading: Reading
    took: float
    error: BaseException | None = None
    stage: Stage = "client"

    @property
    def failed(self) -> bool:
        """Whether the client itself reported a failure."""
        return self.error is not None and self.stage == "client"


def tell(case: Case, seen: Seen, truth: str | None, retried: bool | None) -> str:
    """The sentence. `truth` is the digest of what the server meant to say; `retried` None where nobody would."""
    told = (
        _success(case, seen.reading, truth) if seen.error is None else _failure(case, seen, seen.error, truth)
    )
    if seen.took > PATIENT and _timeout(seen.error) is None:
        told = f"waits longer than its read timeout, which {ENDLESS}; then {told}"
    if retried is None:
        return told
    return told + (RETRIED if retried else NOT_RETRIED)


def _success(case: Case, reading: Reading, truth: str | None) -> str:
    what, word = ("finish reason", "finish_reason") if case.api == "chat" else ("terminal event", "status")
    if reading.status is None:
        return _unfinished(reading, what)
    if reading.digest(reading.finish) == truth:
        return TRUE if reading.usage else f"{TRUE}, without its usage"
    if reading.status == "failed":
        return "success that says of itself that it failed (status `failed`)"
    if any(reading.refusal):
        return "success that says of itself that it is a refusal, and has no other content"
    if reading.finish in _CUT:
        words = ", ".join([f"`{name}`" for name in (reading.status, reading.reason) if name])
        return f"success that says of itself that it was cut short ({word} {words})"
    if reading.finish not in _HEALTHY and truth in [reading.digest(finish) for finish in _HEALTHY]:
        return f"success: the content is true, {word} is `{reading.status}`"
    return CORRUPTED if reading.content else EMPTY


def _unfinished(reading: Reading, what: str) -> str:
    if reading.told:
        return ERROR_UNHEARD
    return (INCOMPLETE if reading.content else EMPTY_AND_OPEN).format(what=what)


def _failure(case: Case, seen: Seen, error: BaseException, truth: str | None) -> str:
    told = _named(error)
    if case.fault in _CUT_ANYWHERE and type(error).__name__ in _DECODING:
        told = f"{' or '.join([f'`{name}`' for name in _DECODING])}, by where the cut falls"
    if seen.stage == "using":
        return f"success, until the application uses it: {told}"
    if seen.stage == "reading":
        told = (
            f"{told} in the application"
            if case.stream
            else f"success, until the application reads it: {told}"
        )
    if timeout := _timeout(error):
        told = f"waits until its {timeout} timeout: {told}"
    reading = seen.reading
    if not (reading.content and case.stream):
        return told
    whole = reading.status is not None and reading.digest(reading.finish) == truth
    return f"{'all of the content' if whole else 'content'}, then {told}"


def _timeout(error: BaseException | None) -> str | None:
    """Which timeout it was, if one."""
    names = [] if error is None else _types(error)
    return next((_TIMEOUTS[name] for name in names if name in _TIMEOUTS), None)


def _types(error: BaseException) -> list[str]:
    """The types of an exception and of its causes; what a library only passes on stands once."""
    names: list[str] = []
    link: BaseException | None = error
    while link is not None:
        kind = type(link)
        name = kind.__name__ if kind.__name__[0].isupper() else f"{kind.__module__}.{kind.__name__}"
        if name not in names and not (names and name in _PLUMBING):
            names.append(name)
        link = link.__cause__
    return names[:_MOST_CAUSES]


def _named(error: BaseException) -> str:
    """`Type` ← `Cause`, with the status of an error answer, or the words of an error inside a stream."""
    names = _types(error)
    told = " ← ".join([f"`{name}`" for name in names])
    status = _status(error)
    if status is not None and _MALFORMED in names:
        return f"{told} (a status {status} of its own)"
    if status is not None:
        return f"{told} (status {status})"
    if type(error).__name__ == "APIError":
        return f"{told}: {str(error).partition('.')[0]}…"
    return told


def _status(error: BaseException) -> int | None:
    """The status by which a client refused an answer: each calls it differently."""
    places = (error, getattr(error, "response", None))
    for status in [getattr(place, name, None) for place in places for name in ("status_code", "status")]:
        if isinstance(status, int) and status >= 300:
            return status
    return None
