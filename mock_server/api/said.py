"""What an answer says, before any wire format: per choice a text or a tool call, and why it ended.

    request ──says()──► [Said, …] ──chat / responses──► Script

Both APIs say the same thing for the same draw; they differ only in how they write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from mock_server.api.draws import Draws
from mock_server.api.structured import json_text
from mock_server.api.text import CHARS_PER_TOKEN, prose, stream_of, tokens_in
from mock_server.api.tools import chosen_tool, legacy_function
from mock_server.api.truth import Choice

_SHAPING: Final = frozenset(("tools", "functions", "response_format", "text", "stop"))
"""Fields that make an answer anything but prose of the length that was drawn."""

CallKind: TypeAlias = Literal["function", "custom", "legacy"]

ID_BYTES = 24
"""Bytes at the head of a choice's stream that are kept for ids; the rest is its text."""


class Said(NamedTuple):
    """One choice of an answer (a tuple because it is made for every request, and tuples are made fastest).

    `content` is the text, or the arguments of the tool call if `tool` names one. `tokens` is what it is
    billed as and what its work is; an answer without content still counts as one token. `plain` content needs
    no escapes inside a JSON string. `ident` is 48 hex digits to make ids from.
    """

    position: int
    content: str
    finish: str
    tokens: int
    plain: bool
    ident: str
    tool: str | None = None
    kind: CallKind = "function"

    def choice(self) -> Choice:
        """This choice as the digest of the truth takes it."""
        if self.tool is None:
            return (self.position, self.content, None, (), self.finish)
        return (self.position, None, None, ((self.tool, self.content),), self.finish)

    def pieces(self, tokens_per_chunk: int, *, first: int) -> Iterator[tuple[int, str]]:
        """The content in chunks of (tokens, text): `first` tokens in the first, then `tokens_per_chunk`."""
        size = tokens_per_chunk * CHARS_PER_TOKEN
        content = self.content
        at = first * CHARS_PER_TOKEN
        yield min(first, self.tokens), content[:at]
        while at < len(content):
            piece = content[at : at + size]
            yield tokens_in(piece), piece
            at += size


def says(
    body: dict[str, Any],
    *,
    seed: int,
    call_key: str,
    tokens: int,
    limit: int | None,
    tool_calls: str,
    chat: bool,
) -> list[Said]:
    """Every choice of the answer to a body that passed its checks; `tokens` and `limit` hold per choice."""
    count = (body.get("n") or 1) if chat else 1
    if _SHAPING.isdisjoint(body):
        return [_prose(seed, call_key, index, tokens, limit) for index in range(count)]
    return [
        _shaped(body, seed, call_key, index, tokens, limit, tool_calls=tool_calls, chat=chat)
        for index in range(count)
    ]


def _prose(seed: int, call_key: str, index: int, tokens: int, limit: int | None) -> Said:
    cut = limit is not None and tokens > limit
    if cut:
        assert limit is not None
        tokens = limit
    stream = stream_of(seed, call_key, index, ID_BYTES + tokens)
    return Said(
        index,
        prose(stream[ID_BYTES:]),
        "length" if cut else "stop",
        tokens,
        True,
        stream[:ID_BYTES].hex(),
    )


def _shaped(
    body: dict[str, Any],
    seed: int,
    call_key: str,
    index: int,
    tokens: int,
    limit: int | None,
    *,
    tool_calls: str,
    chat: bool,
) -> Said:
    """A choice whose content depends on tools, a format or stop sequences."""
    ident = stream_of(seed, call_key, index, ID_BYTES).hex()
    draws = Draws(f"{seed}/shape/{call_key}/{index}")
    tool = chosen_tool(body, draws, tool_calls=tool_calls, chat=chat)
    kind: CallKind = tool.kind if tool is not None else "legacy"
    if tool is None and chat:
        tool = legacy_function(body, draws, tool_calls=tool_calls)
    if tool is not None:
        finish = "function_call" if kind == "legacy" else "tool_calls"
        return _cut(Said(index, tool.arguments(draws), finish, 0, False, ident, tool.name, kind), limit)
    text = json_text(body, draws, tokens=tokens, chat=chat)
    plain = text is None
    if text is None:
        text = prose(stream_of(seed, call_key, index, ID_BYTES + tokens)[ID_BYTES:])
    stopped = _before_stop(text, body.get("stop") if chat else None)
    return _cut(Said(index, stopped, "stop", 0, plain, ident), limit)


def _cut(said: Said, limit: int | None) -> Said:
    """The same choice with its tokens counted, cut to `limit` tokens if it is longer."""
    content, finish = said.content, said.finish
    tokens = max(1, tokens_in(content))
    if limit is not None and tokens > limit:
        content, finish, tokens = content[: limit * CHARS_PER_TOKEN], "length", limit
    return Said(said.position, content, finish, tokens, said.plain, said.ident, said.tool, said.kind)


def _before_stop(text: str, stop: str | list[str] | None) -> str:
    """The text up to the first stop sequence in it."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    found = [at for sequence in sequences if sequence and (at := text.find(sequence)) >= 0]
    return text[: min(found)] if found else text
