"""The healthy answer to a request, as a script, together with the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mock_server.api.chat import chat_script
from mock_server.api.embeddings import embeddings_script
from mock_server.api.headers import request_stamp
from mock_server.api.models import models_script
from mock_server.api.responses import responses_script
from mock_server.api.said import says
from mock_server.api.truth import digest
from mock_server.request import Request
from mock_server.script import Script


@dataclass(frozen=True, slots=True)
class Answer:
    """A healthy script and what a client must end up with after it.

    `tokens` is the work that the script holds, over all choices and after `max_tokens`; embeddings and
    models, which generate no text, count as 1. `finish_reason` is that of the first choice, None if there
    is none.
    """

    script: Script
    truth_digest: str
    tokens: int
    finish_reason: str | None


def answer(
    request: Request,
    *,
    seed: int,
    call_key: str,
    tokens: int,
    tokens_per_chunk: int,
    tool_calls: str,
    created: int,
    attempt: int = 0,
    models: Sequence[str] | None = None,
) -> Answer:
    """The answer to a request without a problem.

    What it says depends on (seed, call_key) and the request alone, so every attempt of a call means the same;
    `attempt` moves only the request id in the headers. `tokens` is the length drawn for one choice of prose,
    `created` the Unix time that the answer states, `models` the names that the provider serves (None: all).
    """
    stamp = request_stamp(seed, call_key, attempt)
    if request.api == "embeddings":
        script, choices = embeddings_script(request, stamp=stamp)
        return Answer(script, digest(choices), 1, None)
    if request.api == "models":
        script, choices = models_script(request, stamp=stamp, models=models)
        return Answer(script, digest(choices), 1, None)
    chat = request.api == "chat"
    said = says(
        request.body,
        seed=seed,
        call_key=call_key,
        tokens=max(tokens, 1),
        limit=request.max_tokens,
        tool_calls=tool_calls,
        chat=chat,
    )
    if chat:
        script = chat_script(request, said, stamp=stamp, created=created, tokens_per_chunk=tokens_per_chunk)
    else:
        script = responses_script(
            request, said[0], stamp=stamp, created=created, tokens_per_chunk=tokens_per_chunk
        )
    truth = digest([one.choice() for one in said])
    return Answer(script, truth, sum([one.tokens for one in said]), said[0].finish)
