"""What chat completions can hold besides words: tool calls, log probabilities, sound, citations, moderation.

Said ──rich_choice──► an entry of `choices`            (an answer in one piece)
     ──rich_track───► [(tokens, [entries]), …]         (a stream: what is sent together, after how much work)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from windtunnel.mock_server.api.chat.audio import Sound
from windtunnel.mock_server.api.chat.citations import citations
from windtunnel.mock_server.api.chat.logprobs import token_logprobs
from windtunnel.mock_server.api.chat.moderation import moderated
from windtunnel.mock_server.api.choices import Called, Said, pieces_of
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


class Rich(NamedTuple):
    """What an answer has besides words. `top` is how many alternatives each token is listed with (None: no log
    probabilities), `moderation` the further field of the answer, as JSON with a comma before it, or empty, `tier`
    the tier that it is served in."""

    top: int | None
    sound: Sound | None
    moderation: str
    cites: bool
    tier: str

    @classmethod
    def of(cls, body: dict[str, Any], said: list[Said], created: int) -> Rich:
        """What a request that passed its checks asks for."""
        top = (body.get("top_logprobs") or 0) if body.get("logprobs") else None
        sound = None
        if "audio" in (body.get("modalities") or ()):
            sound = Sound(body["audio"]["format"], created)
        asked = body.get("moderation")
        moderation = moderated(asked["model"], body["messages"], said) if asked else ""
        tier = _TIERS.get(body.get("service_tier") or "", "default")
        return cls(top, sound, moderation, body.get("web_search_options") is not None, tier)

    def endings(self, said: Said) -> list[str]:
        """Entries of a stream that come after the content and before the reason why it ended."""
        if said.tool is not None:
            return []
        if self.sound is not None:
            return [_entry(said, {"audio": {"expires_at": self.sound.expires_at}})]
        found = _annotations(said) if self.cites else []
        return [_entry(said, {"annotations": found})] if found else []


def sound_tokens(said: Said) -> int:
    """The tokens of an answer that were spoken rather than written: four in five."""
    return 0 if said.tool is not None else said.tokens - said.tokens // 5


def rich_choice(said: Said, rich: Rich) -> bytes:
    """One entry of `choices` in an answer that comes in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if said.kind == "legacy" and said.tool is not None:
        message["function_call"] = {"name": said.tool, "arguments": said.content}
    elif said.tool is not None:
        message["tool_calls"] = [_call(said, at, call) for at, call in enumerate(_calls(said))]
    elif rich.sound is None:
        message["content"] = said.content
    message["refusal"] = None
    if said.tool is None and rich.sound is not None:
        message["audio"] = rich.sound.whole(said)
    message["annotations"] = _annotations(said) if rich.cites else []
    return orjson.dumps(
        {
            "index": said.position,
            "message": message,
            "logprobs": _logprobs(said, rich, said.content, 0),
            "finish_reason": said.finish,
        }
    )


def rich_track(
    said: Said, rich: Rich, tokens_per_chunk: int, *, first: int
) -> Iterator[tuple[int, list[Entry]]]:
    """What is sent of one choice, step by step; hidden tokens are work before the first."""
    first, hidden, at = first or tokens_per_chunk, said.hidden, 0
    entries = [(0, _entry(said, _opening(said, rich)))]
    for tokens, piece in said.pieces(tokens_per_chunk, first=first):
        logprobs = _logprobs(said, rich, piece, at)
        entries += [(len(piece), _entry(said, delta, logprobs)) for delta in _deltas(said, rich, piece)]
        yield tokens + hidden, entries
        entries, hidden, at = [], 0, at + tokens
    for position, call in enumerate(said.further, 1):
        entries = [(0, _entry(said, {"tool_calls": [_opened(said, position, call)]}))]
        count = tokens_in(call.arguments)
        for tokens, piece in pieces_of(call.arguments, count, tokens_per_chunk, first=tokens_per_chunk):
            entries.append((len(piece), _entry(said, {"tool_calls": [_more(call.kind, position, piece)]})))
            yield tokens, entries
            entries = []


def _calls(said: Said) -> list[Called]:
    assert said.tool is not None
    return [Called(said.tool, said.kind, said.content), *said.further]


def _call(said: Said, at: int, call: Called) -> dict[str, Any]:
    """A tool call, number `at` of its choice."""
    ident = f"call_{said.ident[at : at + 24]}"
    field = "input" if call.kind == "custom" else "arguments"
    return {"id": ident, "type": call.kind, call.kind: {"name": call.tool, field: call.arguments}}


def _opened(said: Said, at: int, call: Called) -> dict[str, Any]:
    """The beginning of a tool call in a stream."""
    return {"index": at, **_call(said, at, call._replace(arguments=""))}


def _more(kind: str, at: int, piece: str) -> dict[str, Any]:
    """A piece of a tool call's arguments."""
    return {"index": at, kind: {"input" if kind == "custom" else "arguments": piece}}


def _opening(said: Said, rich: Rich) -> Delta:
    """The first delta of a choice: its role, and what kind of content will come."""
    if said.tool is None:
        if rich.sound is not None:
            return {"role": "assistant", "refusal": None, "audio": rich.sound.opening(said)}
        return {"role": "assistant", "content": "", "refusal": None}
    if said.kind == "legacy":
        called: Delta = {"function_call": {"name": said.tool, "arguments": ""}}
    else:
        called = {"tool_calls": [_opened(said, 0, _calls(said)[0])]}
    return {"role": "assistant", "content": None, **called, "refusal": None}


def _deltas(said: Said, rich: Rich, piece: str) -> list[Delta]:
    """The deltas for a piece of the content."""
    if not piece:
        return []
    if said.tool is None:
        return [{"content": piece}] if rich.sound is None else rich.sound.deltas(piece)
    if said.kind == "legacy":
        return [{"function_call": {"arguments": piece}}]
    return [{"tool_calls": [_more(said.kind, 0, piece)]}]


def _entry(said: Said, delta: Delta, logprobs: Any = None) -> str:
    choice = {"index": said.position, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    return orjson.dumps(choice).decode()


def _logprobs(said: Said, rich: Rich, piece: str, at: int) -> dict[str, Any] | None:
    """The log probabilities of a piece that begins with token number `at`; None for calls and sound."""
    if rich.top is None or said.tool is not None or rich.sound is not None:
        return None
    return {"content": token_logprobs(said.ident, piece, at, rich.top), "refusal": None}


def _annotations(said: Said) -> list[dict[str, Any]]:
    if said.tool is not None:
        return []
    return [{"type": "url_citation", "url_citation": found} for found in citations(said.content)]
