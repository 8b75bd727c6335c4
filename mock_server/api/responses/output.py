"""Generate a response, before any wire format: reasoning, calls and text, in the order of its output.

    request ──speak()──► Speech(Thought?, Hosted …, Said) ──responses / responses_events──► Script

What it says in words or calls of functions is what a chat completion would say for the same draw.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from windtunnel.mock_server.api.choices import GeneratedChoice, generate_choices, reasoning_tokens
from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.endpoint import World
from windtunnel.mock_server.api.responses.hosted_tools import HostedCall, hosted_calls
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, prose, stream_of, tokens_in
from windtunnel.mock_server.api.tools.calls import Tool, further_tools, holds_result
from windtunnel.mock_server.api.truth import Choice, digest
from windtunnel.mock_server.request import Request

_SHAPING: Final = frozenset(("tools", "reasoning", "text", "context_management", "include"))
"""Fields that make an answer anything but one message of the length that was drawn."""

_VERBOSITY: Final = {"low": 0.5, "high": 2.0}
"""What `text.verbosity` does to the length that was drawn."""

SUMMARY_TOKENS: Final = 24
"""Length of one part of a summary of the reasoning; a detailed one has two."""


class Reasoning(NamedTuple):
    """Reasoning: its work, the parts of its summary, and whether there was room for all of it."""

    tokens: int
    parts: tuple[str, ...]
    whole: bool


class Compaction(NamedTuple):
    """The conversation so far, made smaller."""

    tokens: int


Output: TypeAlias = GeneratedChoice | Reasoning | HostedCall | Compaction


class Generation(NamedTuple):
    """The generated output of a response.

    `base` is 46 hex digits to make ids from, `tokens` all of its work, `reasoning` the reasoning's part of it.
    """

    base: str
    outputs: tuple[Output, ...]
    finish: str
    tokens: int
    reasoning: int = 0

    def truth(self) -> str:
        """The digest of what a client must end up with: the text, or the calls of functions."""
        first = self.outputs[0]
        if isinstance(first, GeneratedChoice) and len(self.outputs) == 1:
            return digest((first.choice(),))
        generated = [output for output in self.outputs if isinstance(output, GeneratedChoice)]
        text = "".join([one.content for one in generated if one.tool is None])
        calls = [(one.tool, one.content) for one in generated if one.tool is not None]
        choice: Choice = (0, text, None, calls, self.finish)
        return digest([choice])


def generate(request: Request, world: World, prompt_tokens: int) -> Generation:
    """Generate the answer to a request that passed its checks; `prompt_tokens` is its whole context."""
    tokens = max(world.tokens, 1)
    if _SHAPING.isdisjoint(request.body):
        generated = _generate_text(request, world, tokens, request.max_tokens)
        base = response_base(world) if world.attempt else generated.ident[:46]  # a hash that is there anyway
        return Generation(base, (generated,), generated.finish, generated.tokens)
    return _shaped(request, world, tokens, prompt_tokens, response_base(world))


def response_base(world: World) -> str:
    """Return 46 hex digits, from which the ids of a response and its items are made.

    A retry makes a response of its own: without an `Idempotency-Key` the API does nothing twice as one.
    """
    key = f"{world.seed}/response/{world.call_key}/{world.attempt}"
    return blake2b(key.encode(), digest_size=23).hexdigest()


def _generate_text(request: Request, world: World, tokens: int, limit: int | None) -> GeneratedChoice:
    return generate_choices(
        request.body,
        seed=world.seed,
        call_key=world.call_key,
        tokens=tokens,
        limit=limit,
        tool_calls=world.tool_calls,
        chat=False,
    )[0]


def _shaped(request: Request, world: World, tokens: int, prompt_tokens: int, base: str) -> Generation:
    body, left = request.body, request.max_tokens
    verbosity: str = (body.get("text") or {}).get("verbosity") or "medium"
    tokens = max(1, round(tokens * _VERBOSITY.get(verbosity, 1.0)))
    outputs: list[Output] = []
    if _compacts(body, prompt_tokens):
        outputs.append(Compaction(1))
    reasoning = _reasoning(body, world, tokens, left)
    if reasoning is not None:
        outputs.append(reasoning)
        if not reasoning.whole:
            return _generation(base, outputs, "length")
        left = None if left is None else left - reasoning.tokens
    draws = Draws(f"{world.seed}/calls/{world.call_key}")
    generated = _generate_text(request, world, tokens, left)
    if world.tool_calls != "never":
        offered = world.tool_calls == "offered" and not holds_result(body, chat=False)
        outputs += hosted_calls(body, draws, functions=generated.tool is not None, offered=offered)
    last = outputs[-1] if outputs else None
    if isinstance(last, HostedCall) and last.ends:
        return _generation(base, outputs, "stop")
    calls = _calls(body, generated, draws, left)
    return _generation(base, [*outputs, *calls], calls[-1].finish)


def _generation(base: str, outputs: list[Output], finish: str) -> Generation:
    reasoning = sum([output.tokens for output in outputs if isinstance(output, Reasoning)])
    return Generation(base, tuple(outputs), finish, sum([output.tokens for output in outputs]), reasoning)


def _compacts(body: dict[str, Any], prompt_tokens: int) -> bool:
    """Whether the context is longer than the request wants to carry on."""
    for rule in body.get("context_management") or ():
        limit = rule.get("compact_threshold")
        if rule.get("type") == "compaction" and isinstance(limit, int) and prompt_tokens > limit:
            return True
    return False


def _reasoning(body: dict[str, Any], world: World, tokens: int, limit: int | None) -> Reasoning | None:
    """The reasoning, where the request speaks of any: an effort, a summary, or its encrypted content."""
    options = body.get("reasoning") or {}
    kind = options.get("summary") or options.get("generate_summary")
    effort = options.get("effort")
    wanted = kind is not None or "reasoning.encrypted_content" in (body.get("include") or ())
    long = reasoning_tokens(effort or ("medium" if wanted else None), tokens)
    if not long:
        return None
    if limit is not None and long >= limit:
        return Reasoning(limit, (), whole=False)
    parts = [] if kind is None else range(2 if kind == "detailed" else 1)
    raw = stream_of(world.seed, f"{world.call_key}/summary", 0, SUMMARY_TOKENS * len(parts))
    texts = [prose(raw[at * SUMMARY_TOKENS : (at + 1) * SUMMARY_TOKENS]) for at in parts]
    return Reasoning(long, tuple(texts), whole=True)


def _calls(
    body: dict[str, Any], generated: GeneratedChoice, draws: Draws, limit: int | None
) -> list[GeneratedChoice]:
    """What is said, and the calls of further functions where several may be made at once."""
    if generated.tool is None or generated.finish == "length" or generated.kind == "legacy":
        return [generated]
    first = next(tool for tool in body["tools"] if tool.get("name") == generated.tool)
    more = further_tools(body, Tool(generated.tool, generated.kind, first.get("parameters")), chat=False)
    left = None if limit is None else limit - generated.tokens
    calls = [generated]
    for tool in more:
        if left is not None and left <= 0:
            break
        arguments, finish = tool.arguments(draws, share=1 + len(more)), "tool_calls"
        counted = max(1, tokens_in(arguments))
        if left is not None and counted > left:
            arguments, counted, finish = arguments[: left * CHARS_PER_TOKEN], left, "length"
        left = None if left is None else left - counted
        calls.append(
            GeneratedChoice(0, arguments, finish, counted, False, generated.ident, tool.name, tool.kind)
        )
    return calls
