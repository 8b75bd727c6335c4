"""The truth of an answer: a digest of the content that an application should end up with.

The server digests what it meant to say; a driver digests what its application received. They are equal
exactly if the answer arrived whole and unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias

import orjson

ToolCall: TypeAlias = tuple[str, str]
"""A tool's name and its raw arguments, exactly as they were sent."""

Choice: TypeAlias = tuple[int, str | None, str | None, Sequence[ToolCall], str | None]
"""(index, text, refusal, tool calls, finish reason); what was not seen is None."""


def digest(choices: Sequence[Choice]) -> str:
    """SHA-256 (hex) over the canonical JSON of `choices`, ordered by index.

    Canonical JSON is `json.dumps(..., separators=(",", ":"), ensure_ascii=False)` in UTF-8. An empty text
    or refusal counts as none at all: applications cannot tell the two apart, and SDKs do not agree.

    - chat: one choice per choice, its text the message's content (of a spoken answer, the transcript);
    - legacy completions: one choice per choice, its text whole, with the echo;
    - Responses: one choice with index 0, its text all `output_text` put together; finish reason `stop` or
      `tool_calls` if completed, the reason (`length`, `content_filter`) if incomplete, else None;
    - embeddings: one choice per item, its text `vector_text(vector)`;
    - models: one choice per model, its text the model's id.
    """
    rows = [_row(choice) for choice in choices]
    if len(rows) > 1:
        rows.sort(key=lambda row: row[0])
    return sha256(_canonical(rows)).hexdigest()


Row: TypeAlias = tuple[int, str | None, str | None, Sequence[ToolCall], str | None]


def _row(choice: Choice) -> Row:
    index, text, refusal, tools, finish = choice
    return index, text or None, refusal or None, tools, finish


def _canonical(value: list[Row] | Row) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # lone surrogates, which a broken answer can hold and orjson refuses
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return plain.encode("utf-8", "surrogatepass")


class RunningDigest:
    """The same digest, of choices that come one after another in the order of their indices and need not be kept."""

    __slots__ = ("_hash", "_separator")

    def __init__(self) -> None:
        self._hash = sha256()
        self._separator = b"["

    def add(self, choice: Choice) -> None:
        """Add the next choice."""
        self._hash.update(self._separator + _canonical(_row(choice)))
        self._separator = b","

    def result(self) -> str:
        """Return the digest of what was added, at least one choice."""
        ended = self._hash.copy()
        ended.update(b"]")
        return ended.hexdigest()
