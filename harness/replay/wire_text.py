"""Describe bytes on the wire in a few words: a request's first line, an answer's status, a stream's events."""

from __future__ import annotations

import json
import re
from typing import Any

from windtunnel.mock_server.sse import read_fields

MOST_SHOWN = 60
"""Characters of anything that is quoted."""

ENDS = ("HTTP/1.", "finish_reason", "[DONE]", "error", "last chunk", "usage", "response.")
"""Words of an answer that are worth a line of their own."""

_RETRY = re.compile(rb"^x-stainless-retry-count: *(\S+)", re.IGNORECASE | re.MULTILINE)

_MESSAGE = re.compile(rb'"message": *"((?:[^"\\]|\\.)*)"')


def request_text(data: bytes) -> str:
    """Describe what a client sent."""
    first = data.split(b"\r\n", 1)[0]
    if b" HTTP/1." not in first:
        return f"more of the request, {quoted(data)}"
    retries = _RETRY.search(data)
    again = "" if retries is None or retries[1] == b"0" else f", retry {retries[1].decode()} of the SDK"
    return first.decode("latin-1") + again


def answer_text(data: bytes) -> str:
    """Describe what a server sent: status, events, the last chunk; or how the bytes begin."""
    said = []
    body = data
    if data.startswith(b"HTTP/1."):
        head, _, body = data.partition(b"\r\n\r\n")
        said.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
        message = _MESSAGE.search(body)
        if message is not None:
            said.append(f'"{message[1].decode(errors="replace")}"')
    said += _events(body)
    if body and not said:
        said.append("last chunk" if body == b"0\r\n\r\n" else quoted(body))
    elif body and body.endswith(b"\r\n0\r\n\r\n"):
        said.append("last chunk")
    return " · ".join(said)


def is_more(text: str) -> bool:
    """Tell whether an answer's text has no more than content, comments and pieces of events."""
    return not any(word in text for word in ENDS)


def quoted(data: bytes) -> str:
    """The beginning of some bytes, printable."""
    text = repr(data[:MOST_SHOWN])[1:]
    return text if len(data) <= MOST_SHOWN else f"{text} …"


def _events(body: bytes) -> list[str]:
    """What the events of a stream say; contents that follow each other are one."""
    said: list[str] = []
    content = ""
    for name, value in read_fields(body):
        if name == b"data":
            word, text = _event(value.strip())
            content += text
            if word:
                said += [*_content(content), word]
                content = ""
        elif not name:  # a comment
            said += [*_content(content), "comment"]
            content = ""
    return said + _content(content)


def _content(text: str) -> list[str]:
    if not text:
        return []
    return [f"content {text[:MOST_SHOWN]!r}" + (" …" if len(text) > MOST_SHOWN else "")]


def _event(data: bytes) -> tuple[str, str]:
    """A word for an event, and the content that it carries."""
    try:
        event = json.loads(data)
    except ValueError:
        return ("[DONE]" if data == b"[DONE]" else f"event {quoted(data)}"), ""
    if not isinstance(event, dict):
        return f"event {quoted(data)}", ""
    kind = event.get("type")
    if isinstance(kind, str):
        delta = event.get("delta")
        return ("", delta) if isinstance(delta, str) else (kind, "")
    return _chat_event(event, data)


def _chat_event(event: dict[str, Any], data: bytes) -> tuple[str, str]:
    choices = event.get("choices")
    if not isinstance(choices, list):
        return (f"error {quoted(data)}" if "error" in event else f"event {quoted(data)}"), ""
    if not choices:
        return "usage" if event.get("usage") else "event without choices", ""
    first = choices[0] if isinstance(choices[0], dict) else {}
    delta = first.get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    reason = first.get("finish_reason")
    if reason:
        return f"finish_reason {reason}", content if isinstance(content, str) else ""
    if isinstance(content, str) and content:
        return "", content
    return "empty delta", ""
