"""Legacy completions: `text_completion` objects, whole and as a stream of parts."""

from __future__ import annotations

from itertools import accumulate, zip_longest
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.azure.filters import filtered
from windtunnel.mock_server.api.chat.wire import FINGERPRINT
from windtunnel.mock_server.api.choices import GeneratedChoice, generate_choices
from windtunnel.mock_server.api.completions.checks import Prompt, check_completions, prompts_of
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.headers import EVENT_STREAM, JSON, answer_headers
from windtunnel.mock_server.api.logprobs import ranked, tokens_of
from windtunnel.mock_server.api.text import TOKENS
from windtunnel.mock_server.api.timed_steps import Timed, timed_steps
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import DONE

USUAL_LIMIT: Final = 16
"""`max_tokens` where the request gives none, as with the real API."""


def answer_completion(request: Request, world: World) -> Answer:
    """The healthy answer: `n` choices for every prompt, in the order of the prompts."""
    body = request.body
    chosen, billed = _generated(body, world)
    head = f'"id":"cmpl-{chosen[0].ident[:29]}","object":"text_completion","created":{world.created},'
    lead = f'{{{head}"model":{orjson.dumps(request.model).decode()},"choices":['
    tail = f'"system_fingerprint":"{FINGERPRINT}"}}'
    echoes = _echoes(body, len(chosen))
    usage = f'"usage":{_usage(request.prompt_tokens, billed)},'
    work = max(1, billed)
    if request.stream:
        steps = _streamed(body, chosen, echoes, lead, tail, usage, world.tokens_per_chunk)
        script = Script((Head(200, answer_headers(world.stamp, EVENT_STREAM), "chunked"), *steps))
    else:
        choices = [_choice(body, generated, echo) for generated, echo in zip(chosen, echoes, strict=True)]
        data = f"{lead}{','.join(choices)}],{usage}{tail}".encode()
        waits: tuple[Step, ...] = (FirstToken(), Tokens(work - 1)) if work > 1 else (FirstToken(),)
        ending = (Send(data, billed, "terminal"), End())
        script = Script((Head(200, answer_headers(world.stamp, JSON)), *waits, *ending))
    if request.azure is not None:
        script = filtered(script)
    truth = [
        (generated.position, echo + generated.content, None, (), generated.finish)
        for generated, echo in zip(chosen, echoes, strict=True)
    ]
    return Answer(script, digest(truth), work, chosen[0].finish)


def _generated(body: dict[str, Any], world: World) -> tuple[list[GeneratedChoice], int]:
    """The choices that are sent, and the tokens of all that were generated (`best_of` generates more)."""
    prompts, count = len(prompts_of(body)), body.get("n") or 1
    each = body.get("best_of") or count
    limit = body.get("max_tokens")
    if limit is None:
        limit = USUAL_LIMIT
    settings = {"n": prompts * each, "stop": body.get("stop")}
    candidates = generate_choices(
        settings,
        seed=world.seed,
        call_key=world.call_key,
        tokens=max(world.tokens, 1),
        limit=max(limit, 1),
        tool_calls="never",
        chat=True,
    )
    if limit == 0:
        candidates = [generated._replace(content="", tokens=0, finish="length") for generated in candidates]
    selected = [generated for generated in candidates if generated.position % each < count]
    numbered = [generated._replace(position=position) for position, generated in enumerate(selected)]
    return numbered, sum([generated.tokens for generated in candidates])


def _echoes(body: dict[str, Any], choices: int) -> list[str]:
    """What stands before each choice: its prompt, if the request says `echo`."""
    if not body.get("echo"):
        return [""] * choices
    prompts = [_text(prompt) for prompt in prompts_of(body)]
    return [prompts[at * len(prompts) // choices] for at in range(choices)]


def _text(prompt: Prompt) -> str:
    """A prompt as text; tokens, of which only numbers are known, as tokens of the made-up vocabulary."""
    return prompt if isinstance(prompt, str) else "".join([TOKENS[token % 256] for token in prompt])


def _usage(prompt: int, completion: int) -> str:
    return (
        f'{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{prompt + completion}}}'
    )


def _choice(body: dict[str, Any], generated: GeneratedChoice, echo: str) -> str:
    choice = {
        "text": echo + generated.content,
        "index": generated.position,
        "logprobs": _logprobs(body, generated, echo + generated.content, 0, echoed=bool(echo)),
        "finish_reason": generated.finish,
    }
    return orjson.dumps(choice).decode()


def _logprobs(
    body: dict[str, Any], generated: GeneratedChoice, text: str, offset: int, *, echoed: bool
) -> dict[str, Any] | None:
    """`logprobs` of a piece that begins at character `offset`; the first token of an echoed prompt has none."""
    top = body.get("logprobs")
    if top is None:
        return None
    pieces = tokens_of(text)
    offsets = list(accumulate([len(piece) for piece in pieces[:-1]], initial=offset)) if pieces else []
    rows = [ranked(generated.ident, piece, at, top) for piece, at in zip(pieces, offsets, strict=True)]
    values: list[float | None] = [row[0] for row in rows]
    best: list[dict[str, float] | None] = [dict(row[1]) for row in rows]
    if echoed and rows:
        values[0] = best[0] = None
    return {
        "tokens": pieces,
        "token_logprobs": values,
        "top_logprobs": best if top else None,
        "text_offset": offsets,
    }


def _streamed(
    body: dict[str, Any],
    chosen: list[GeneratedChoice],
    echoes: list[str],
    lead: str,
    tail: str,
    usage: str,
    tokens_per_chunk: int,
) -> list[Step]:
    """The steps of a stream after its head: choices in turns, then why each ended, then the usage if asked for."""
    options = body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    close = f'],"usage":null,{tail}\n\n' if with_usage else f"],{tail}\n\n"
    tracks: list[list[Timed]] = []
    for generated, echo in zip(chosen, echoes, strict=True):
        first = tokens_per_chunk if generated.position else 1
        track: list[Timed] = []
        offset = 0
        for tokens, piece in generated.pieces(tokens_per_chunk, first=first):
            text = piece if track else echo + piece
            part = {
                "text": text,
                "index": generated.position,
                "logprobs": _logprobs(body, generated, text, offset, echoed=bool(echo) and not track),
                "finish_reason": None,
            }
            track.append((tokens, f"data: {lead}{orjson.dumps(part).decode()}{close}".encode()))
            offset += len(text)
        tracks.append(track)
    timed = [timed for turn in zip_longest(*tracks) for timed in turn if timed is not None]
    steps: list[Step] = [FirstToken(), *timed_steps(timed)]
    for generated in chosen:
        end = (
            f'{{"text":"","index":{generated.position},"logprobs":null,"finish_reason":"{generated.finish}"}}'
        )
        steps.append(Send(f"data: {lead}{end}{close}".encode()))
    if with_usage:
        steps.append(Send(f"data: {lead}],{usage}{tail}\n\n".encode()))
    return [*steps, Send(DONE, 0, "terminal"), End()]


ENDPOINTS = (
    Endpoint(
        name="completions.create",
        method="POST",
        path="/completions",
        api="completions",
        answer=answer_completion,
        check=check_completions,
        limits=("max_tokens",),
    ),
)
