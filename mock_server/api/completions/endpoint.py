"""Legacy completions: `text_completion` objects, whole and as a stream of parts."""

from __future__ import annotations

from collections.abc import Generator
from io import BytesIO
from itertools import accumulate, zip_longest
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.azure.filters import filtered
from windtunnel.mock_server.api.chat.wire import FINGERPRINT
from windtunnel.mock_server.api.choices import GeneratedChoice, each_choice
from windtunnel.mock_server.api.completions.checks import Prompt, check_completions, prompts_of
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, Preparation, World, run
from windtunnel.mock_server.api.headers import EVENT_STREAM, JSON, answer_headers
from windtunnel.mock_server.api.logprobs import TOKENS_PER_STEP, ranked, tokens_of
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, TOKENS, tokens_in
from windtunnel.mock_server.api.timed_steps import Timed, timed_steps_in_turns
from windtunnel.mock_server.api.truth import RunningDigest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import DONE

USUAL_LIMIT: Final = 16
"""`max_tokens` where the request gives none, as with the real API."""

_TOKEN_BYTES: Final = 5
_CHUNK_BYTES: Final = 400
_LOGPROB_BYTES: Final = 25
"""Bytes of a token in the answer, of what is around a chunk or a choice, of a log probability."""

LITTLE: Final = 4_000
"""Tokens and their alternatives that are written at once, in some milliseconds."""


def answer_completion(request: Request, world: World) -> Answer:
    """The healthy answer: `n` choices for every prompt, in the order of the prompts."""
    made: Answer = world.prepared or run(_made(request, world))
    return made


def _size(request: Request, world: World) -> tuple[int, int]:
    """The choices of an answer, and the tokens of all of them, with what they repeat of the prompts."""
    body = request.body
    choices = len(prompts_of(body)) * (body.get("best_of") or body.get("n") or 1)
    tokens = choices * min(_limit(body), world.tokens)
    if body.get("echo"):
        tokens += (body.get("n") or 1) * request.prompt_tokens
    return choices, tokens


def _outgoing(request: Request, world: World) -> int:
    body = request.body
    choices, tokens = _size(request, world)
    each = _TOKEN_BYTES
    if request.stream:
        each += _CHUNK_BYTES // world.tokens_per_chunk + 1
    if body.get("logprobs") is not None:
        each += _LOGPROB_BYTES * (2 + body["logprobs"])
    return choices * _CHUNK_BYTES + tokens * each


def _prepare(request: Request, world: World) -> Preparation | None:
    """Make a long answer in steps."""
    body = request.body
    choices, tokens = _size(request, world)
    work = choices + tokens * (1 + 2 * (body.get("logprobs") is not None) + (body.get("logprobs") or 0))
    return _made(request, world) if work > LITTLE else None


def _limit(body: dict[str, Any]) -> int:
    limit = body.get("max_tokens")
    return USUAL_LIMIT if limit is None else limit


def _made(request: Request, world: World) -> Generator[None, None, Answer]:
    """Make the answer in steps."""
    body = request.body
    chosen, billed = yield from _generated(body, world)
    head = f'"id":"cmpl-{chosen[0].ident[:29]}","object":"text_completion","created":{world.created},'
    lead = f'{{{head}"model":{orjson.dumps(request.model).decode()},"choices":['
    tail = f'"system_fingerprint":"{FINGERPRINT}"}}'
    echoes = _echoes(body, len(chosen))
    usage = f'"usage":{_usage(request.prompt_tokens, billed)},'
    work = max(1, billed)
    if request.stream:
        steps = yield from _streamed(body, chosen, echoes, lead, tail, usage, world.tokens_per_chunk)
        script = Script((Head(200, answer_headers(world.stamp, EVENT_STREAM), "chunked"), *steps))
    else:
        whole = BytesIO()
        before = lead
        for generated, echo in zip(chosen, echoes, strict=True):
            choice = yield from _choice(body, generated, echo)
            whole.write(before.encode())
            whole.write(choice)
            before = ","
        whole.write(f"],{usage}{tail}".encode())
        data = whole.getvalue()
        waits: tuple[Step, ...] = (FirstToken(), Tokens(work - 1)) if work > 1 else (FirstToken(),)
        ending = (Send(data, billed, "terminal"), End())
        script = Script((Head(200, answer_headers(world.stamp, JSON)), *waits, *ending))
    if request.azure is not None:
        script = filtered(script)
    truth = RunningDigest()
    for generated, echo in zip(chosen, echoes, strict=True):
        truth.add((generated.position, echo + generated.content, None, (), generated.finish))
        yield
    return Answer(script, truth.result(), work, chosen[0].finish)


def _generated(
    body: dict[str, Any], world: World
) -> Generator[None, None, tuple[list[GeneratedChoice], int]]:
    """The choices that are sent, and the tokens of all that were generated (`best_of` generates more)."""
    prompts, count = len(prompts_of(body)), body.get("n") or 1
    each = body.get("best_of") or count
    limit = _limit(body)
    settings = {"n": prompts * each, "stop": body.get("stop")}
    candidates = []
    for candidate in each_choice(
        settings,
        seed=world.seed,
        call_key=world.call_key,
        tokens=max(world.tokens, 1),
        limit=max(limit, 1),
        tool_calls="never",
        chat=True,
    ):
        candidates.append(candidate)
        yield
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


def _choice(body: dict[str, Any], generated: GeneratedChoice, echo: str) -> Generator[None, None, bytes]:
    text = echo + generated.content
    choice = {
        "text": text,
        "index": generated.position,
        "logprobs": (yield from _logprobs_in_steps(body, generated, text, echoed=bool(echo))),
        "finish_reason": generated.finish,
    }
    return orjson.dumps(choice)


def _logprobs_in_steps(
    body: dict[str, Any], generated: GeneratedChoice, text: str, *, echoed: bool
) -> Generator[None, None, dict[str, Any] | None]:
    """The `logprobs` of a whole choice, each of its lists as JSON."""
    names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    lists: dict[str, list[bytes]] = {name: [] for name in names}
    size = TOKENS_PER_STEP * CHARS_PER_TOKEN
    for at in range(0, max(1, len(text)), size):
        found = _logprobs(body, generated, text[at : at + size], at, echoed=echoed and not at)
        yield
        if found is None:
            return None
        for name in names:
            lists[name].append(b"" if found[name] is None else orjson.dumps(found[name])[1:-1])
    written: dict[str, Any] = {
        name: orjson.Fragment(b"[" + b",".join(parts) + b"]") for name, parts in lists.items()
    }
    return written if body.get("logprobs") else {**written, "top_logprobs": None}


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
) -> Generator[None, None, list[Step]]:
    """The steps of a stream after its head: choices in turns, then why each ended, then the usage if asked for."""
    options = body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    close = f'],"usage":null,{tail}\n\n' if with_usage else f"],{tail}\n\n"
    tracks: list[list[Timed]] = []
    work = 0
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
            work += tokens_in(text)
            if work > TOKENS_PER_STEP:
                work = 0
                yield
        tracks.append(track)
    timed: list[Timed] = []
    for turn in zip_longest(*tracks):
        timed += [one for one in turn if one is not None]
        yield
    steps: list[Step] = [FirstToken()]
    steps += yield from timed_steps_in_turns(timed)
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
        prepare=_prepare,
        outgoing=_outgoing,
        limits=("max_tokens",),
    ),
)
