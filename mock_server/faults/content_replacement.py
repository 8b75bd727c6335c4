"""Replace the content of a healthy answer, and keep its usage, ids and chunks consistent.

    script ──read──► ChoiceReply of each choice ──rewrite──► ChoiceReply ──write──► script

The new words come in the chunks of the old ones, at their times. Where they are fewer, the chunks and the work that are
left over go, and the usage says so; where they are more, the last chunk takes them, at no further token. A dialect
for each API reads back what the API wrote, and writes it anew: `content_in_chat.py`, `content_in_responses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import orjson

from windtunnel.mock_server.api.text import CHARS_PER_TOKEN
from windtunnel.mock_server.faults.json_edits import JsonEvent, read_json, read_json_events, whole_body
from windtunnel.mock_server.script import Script, Send, Step, Tokens

Kind: TypeAlias = Literal["text", "refusal", "function", "custom", "legacy"]

CALL_KINDS: tuple[Kind, ...] = ("function", "custom", "legacy")
"""What is a tool call, in any of its forms (`legacy`: `function_call`)."""

_CALLED = ("tool_calls", "function_call")


@dataclass(frozen=True, slots=True)
class ChoiceReply:
    """What one choice of an answer says.

    `text` is the content, the refusal, or the arguments of the call of tool `name`. `finish` is the reason in chat's
    words; Responses translates it. `more` is how many tokens the healthy answer's further calls are: a rewritten
    answer makes the first one only.
    """

    position: int
    kind: Kind
    text: str
    finish: str
    name: str | None = None
    more: int = 0

    def as_text(self, text: str) -> ChoiceReply:
        """The same in words."""
        finish = "stop" if self.finish in _CALLED else self.finish
        return replace(self, kind="text", text=text, finish=finish, name=None)

    def as_call(self, name: str, arguments: str) -> ChoiceReply:
        """The same as a call, in the form that it has or as a call of a function."""
        kind: Kind = self.kind if self.kind in CALL_KINDS else "function"
        finish = "tool_calls" if self.finish == "stop" else self.finish
        return replace(self, kind=kind, text=arguments, finish=finish, name=name)

    @property
    def tokens(self) -> int:
        """The tokens that it is billed as."""
        return max(1, _tokens(len(self.text)))


Rewrite: TypeAlias = Callable[[ChoiceReply], ChoiceReply]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One content chunk of a stream: of which choice, with how many characters of content, and whether that choice ends
    in it. `step` and `tokens` are those of the script."""

    position: int
    chars: int
    ends: bool = False
    step: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A content chunk as it is written: a piece of the reply, so many tokens, and whether it is the choice's first."""

    step: int
    reply: ChoiceReply
    piece: str
    tokens: int
    first: bool


class Dialect(Protocol):
    """Read and write the replies in the answers of one API."""

    def read_body(self, body: dict[str, Any]) -> list[ChoiceReply]:
        """Read the replies of an answer in one piece; none if it has another form."""

    def write_body(self, body: dict[str, Any], replies: dict[int, ChoiceReply], fewer: int) -> dict[str, Any]:
        """Return the answer in one piece with these replies, and `fewer` tokens in its usage."""

    def read_stream(self, events: Sequence[JsonEvent]) -> list[ChoiceReply]:
        """Read the replies of a stream; none if it has another form."""

    def chunk(self, events: Sequence[JsonEvent]) -> Chunk | None:
        """Read the size of a chunk; None for one that is of no choice."""

    def write_chunk(
        self, events: Sequence[JsonEvent], reply: ChoiceReply, piece: str, *, first: bool
    ) -> list[JsonEvent]:
        """Return the events of a chunk with this piece of the text."""

    def write_other(
        self, events: Sequence[JsonEvent], replies: dict[int, ChoiceReply], fewer: int
    ) -> list[JsonEvent]:
        """Return the events of a send that carries no content, as they are after the change."""


def replace_content(script: Script, dialect: Dialect, rewrite: Rewrite, *, stream: bool) -> Script:
    """Return the script with every reply rewritten; the same script where no reply can be read or none changes."""
    return _stream(script, dialect, rewrite) if stream else _whole(script, dialect, rewrite)


def _whole(script: Script, dialect: Dialect, rewrite: Rewrite) -> Script:
    at = whole_body(script)
    send = script.steps[at] if at is not None else None
    body = read_json(send.data) if isinstance(send, Send) else None
    if at is None or not isinstance(send, Send) or not isinstance(body, dict):
        return script
    before = dialect.read_body(body)
    after = [rewrite(reply) for reply in before]
    if before == after:
        return script
    fewer = sum(max(0, old.tokens + old.more - new.tokens) for old, new in zip(before, after, strict=True))
    data = orjson.dumps(dialect.write_body(body, {reply.position: reply for reply in after}, fewer))
    steps = list(script.steps)
    steps[at] = replace(send, data=data, tokens=max(0, send.tokens - fewer))
    return Script(tuple(_with_less_work(steps, fewer)))


def _with_less_work(steps: list[Step], fewer: int) -> list[Step]:
    remaining: list[Step] = []
    # From the end: the first token comes when it did, the answer is only over sooner.
    for step in reversed(steps):
        if isinstance(step, Tokens) and fewer:
            taken = min(step.n, fewer)
            fewer -= taken
            remaining += [Tokens(step.n - taken)] if step.n > taken else []
        else:
            remaining.append(step)
    return remaining[::-1]


def _stream(script: Script, dialect: Dialect, rewrite: Rewrite) -> Script:
    pieces = {i: read_json_events(step.data) for i, step in enumerate(script.steps) if isinstance(step, Send)}
    before = dialect.read_stream([event for events in pieces.values() for event in events])
    after = {reply.position: rewrite(reply) for reply in before}
    chunks = [chunk for chunk in _chunks(script, dialect, pieces) if chunk.position in after]
    if not chunks or list(after.values()) == before:
        return script
    written = {new.step: new for reply in after.values() for new in _new_chunks(reply, chunks)}
    old = {chunk.step: chunk.tokens for chunk in chunks}
    fewer = sum(old.values()) - sum(new.tokens for new in written.values())
    steps: list[Step] = []
    for i, step in enumerate(script.steps):
        new = written.get(i)
        if not isinstance(step, Send):
            steps.append(step)
        # Announcements and closing events hold the whole text, so they are written anew as well.
        elif i not in old:
            steps += _sending(step, dialect.write_other(pieces[i], after, fewer))
        elif new is None:
            _shorten_work(steps, step.tokens)
        else:
            _shorten_work(steps, step.tokens - new.tokens)
            events = dialect.write_chunk(pieces[i], new.reply, new.piece, first=new.first)
            steps += _sending(replace(step, tokens=new.tokens), events)
    return Script(tuple(steps))


def _new_chunks(reply: ChoiceReply, chunks: Sequence[Chunk]) -> list[NewChunk]:
    """Return the chunks of a choice that remain, each with its new content."""
    own = [chunk for chunk in chunks if chunk.position == reply.position]
    return [
        NewChunk(chunk.step, reply, piece, tokens, place == 0)
        for place, (chunk, (piece, tokens)) in enumerate(zip(own, spread_over(reply.text, own), strict=True))
        if piece or chunk.ends or place == 0
    ]


def _sending(step: Send, events: Sequence[JsonEvent]) -> list[Step]:
    data = b"".join([event.raw for event in events])
    return [replace(step, data=data)] if data else []


def _shorten_work(steps: list[Step], fewer: int) -> None:
    """Take tokens from the work that comes last, just before a chunk that is shorter now or gone."""
    last = steps[-1] if steps else None
    if fewer and isinstance(last, Tokens):
        steps[-1:] = [Tokens(last.n - fewer)] if last.n > fewer else []


def _chunks(script: Script, dialect: Dialect, pieces: dict[int, list[JsonEvent]]) -> list[Chunk]:
    found: list[Chunk] = []
    for i, step in enumerate(script.steps):
        if isinstance(step, Send) and step.role == "content":
            chunk = dialect.chunk(pieces[i])
            if chunk is not None:
                found.append(replace(chunk, step=i, tokens=step.tokens))
    return found


def spread_over(text: str, chunks: Sequence[Chunk]) -> list[tuple[str, int]]:
    """Text in pieces as long as the chunks were, each with its tokens; the last piece takes the rest.

    Tokens that a chunk has beyond its characters (reasoning before the first one) stay with it.
    """
    found: list[tuple[str, int]] = []
    at = 0
    for i, chunk in enumerate(chunks):
        end = len(text) if i == len(chunks) - 1 else at + max(CHARS_PER_TOKEN, chunk.chars)
        piece = text[at:end]
        at += len(piece)
        fewer = max(0, _tokens(chunk.chars) - _tokens(len(piece)))
        found.append((piece, max(1 if i == 0 else 0, chunk.tokens - fewer)))
    return found


def _tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)
