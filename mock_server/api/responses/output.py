"""What a response says, before it is written: reasoning, calls and words, in the order of its output.

    request ──speak()──► Speech(Thought?, Hosted …, Said) ──responses / responses_events──► Script

What it says in words or calls of functions is what a chat completion would say for the same draw.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from windtunnel.mock_server.api.choices import Said, reasoning_tokens, says
from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.endpoint import World
from windtunnel.mock_server.api.responses.hosted_tools import Hosted, forced_calls
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, prose, stream_of, tokens_in
from windtunnel.mock_server.api.tools.calls import Tool, further_tools
from windtunnel.mock_server.api.truth import Choice, digest
from windtunnel.mock_server.request import Request

_SHAPING: Final = frozenset(("tools", "reasoning", "text", "context_management", "include"))
"""Fields that make an answer anything but one message of the length that was drawn."""

_VERBOSITY: Final = {"low": 0.5, "high": 2.0}
"""What `text.verbosity` does to the length that was drawn."""

SUMMARY_TOKENS: Final = 24
"""Length of one part of a summary of the reasoning; a detailed one has two."""


class Thought(NamedTuple):
    """Reasoning: its work, the parts of its summary, and whether there was room for all of it."""

    tokens: int
    parts: tuple[str, ...]
    whole: bool


class Compaction(NamedTuple):
    """The conversation so far, made smaller."""

    tokens: int


Output: TypeAlias = Said | Thought | Hosted | Compaction


class Speech(NamedTuple):
    """One answer. `base` is 46 hex digits to make ids from, `tokens` all of its work, `thought` the reasoning's."""

    base: str
    outputs: tuple[Output, ...]
    finish: str
    tokens: int
    thought: int = 0

    def truth(self) -> str:
        """The digest of what a client must end up with: the text, or the calls of functions."""
        first = self.outputs[0]
        if isinstance(first, Said) and len(self.outputs) == 1:
            return digest((first.choice(),))
        said = [output for output in self.outputs if isinstance(output, Said)]
        text = "".join([one.content for one in said if one.tool is None])
        calls = [(one.tool, one.content) for one in said if one.tool is not None]
        choice: Choice = (0, text, None, calls, self.finish)
        return digest([choice])


def speak(request: Request, world: World, prompt_tokens: int) -> Speech:
    """What the answer to a request that passed its checks says; `prompt_tokens` is its whole context."""
    tokens = max(world.tokens, 1)
    if _SHAPING.isdisjoint(request.body):
        said = _says(request, world, tokens, request.max_tokens)
        base = response_base(world) if world.attempt else said.ident[:46]  # a hash that is there anyway
        return Speech(base, (said,), said.finish, said.tokens)
    return _shaped(request, world, tokens, prompt_tokens, response_base(world))


def response_base(world: World) -> str:
    """What the ids of a response and its items are made of.

    A retry makes a response of its own: without an `Idempotency-Key` the API does nothing twice as one.
    """
    key = f"{world.seed}/response/{world.call_key}/{world.attempt}"
    return blake2b(key.encode(), digest_size=23).hexdigest()


def _says(request: Request, world: World, tokens: int, limit: int | None) -> Said:
    return says(
        request.body,
        seed=world.seed,
        call_key=world.call_key,
        tokens=tokens,
        limit=limit,
        tool_calls=world.tool_calls,
        chat=False,
    )[0]


def _shaped(request: Request, world: World, tokens: int, prompt_tokens: int, base: str) -> Speech:
    body, left = request.body, request.max_tokens
    verbosity: str = (body.get("text") or {}).get("verbosity") or "medium"
    tokens = max(1, round(tokens * _VERBOSITY.get(verbosity, 1.0)))
    outputs: list[Output] = []
    if _compacts(body, prompt_tokens):
        outputs.append(Compaction(1))
    thought = _thought(body, world, tokens, left)
    if thought is not None:
        outputs.append(thought)
        if not thought.whole:
            return _speech(base, outputs, "length")
        left = None if left is None else left - thought.tokens
    draws = Draws(f"{world.seed}/calls/{world.call_key}")
    said = _says(request, world, tokens, left)
    if world.tool_calls != "never":
        outputs += forced_calls(body, draws, functions=said.tool is not None)
    last = outputs[-1] if outputs else None
    if isinstance(last, Hosted) and last.ends:
        return _speech(base, outputs, "stop")
    calls = _calls(body, said, draws, left)
    return _speech(base, [*outputs, *calls], calls[-1].finish)


def _speech(base: str, outputs: list[Output], finish: str) -> Speech:
    thought = sum([output.tokens for output in outputs if isinstance(output, Thought)])
    return Speech(base, tuple(outputs), finish, sum([output.tokens for output in outputs]), thought)


def _compacts(body: dict[str, Any], prompt_tokens: int) -> bool:
    """Whether the context is longer than the request wants to carry on."""
    for rule in body.get("context_management") or ():
        limit = rule.get("compact_threshold")
        if rule.get("type") == "compaction" and isinstance(limit, int) and prompt_tokens > limit:
            return True
    return False


def _thought(body: dict[str, Any], world: World, tokens: int, limit: int | None) -> Thought | None:
    """The reasoning, where the request speaks of any: an effort, a summary, or its encrypted content."""
    asked = body.get("reasoning") or {}
    kind = asked.get("summary") or asked.get("generate_summary")
    effort = asked.get("effort")
    wanted = kind is not None or "reasoning.encrypted_content" in (body.get("include") or ())
    long = reasoning_tokens(effort or ("medium" if wanted else None), tokens)
    if not long:
        return None
    if limit is not None and long >= limit:
        return Thought(limit, (), whole=False)
    parts = [] if kind is None else range(2 if kind == "detailed" else 1)
    raw = stream_of(world.seed, f"{world.call_key}/summary", 0, SUMMARY_TOKENS * len(parts))
    texts = [prose(raw[at * SUMMARY_TOKENS : (at + 1) * SUMMARY_TOKENS]) for at in parts]
    return Thought(long, tuple(texts), whole=True)


def _calls(body: dict[str, Any], said: Said, draws: Draws, limit: int | None) -> list[Said]:
    """What is said, and the calls of further functions where several may be made at once."""
    if said.tool is None or said.finish == "length" or said.kind == "legacy":
        return [said]
    first = next(tool for tool in body["tools"] if tool.get("name") == said.tool)
    more = further_tools(body, Tool(said.tool, said.kind, first.get("parameters")), chat=False)
    left = None if limit is None else limit - said.tokens
    calls = [said]
    for tool in more:
        if left is not None and left <= 0:
            break
        arguments, finish = tool.arguments(draws), "tool_calls"
        counted = max(1, tokens_in(arguments))
        if left is not None and counted > left:
            arguments, counted, finish = arguments[: left * CHARS_PER_TOKEN], left, "length"
        left = None if left is None else left - counted
        calls.append(Said(0, arguments, finish, counted, False, said.ident, tool.name, tool.kind))
    return calls
