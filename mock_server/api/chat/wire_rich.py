"""Chat completions with more than text: tool calls, log probabilities, sound, citations, moderation.

Said ──rich_choice──► an entry of `choices`            (an answer in one piece)
     ──rich_track───► [(tokens, [entries]), …]         (a stream: what is sent together, after how much work)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from windtunnel.mock_server.api.chat.audio import SpokenAudio
from windtunnel.mock_server.api.chat.moderation import moderated
from windtunnel.mock_server.api.choices import FurtherCall, GeneratedChoice, pieces_of
from windtunnel.mock_server.api.citations import citations
from windtunnel.mock_server.api.logprobs import token_logprobs, token_logprobs_json
from windtunnel.mock_server.api.text import tokens_in

RICH: Final = frozenset(
    (
        *("logprobs", "modalities", "web_search_options", "moderation"),
        *("reasoning_effort", "prediction", "service_tier"),
    )
)
"""Fields of a request that can make its answer more than words. (Whether tools do is known from what was said.)"""

_TIERS: Final = {"flex": "flex", "scale": "scale", "priority": "priority", "fast": "priority"}
"""The `service_tier` of the answer by that of the request, where it is not `default`."""

Delta: TypeAlias = dict[str, Any]
Entry: TypeAlias = tuple[int, str]
"""An entry of a chunk's `choices` as JSON, and how many characters of content it has."""


class ChunkExtras(NamedTuple):
    """What an answer has besides words. `top` is how many alternatives each token is listed with (None: no log
    probabilities), `moderation` the further field of the answer, as JSON with a comma before it, or empty, `tier`
    the tier that it is served in."""

    top: int | None
    sound: SpokenAudio | None
    moderation: str
    cites: bool
    tier: str

    @classmethod
    def of(cls, body: dict[str, Any], generated: list[GeneratedChoice], created: int) -> ChunkExtras:
        """What a request that passed its checks asks for."""
        top = (body.get("top_logprobs") or 0) if body.get("logprobs") else None
        sound = None
        if "audio" in (body.get("modalities") or ()):
            sound = SpokenAudio(body["audio"]["format"], created)
        moderation_options = body.get("moderation")
        moderation = (
            moderated(moderation_options["model"], body["messages"], generated) if moderation_options else ""
        )
        tier = _TIERS.get(body.get("service_tier") or "", "default")
        return cls(top, sound, moderation, body.get("web_search_options") is not None, tier)

    def lists_tokens(self, generated: GeneratedChoice) -> bool:
        """Tell whether a choice has log probabilities: they are asked for, and it is no call and not spoken."""
        return self.top is not None and generated.tool is None and self.sound is None

    def endings(self, generated: GeneratedChoice) -> list[str]:
        """Entries of a stream that come after the content and before the reason why it ended."""
        if generated.tool is not None:
            return []
        if self.sound is not None:
            return [_entry(generated, {"audio": {"expires_at": self.sound.expires_at}})]
        found = _annotations(generated) if self.cites else []
        return [_entry(generated, {"annotations": found})] if found else []


def sound_tokens(generated: GeneratedChoice) -> int:
    """The tokens of an answer that were spoken rather than written: four in five."""
    return 0 if generated.tool is not None else generated.tokens - generated.tokens // 5


def rich_choice(generated: GeneratedChoice, extras: ChunkExtras) -> Generator[None, None, bytes]:
    """One entry of `choices` in an answer that comes in one piece, made in steps."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if generated.kind == "legacy" and generated.tool is not None:
        message["function_call"] = {"name": generated.tool, "arguments": generated.content}
    elif generated.tool is not None:
        message["tool_calls"] = [_call(generated, at, call) for at, call in enumerate(_calls(generated))]
    elif extras.sound is None:
        message["content"] = generated.content
    message["refusal"] = None
    if generated.tool is None and extras.sound is not None:
        message["audio"] = extras.sound.whole(generated)
    message["annotations"] = _annotations(generated) if extras.cites else []
    logprobs = None
    if extras.lists_tokens(generated):
        assert extras.top is not None
        content = yield from token_logprobs_json(generated.ident, generated.content, extras.top)
        logprobs = {"content": orjson.Fragment(content), "refusal": None}
    return orjson.dumps(
        {
            "index": generated.position,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": generated.finish,
        }
    )


def rich_track(
    generated: GeneratedChoice, extras: ChunkExtras, tokens_per_chunk: int, *, first: int
) -> Iterator[tuple[int, list[Entry]]]:
    """What is sent of one choice, step by step; hidden tokens are work before the first."""
    first, hidden, at = first or tokens_per_chunk, generated.hidden, 0
    entries = [(0, _entry(generated, _opening(generated, extras)))]
    for tokens, piece in generated.pieces(tokens_per_chunk, first=first):
        logprobs = _logprobs(generated, extras, piece, at)
        entries += [
            (len(piece), _entry(generated, delta, logprobs)) for delta in _deltas(generated, extras, piece)
        ]
        yield tokens + hidden, entries
        entries, hidden, at = [], 0, at + tokens
    for position, call in enumerate(generated.further, 1):
        entries = [(0, _entry(generated, {"tool_calls": [_opened(generated, position, call)]}))]
        count = tokens_in(call.arguments)
        for tokens, piece in pieces_of(call.arguments, count, tokens_per_chunk, first=tokens_per_chunk):
            entries.append(
                (len(piece), _entry(generated, {"tool_calls": [_more(call.kind, position, piece)]}))
            )
            yield tokens, entries
            entries = []


def _calls(generated: GeneratedChoice) -> list[FurtherCall]:
    assert generated.tool is not None
    return [FurtherCall(generated.tool, generated.kind, generated.content), *generated.further]


def _call(generated: GeneratedChoice, at: int, call: FurtherCall) -> dict[str, Any]:
    """A tool call, number `at` of its choice."""
    ident = f"call_{generated.ident[at : at + 24]}"
    field = "input" if call.kind == "custom" else "arguments"
    return {"id": ident, "type": call.kind, call.kind: {"name": call.tool, field: call.arguments}}


def _opened(generated: GeneratedChoice, at: int, call: FurtherCall) -> dict[str, Any]:
    """The beginning of a tool call in a stream."""
    return {"index": at, **_call(generated, at, call._replace(arguments=""))}


def _more(kind: str, at: int, piece: str) -> dict[str, Any]:
    """A piece of a tool call's arguments."""
    return {"index": at, kind: {"input" if kind == "custom" else "arguments": piece}}


def _opening(generated: GeneratedChoice, extras: ChunkExtras) -> Delta:
    """The first delta of a choice: its role, and what kind of content will come."""
    if generated.tool is None:
        if extras.sound is not None:
            return {"role": "assistant", "refusal": None, "audio": extras.sound.opening(generated)}
        return {"role": "assistant", "content": "", "refusal": None}
    if generated.kind == "legacy":
        called: Delta = {"function_call": {"name": generated.tool, "arguments": ""}}
    else:
        called = {"tool_calls": [_opened(generated, 0, _calls(generated)[0])]}
    return {"role": "assistant", "content": None, **called, "refusal": None}


def _deltas(generated: GeneratedChoice, extras: ChunkExtras, piece: str) -> list[Delta]:
    """The deltas for a piece of the content."""
    if not piece:
        return []
    if generated.tool is None:
        return [{"content": piece}] if extras.sound is None else extras.sound.deltas(piece)
    if generated.kind == "legacy":
        return [{"function_call": {"arguments": piece}}]
    return [{"tool_calls": [_more(generated.kind, 0, piece)]}]


def _entry(generated: GeneratedChoice, delta: Delta, logprobs: Any = None) -> str:
    choice = {"index": generated.position, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    return orjson.dumps(choice).decode()


def _logprobs(generated: GeneratedChoice, extras: ChunkExtras, piece: str, at: int) -> dict[str, Any] | None:
    """The log probabilities of a piece that begins with token number `at`; None for calls and sound."""
    if extras.top is None or not extras.lists_tokens(generated):
        return None
    return {"content": token_logprobs(generated.ident, piece, at, extras.top), "refusal": None}


def _annotations(generated: GeneratedChoice) -> list[dict[str, Any]]:
    if generated.tool is not None:
        return []
    return [{"type": "url_citation", "url_citation": found} for found in citations(generated.content)]
