"""Generate the choices of an answer, before any wire format: each a text or a tool call, and its finish reason.

    request ──says()──► [Said, …] ──chat / responses──► Script

Both APIs say the same thing for the same draw; they differ only in how they write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from windtunnel.mock_server.api.citations import cited
from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, prose, stream_of, tokens_in
from windtunnel.mock_server.api.tools.calls import chosen_tool, further_tools, legacy_function
from windtunnel.mock_server.api.tools.prompted import asks_for_form
from windtunnel.mock_server.api.tools.structured import json_text
from windtunnel.mock_server.api.truth import Choice

_SHAPING: Final = frozenset(
    (
        *("tools", "functions", "response_format", "text", "stop"),
        *("reasoning_effort", "prediction", "web_search_options"),
    )
)
"""Fields that make an answer anything but prose of the length that was drawn."""

CallKind: TypeAlias = Literal["function", "custom", "legacy"]

_EFFORTS: Final = {"minimal": 0.25, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0, "max": 8.0}
"""Reasoning tokens, as multiples of the length that was drawn. (Real models differ; the order is theirs.)"""

ID_BYTES = 24
"""Bytes at the head of a choice's stream that are kept for ids; the rest is its text."""


class FurtherCall(NamedTuple):
    """A further tool call of a choice: the tool's name, its kind and the raw arguments."""

    tool: str
    kind: CallKind
    arguments: str


class GeneratedChoice(NamedTuple):
    """One choice of an answer (a tuple because it is made for every request, and tuples are made fastest).

    `content` is the text, or the arguments of the tool call if `tool` names one; `further` calls come after it.
    `tokens` is what all of it counts; an answer without content still counts as one token, unless there was
    reasoning. `plain` content needs no escapes inside a JSON string. `ident` is 48 hex digits to make ids
    from. `reasoning` is tokens before the first visible one, `predicted` the tokens of a prediction that were
    used (they are among `tokens`) and that were not.
    """

    position: int
    content: str
    finish: str
    tokens: int
    plain: bool
    ident: str
    tool: str | None = None
    kind: CallKind = "function"
    further: tuple[FurtherCall, ...] = ()
    reasoning: int = 0
    predicted: tuple[int, int] = (0, 0)

    @property
    def hidden(self) -> int:
        """Tokens that are work and are billed, and that no answer shows."""
        return self.reasoning + self.predicted[1]

    @property
    def billed(self) -> int:
        """All the tokens of this choice: its work, and its part of `completion_tokens`."""
        return self.tokens + self.reasoning + self.predicted[1]

    def choice(self) -> Choice:
        """Return this choice as the digest of the truth takes it."""
        if self.tool is None:
            return (self.position, self.content, None, (), self.finish)
        calls = [(self.tool, self.content), *[(call.tool, call.arguments) for call in self.further]]
        return (self.position, None, None, calls, self.finish)

    def pieces(self, tokens_per_chunk: int, *, first: int) -> Iterator[tuple[int, str]]:
        """The content in chunks of (tokens, text): `first` tokens in the first, then `tokens_per_chunk`."""
        tokens = self.tokens
        if self.further:
            tokens -= sum([tokens_in(call.arguments) for call in self.further])
        return pieces_of(self.content, tokens, tokens_per_chunk, first=first)


def pieces_of(content: str, tokens: int, tokens_per_chunk: int, *, first: int) -> Iterator[tuple[int, str]]:
    """A text that counts as `tokens` in chunks of (tokens, text)."""
    size = tokens_per_chunk * CHARS_PER_TOKEN
    at = first * CHARS_PER_TOKEN
    yield min(first, tokens), content[:at]
    while at < len(content):
        piece = content[at : at + size]
        yield tokens_in(piece), piece
        at += size


def generate_choices(
    body: dict[str, Any],
    *,
    seed: int,
    call_key: str,
    tokens: int,
    limit: int | None,
    tool_calls: str,
    chat: bool,
) -> list[GeneratedChoice]:
    """Every choice of the answer to a body that passed its checks; `tokens` and `limit` hold per choice."""
    return list(
        each_choice(
            body,
            seed=seed,
            call_key=call_key,
            tokens=tokens,
            limit=limit,
            tool_calls=tool_calls,
            chat=chat,
        )
    )


def each_choice(
    body: dict[str, Any],
    *,
    seed: int,
    call_key: str,
    tokens: int,
    limit: int | None,
    tool_calls: str,
    chat: bool,
) -> Iterator[GeneratedChoice]:
    """The same, one after another."""
    count = (body.get("n") or 1) if chat else 1
    plain = _SHAPING.isdisjoint(body) and not asks_for_form(body, chat=chat)
    for index in range(count):
        if plain:
            yield _prose(seed, call_key, index, tokens, limit)
        else:
            yield _shaped(body, seed, call_key, index, tokens, limit, tool_calls=tool_calls, chat=chat)


def _prose(seed: int, call_key: str, index: int, tokens: int, limit: int | None) -> GeneratedChoice:
    cut = limit is not None and tokens > limit
    if cut:
        assert limit is not None
        tokens = limit
    stream = stream_of(seed, call_key, index, ID_BYTES + tokens)
    return GeneratedChoice(
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
) -> GeneratedChoice:
    """A choice whose content depends on tools, a format, stop sequences, reasoning or a prediction."""
    ident = stream_of(seed, call_key, index, ID_BYTES).hex()
    draws = Draws(f"{seed}/shape/{call_key}/{index}")
    reasoning = reasoning_tokens(body.get("reasoning_effort"), tokens) if chat else 0
    if limit is not None and reasoning >= limit:
        return GeneratedChoice(index, "", "length", 0, True, ident, reasoning=limit)
    if limit is not None:
        limit -= reasoning
    tool = chosen_tool(body, draws, tool_calls=tool_calls, chat=chat)
    kind: CallKind = tool.kind if tool is not None else "legacy"
    if tool is None and chat:
        tool = legacy_function(body, draws, tool_calls=tool_calls)
    if tool is not None:
        finish = "function_call" if kind == "legacy" else "tool_calls"
        more = further_tools(body, tool, chat=chat) if chat and kind != "legacy" else ()
        share = (1 + len(more)) * (body.get("n") or 1)
        content = tool.arguments(draws, share=share)
        further = tuple(
            [FurtherCall(other.name, other.kind, other.arguments(draws, share=share)) for other in more]
        )
        called = GeneratedChoice(index, content, finish, 0, False, ident, tool.name, kind, further, reasoning)
        return _cut(called, limit)
    text = json_text(body, draws, tokens=tokens, chat=chat)
    plain, predicted = text is None, (0, 0)
    if text is None:
        text = prose(stream_of(seed, call_key, index, ID_BYTES + tokens)[ID_BYTES:])
        if chat and body.get("prediction") is not None:
            text, predicted, plain = *_predicted(body["prediction"], text, draws), False
        if chat and body.get("web_search_options") is not None:
            text = cited(text, draws)
    if limit is not None and predicted[1]:
        predicted = (predicted[0], min(predicted[1], limit - 1))
        limit -= predicted[1]
    stopped = _before_stop(text, body.get("stop") if chat else None)
    return _cut(
        GeneratedChoice(index, stopped, "stop", 0, plain, ident, reasoning=reasoning, predicted=predicted),
        limit,
    )


def reasoning_tokens(effort: str | None, tokens: int) -> int:
    """How long an answer of `tokens` tokens is reasoned about at an effort; not at all without one."""
    factor = _EFFORTS.get(effort or "none", 0.0)
    return max(1, round(factor * tokens)) if factor else 0


def _predicted(prediction: dict[str, Any], text: str, draws: Draws) -> tuple[str, tuple[int, int]]:
    """The text with a beginning as predicted (half of it at least), and the tokens that were right and wrong."""
    content = prediction["content"]
    if not isinstance(content, str):
        content = "".join(part["text"] for part in content)
    offered = tokens_in(content)
    right = min(draws.between((offered + 1) // 2, offered), tokens_in(text))
    at = right * CHARS_PER_TOKEN
    return content[:at].ljust(at) + text[at:], (right, offered - right)


def _cut(generated: GeneratedChoice, limit: int | None) -> GeneratedChoice:
    """The same choice with its tokens counted, cut to `limit` tokens if it is longer."""
    content, finish, further = generated.content, generated.finish, generated.further
    tokens = max(1, tokens_in(content))
    if limit is not None and tokens > limit:
        content, finish, tokens, further = content[: limit * CHARS_PER_TOKEN], "length", limit, ()
    if further:
        calls = []
        for call in further:
            room = len(call.arguments) if limit is None else (limit - tokens) * CHARS_PER_TOKEN
            if room < len(call.arguments):
                finish, call = "length", call._replace(arguments=call.arguments[:room])
            if call.arguments:
                calls.append(call)
                tokens += tokens_in(call.arguments)
        further = tuple(calls)
    predicted = (min(generated.predicted[0], tokens), generated.predicted[1])
    return generated._replace(
        content=content, finish=finish, tokens=tokens, further=further, predicted=predicted
    )


def _before_stop(text: str, stop: str | list[str] | None) -> str:
    """The text up to the first stop sequence in it."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    found = [at for sequence in sequences if sequence and (at := text.find(sequence)) >= 0]
    return text[: min(found)] if found else text
