"""What the harness and a client that is a program of its own say to each other: JSON objects, one a line.

    harness ── call, cancel ──► stdin  of the program
    harness ◄── ready, started, first_content, content, ended ── stdout of the program

Whatever else a program writes is no message. It is told apart here, and never believed to be one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import orjson

from windtunnel.harness.clients.base import CallSpec
from windtunnel.harness.clients.reading import JsonAnswer, json_answer

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Bytes of a line at most: what is longer is no answer of a model."""

MOST_AT_ONCE: Final = 100_000
SHOWN: Final = 120
WHOLE: Final = "stop"
"""The finish reason of an answer that is all there."""

EndedAs: TypeAlias = Literal["ok", "incomplete", "error", "timeout", "deadline", "cancelled"]
FAILURES: Final = ("error", "timeout", "deadline", "cancelled")


class ProtocolError(Exception):
    """A line that is no message. `call_id` is the call that it names, if it names one."""

    def __init__(self, what: str, call_id: str | None = None) -> None:
        super().__init__(what)
        self.call_id = call_id


@dataclass(frozen=True, slots=True)
class Ready:
    """The program takes calls: `concurrency` of them at once. `cancel`: it stops a call when told to."""

    concurrency: int
    cancel: bool
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """A call has begun, or content has come; `text` is the piece of it, if the program says it."""

    event: Literal["started", "first_content", "content"]
    call_id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over. Of `text`, `digest` and `answer` at most one is given.

    A program that says nothing of a finish reason hands its text on as all of the answer; null says that none was seen.
    """

    call_id: str
    outcome: EndedAs
    error_type: str | None = None
    error_cause: str | None = None
    error_message: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    finish_reason: str | None = WHOLE
    digest: str | None = None
    answer: JsonAnswer | None = None


Message: TypeAlias = Ready | Progress | CallEnded


def call_line(
    spec: CallSpec,
    call_id: str,
    *,
    base_url: str,
    api_key: str,
    headers: Mapping[str, str],
    deadline_s: float | None,
) -> bytes:
    """Return the line that hands a call over."""
    return _line(
        {
            "event": "call",
            "call_id": call_id,
            "base_url": base_url,
            "api_key": api_key,
            "api": spec.api,
            "model": spec.body.get("model"),
            "messages": spec.body.get("messages"),
            "input": spec.body.get("input"),
            "stream": spec.stream,
            "deadline_s": deadline_s,
            "headers": dict(headers),
            "body": dict(spec.body),
        }
    )


def cancel_line(call_id: str) -> bytes:
    """Return the line that takes a call back."""
    return _line({"event": "cancel", "call_id": call_id})


def _line(message: Mapping[str, Any]) -> bytes:
    # Plain ASCII: a line is a line then in every language, also where U+2028 ends one.
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Cuts what a program writes into lines. Of one that is too long nothing but its beginning is kept."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now. Raises ProtocolError where one is too long."""
        self._rest += data
        lines: list[bytes] = []
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
        for line in (*lines, bytes(self._rest[: self._longest + 1])):
            if len(line) > self._longest:
                raise ProtocolError(f"a line of more than {self._longest:,} bytes: {shown(line)}")
        return lines


def shown(line: bytes | bytearray) -> str:
    """Return the beginning of a line as a message quotes it."""
    text = bytes(line[: 4 * SHOWN]).decode(errors="replace").strip()
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")


def parse(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolError for anything else."""
    try:
        found = orjson.loads(line)
    except ValueError:
        raise ProtocolError(f"{shown(line)}, which is no JSON") from None
    if not isinstance(found, dict):
        raise ProtocolError(f"{shown(line)}, which is no JSON object")
    event = found.get("event")
    named = found.get("call_id")
    call_id = named if isinstance(named, str) else None
    try:
        if event == "ready":
            return _ready(found)
        if event not in ("started", "first_content", "content", "ended"):
            raise _WrongKeyError("event", event, "ready, started, first_content, content or ended")
        if call_id is None:
            raise _WrongKeyError("call_id", named, "the call_id of a call")
        if event == "ended":
            return _ended(found, call_id)
        return Progress(event, call_id, _text(found, "text"))
    except _WrongKeyError as wrong:
        where = event if isinstance(event, str) and wrong.key != "event" else "a message"
        raise ProtocolError(
            f"{where}: {wrong.key}: found {wrong.found}, expected {wrong.expected}", call_id
        ) from None


class _WrongKeyError(Exception):
    """A key of a message whose value is not what it must be."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(key)
        self.key = key
        self.found = "nothing" if value is None else shown(json.dumps(value).encode())
        self.expected = expected


def _ready(found: Mapping[str, Any]) -> Ready:
    concurrency = found.get("concurrency", 1)
    if not _is_whole(concurrency) or not 1 <= concurrency <= MOST_AT_ONCE:
        raise _WrongKeyError("concurrency", concurrency, f"a whole number from 1 to {MOST_AT_ONCE:,}")
    cancel = found.get("cancel", False)
    if not isinstance(cancel, bool):
        raise _WrongKeyError("cancel", cancel, "true or false")
    versions = found.get("versions") or {}
    if not isinstance(versions, dict):
        raise _WrongKeyError("versions", versions, "an object: version by name")
    return Ready(concurrency, cancel, {str(name): str(version) for name, version in versions.items()})


def _ended(found: Mapping[str, Any], call_id: str) -> CallEnded:
    outcome = found.get("outcome")
    if outcome not in get_args(EndedAs):
        raise _WrongKeyError("outcome", outcome, f"one of {', '.join(get_args(EndedAs))}")
    status = found.get("status")
    if status is not None and not (_is_whole(status) and 100 <= status <= 599):
        raise _WrongKeyError("status", status, "an HTTP status")
    headers = found.get("headers") or {}
    if not isinstance(headers, dict):
        raise _WrongKeyError("headers", headers, "an object: the headers of the last answer")
    given = [key for key in ("text", "digest", "answer") if found.get(key) is not None]
    if len(given) > 1:
        raise _WrongKeyError(given[1], found[given[1]], f"nothing beside {given[0]}")
    digest = _text(found, "digest")
    if digest is not None and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise _WrongKeyError("digest", digest, "64 hexadecimal digits")
    answer = found.get("answer")
    if answer is not None and not isinstance(answer, dict):
        raise _WrongKeyError("answer", answer, "an object: the API's own")
    return CallEnded(
        call_id=call_id,
        outcome=cast(EndedAs, outcome),
        error_type=_text(found, "error_type"),
        error_cause=_text(found, "error_cause"),
        error_message=_text(found, "error_message"),
        status=status,
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        text=_text(found, "text"),
        finish_reason=_text(found, "finish_reason") if "finish_reason" in found else WHOLE,
        digest=digest,
        answer=None if answer is None else json_answer(answer),
    )


def _text(found: Mapping[str, Any], key: str) -> str | None:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise _WrongKeyError(key, value, "text")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
