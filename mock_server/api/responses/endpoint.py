"""POST /v1/responses, and its relatives that count or compact what would be said to the model."""

from __future__ import annotations

from typing import Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.headers import answer_headers
from windtunnel.mock_server.api.objects import WholeAnswer, answered
from windtunnel.mock_server.api.responses.checks import check_compact, check_input_tokens, check_responses
from windtunnel.mock_server.api.responses.events import streamed_script
from windtunnel.mock_server.api.responses.items import item, response_id
from windtunnel.mock_server.api.responses.output import Compaction, Generation, generate, response_base
from windtunnel.mock_server.api.responses.state import StoredResponse, context_tokens, refuse_response
from windtunnel.mock_server.api.responses.wire import ResponseSource, queued_script, usage, whole_script
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.plan.distributions import MOST_TOKENS
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Tokens


def answer_response(request: Request, world: World) -> Answer:
    """The healthy answer to a Responses request."""
    body = request.body
    prompt_tokens = request.prompt_tokens
    if "previous_response_id" in body or "conversation" in body:
        prompt_tokens += context_tokens(request, world)
    generation = generate(request, world, prompt_tokens)
    source = ResponseSource(request, generation, world.created, prompt_tokens, world.tokens_per_chunk)
    background = body.get("background") is True
    early = effect = None
    if body.get("store") is not False or "conversation" in body:
        effect = StoredResponse(source, world.unix_t0, world.store, world.store.clock(world.now)).begin
    if request.stream:
        script = streamed_script(source, world.stamp)
    else:
        script = whole_script(source, world.stamp)
        early = queued_script(source, world.stamp) if background else None
    return Answer(
        script,
        generation.truth(),
        generation.tokens,
        generation.finish,
        effect,
        early,
        background and request.stream,
        prompt_tokens - request.prompt_tokens,
    )


def answer_count(request: Request, world: World) -> Answer:
    """How many tokens a request would put in."""
    problem = refuse_response(request, world)
    if problem is not None:
        return answered(problem, world)
    tokens = request.prompt_tokens + context_tokens(request, world)
    body = orjson.dumps({"object": "response.input_tokens", "input_tokens": tokens})
    return answered(WholeAnswer(body, [(0, str(tokens), None, (), None)]), world)


def answer_compact(request: Request, world: World) -> Answer:
    """A conversation made smaller: one item that stands for all of it, a tenth as long."""
    prompt_tokens = request.prompt_tokens + context_tokens(request, world)
    tokens = max(1, prompt_tokens // 10)
    generation = Generation(response_base(world), (Compaction(tokens),), "stop", tokens)
    source = ResponseSource(request, generation, world.created, prompt_tokens, world.tokens_per_chunk)
    compacted = item(generation, 0, done=True)
    body = {
        "id": response_id(generation),
        "object": "response.compaction",
        "created_at": world.created,
        "output": [compacted],
        "usage": usage(source),
    }
    work = (FirstToken(), Tokens(tokens - 1)) if tokens > 1 else (FirstToken(),)
    send = Send(orjson.dumps(body), tokens, "terminal")
    script = Script((Head(200, answer_headers(world.stamp)), *work, send, End()))
    truth = digest([(0, compacted["encrypted_content"], None, (), None)])
    context = prompt_tokens - request.prompt_tokens
    return Answer(script, truth, tokens, None, context_tokens=context)


_TOKEN_BYTES: Final = 25
_CHUNK_BYTES: Final = 500
_LOGPROB_BYTES: Final = 280
"""Bytes of a token in the answer, of what is around a chunk, of a log probability: the end of a stream repeats all of
its content, four times."""


def _outgoing(request: Request, world: World) -> int:
    body = request.body
    each = _TOKEN_BYTES
    if request.stream:
        each += _CHUNK_BYTES // world.tokens_per_chunk + 1
    if body.get("include"):
        each += _LOGPROB_BYTES * (1 + (body.get("top_logprobs") or 0))
    return 20 * _CHUNK_BYTES + min(world.tokens, request.max_tokens or MOST_TOKENS) * each


ENDPOINTS = (
    Endpoint(
        name="responses.create",
        method="POST",
        path="/responses",
        api="responses",
        answer=answer_response,
        check=check_responses,
        limits=("max_output_tokens",),
        refuse=refuse_response,
        outgoing=_outgoing,
    ),
    Endpoint(
        name="responses.compact",
        method="POST",
        path="/responses/compact",
        api="responses",
        answer=answer_compact,
        check=check_compact,
        refuse=refuse_response,
    ),
    Endpoint(
        name="responses.input_tokens",
        method="POST",
        path="/responses/input_tokens",
        api="stored",
        answer=answer_count,
        check=check_input_tokens,
    ),
)
