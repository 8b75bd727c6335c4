"""What a client made of an answer, as a sentence that is the same every time."""

from __future__ import annotations

import ssl

from windtunnel.harness.clients.reading import CUT_REASONS, AnswerFailedError
from windtunnel.harness.matrix.cases import PATIENT, Case
from windtunnel.harness.matrix.observed_call import ObservedAnswer, ObservedCall
from windtunnel.mock_server.manual.clients import ENDLESS, NOT_RETRIED, RETRIED, TRUE

CORRUPTED = "success, but the content is wrong (silent corruption)"
EMPTY = "success, but the answer is empty (silent corruption)"
EMPTY_AND_OPEN = "success, but the answer is empty and has no {what} (silent corruption)"
INCOMPLETE = "success, incomplete: no {what} (silent, unless the application checks)"
ERROR_UNRAISED = "no exception: only code that looks for `error` events sees the error"
FAILURE_UNRAISED = (
    "no exception, although the answer's own status is `{status}`: "
    "only code that reads the status sees the error"
)
"""windtunnel's own clients look at both, so in a run such a call ends as an error."""

_HEALTHY = ("stop", "tool_calls")
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


def sentence_of(case: Case, call: ObservedCall, truth: str | None, retried: bool | None) -> str:
    """The sentence. `truth` is the digest of what the server meant to say; `retried` None without a failure."""
    error = call.error
    if error is None or isinstance(error, AnswerFailedError):
        sentence = _success(case, call.answer, truth, failed=error is not None)
    else:
        sentence = _failure(case, call, error, truth)
    if call.took > PATIENT and _timeout(error) is None:
        sentence = f"waits longer than its read timeout, which {ENDLESS}; then {sentence}"
    if retried is None:
        return sentence
    return sentence + (RETRIED if retried else NOT_RETRIED)


def _success(case: Case, answer: ObservedAnswer, truth: str | None, *, failed: bool) -> str:
    """What the client took for an answer. `failed`: an event or the status in it says that it is none."""
    what, word = ("finish reason", "finish_reason") if case.api == "chat" else ("terminal event", "status")
    if answer.status is None:
        return (
            ERROR_UNRAISED if failed else (INCOMPLETE if answer.content else EMPTY_AND_OPEN).format(what=what)
        )
    if failed:
        return FAILURE_UNRAISED.format(status=answer.status)
    if answer.digest(answer.finish) == truth:
        return TRUE if answer.usage else f"{TRUE}, without its usage"
    if answer.refused:
        return "success, but the answer is a refusal and has no other content"
    if answer.finish in CUT_REASONS:
        words = ", ".join([f"`{name}`" for name in (answer.status, answer.reason) if name])
        return f"success, but the answer is cut short, as its {word} says ({words})"
    if answer.finish not in _HEALTHY and truth in [answer.digest(finish) for finish in _HEALTHY]:
        return f"success: the content is true, {word} is `{answer.status}`"
    return CORRUPTED if answer.content else EMPTY


def _failure(case: Case, call: ObservedCall, error: BaseException, truth: str | None) -> str:
    sentence = _named(error)
    if case.fault in _CUT_ANYWHERE and type(error).__name__ in _DECODING:
        sentence = f"{' or '.join([f'`{name}`' for name in _DECODING])}, by where the cut falls"
    if call.stage == "using":
        return f"success, but it fails when the application uses it: {sentence}"
    if call.stage == "reading":
        sentence = (
            f"{sentence} in the application"
            if case.stream
            else f"success, but it fails when the application reads it: {sentence}"
        )
    if timeout := _timeout(error):
        sentence = f"waits until its {timeout} timeout: {sentence}"
    answer = call.answer
    if not (answer.content and case.stream):
        return sentence
    whole = answer.status is not None and _is_true(answer, truth)
    return f"{'all of the content' if whole else 'content'}, then {sentence}"


def _is_true(answer: ObservedAnswer, truth: str | None) -> bool:
    """Whether it is what the server meant to say. Pieces that are no text, and cannot be joined, are not."""
    try:
        return answer.digest(answer.finish) == truth
    except TypeError:
        return False


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
    sentence = " ← ".join([f"`{name}`" for name in names])
    status = _status(error)
    if status is not None and _MALFORMED in names:
        return f"{sentence} (a status {status} of its own)"
    if status is not None:
        return f"{sentence} (status {status})"
    if words := _of_tls(error):
        return f"{sentence}: {words}"
    if type(error).__name__ == "APIError":
        return f"{sentence}: {str(error).partition('.')[0]}…"
    return sentence


def _of_tls(error: BaseException | None) -> str:
    """Why a certificate was refused, or OpenSSL's reason for the end of a handshake; empty for any other failure."""
    while error is not None:
        # aiohttp's own exceptions are subclasses of OpenSSL's, and have those that they stand for as attributes.
        below = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
        if isinstance(below, ssl.SSLCertVerificationError):
            return str(below.verify_message).rstrip(".")
        if isinstance(below, ssl.SSLError):
            return str(below.reason)
        error = error.__cause__ or error.__context__
    return ""


def _status(error: BaseException) -> int | None:
    """The status by which a client refused an answer: each calls it differently."""
    places = (error, getattr(error, "response", None))
    for status in [getattr(place, name, None) for place in places for name in ("status_code", "status")]:
        if isinstance(status, int) and status >= 300:
            return status
    return None
