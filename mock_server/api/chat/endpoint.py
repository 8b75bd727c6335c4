"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Final

from windtunnel.mock_server.api.azure.filters import filtered
from windtunnel.mock_server.api.chat.checks import check_chat
from windtunnel.mock_server.api.chat.stored import store_effect
from windtunnel.mock_server.api.chat.wire import chat_script
from windtunnel.mock_server.api.choices import generate_choices
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request

VERBOSITY: Final = {"low": 0.5, "high": 2.0}
"""What `verbosity` makes of the length that was drawn."""


def answer_chat(request: Request, world: World) -> Answer:
    """Return the healthy answer to a chat completion request; with `store: true` it is stored."""
    body = request.body
    tokens = world.tokens
    if body.get("verbosity") is not None:
        tokens = round(tokens * VERBOSITY.get(body["verbosity"], 1.0))
    generated = generate_choices(
        body,
        seed=world.seed,
        call_key=world.call_key,
        tokens=max(tokens, 1),
        limit=request.max_tokens,
        tool_calls=world.tool_calls,
        chat=True,
    )
    stamp, created = world.stamp, world.created
    billed = sum([one.billed for one in generated])
    chunk = world.tokens_per_chunk
    script = chat_script(
        request, generated, tokens=billed, stamp=stamp, created=created, tokens_per_chunk=chunk
    )
    if request.azure is not None:
        script = filtered(script)
    truth = digest([one.choice() for one in generated])
    effect = store_effect(request, generated, stamp, created, world) if body.get("store") else None
    return Answer(script, truth, billed, generated[0].finish, effect)


ENDPOINTS = (
    Endpoint(
        name="chat.create",
        method="POST",
        path="/chat/completions",
        api="chat",
        answer=answer_chat,
        check=check_chat,
        limits=("max_completion_tokens", "max_tokens"),
    ),
)
