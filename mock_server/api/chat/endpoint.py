"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from windtunnel.mock_server.api.azure.filters import filtered
from windtunnel.mock_server.api.chat.checks import check_chat
from windtunnel.mock_server.api.chat.stored import store_effect
from windtunnel.mock_server.api.chat.wire import chat_script
from windtunnel.mock_server.api.choices import each_choice
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, Preparation, World, run
from windtunnel.mock_server.api.truth import RunningDigest
from windtunnel.mock_server.plan.distributions import MOST_TOKENS
from windtunnel.mock_server.request import Request

VERBOSITY: Final = {"low": 0.5, "high": 2.0}
"""What `verbosity` makes of the length that was drawn."""

_TOKEN_BYTES: Final = 5
_SPOKEN_BYTES: Final = 300
_CHUNK_BYTES: Final = 400
_LOGPROB_BYTES: Final = 70
"""Bytes of a token in the answer, of one that is spoken, of what is around a chunk, of a log probability."""

LITTLE: Final = 8_000
"""Tokens and their alternatives that are written at once, in some milliseconds."""


def answer_chat(request: Request, world: World) -> Answer:
    """Return the healthy answer to a chat completion request; with `store: true` it is stored."""
    made: Answer = world.prepared or run(_made(request, world))
    return made


def _tokens(request: Request, world: World) -> int:
    """The tokens of each choice, where nothing else shapes it."""
    tokens = world.tokens
    if request.body.get("verbosity") is not None:
        tokens = round(tokens * VERBOSITY.get(request.body["verbosity"], 1.0))
    return max(tokens, 1)


def _work(request: Request, world: World) -> int:
    """The tokens of all choices, each with the alternatives that are listed with it."""
    body = request.body
    tokens = min(_tokens(request, world), request.max_tokens or MOST_TOKENS)
    return (
        (body.get("n") or 1) * tokens * (1 + (body.get("top_logprobs") or 0) + 2 * bool(body.get("logprobs")))
    )


def _outgoing(request: Request, world: World) -> int:
    body = request.body
    each = _SPOKEN_BYTES if "audio" in (body.get("modalities") or ()) else _TOKEN_BYTES
    if request.stream:
        each += _CHUNK_BYTES // world.tokens_per_chunk + 1
    if body.get("logprobs"):
        each += _LOGPROB_BYTES * (1 + (body.get("top_logprobs") or 0))
    tokens = min(_tokens(request, world), request.max_tokens or MOST_TOKENS)
    return (body.get("n") or 1) * (tokens * each + _CHUNK_BYTES)


def _prepare(request: Request, world: World) -> Preparation | None:
    """Make a long answer in steps."""
    return _made(request, world) if _work(request, world) > LITTLE else None


def _made(request: Request, world: World) -> Generator[None, None, Answer]:
    body = request.body
    generated, truth = [], RunningDigest()
    for one in each_choice(
        body,
        seed=world.seed,
        call_key=world.call_key,
        tokens=_tokens(request, world),
        limit=request.max_tokens,
        tool_calls=world.tool_calls,
        chat=True,
    ):
        generated.append(one)
        truth.add(one.choice())
        yield
    stamp, created = world.stamp, world.created
    billed = sum([one.billed for one in generated])
    chunk = world.tokens_per_chunk
    script = yield from chat_script(
        request, generated, tokens=billed, stamp=stamp, created=created, tokens_per_chunk=chunk
    )
    if request.azure is not None:
        script = filtered(script)
    effect = store_effect(request, generated, stamp, created, world) if body.get("store") else None
    return Answer(script, truth.result(), billed, generated[0].finish, effect)


ENDPOINTS = (
    Endpoint(
        name="chat.create",
        method="POST",
        path="/chat/completions",
        api="chat",
        answer=answer_chat,
        check=check_chat,
        prepare=_prepare,
        outgoing=_outgoing,
        limits=("max_completion_tokens", "max_tokens"),
    ),
)
