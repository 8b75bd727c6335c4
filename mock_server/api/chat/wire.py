"""Chat completions on the wire: `chat.completion`, and a stream of `chat.completion.chunk`.

Answers in words are put together from prepared bytes; only content that needs escapes goes through a JSON encoder.
Tool calls, sound, log probabilities and the like are written by `wire_rich.py`, which is slower and complete.
"""

from __future__ import annotations

from collections.abc import Generator
from io import BytesIO
from itertools import zip_longest
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.chat.wire_rich import RICH, ChunkExtras, rich_choice, rich_track, sound_tokens
from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.headers import EVENT_STREAM, JSON, RequestStamp, answer_headers
from windtunnel.mock_server.api.timed_steps import Timed, timed_steps_in_turns
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import DONE

FINGERPRINT: Final = "fp_5c1e0a7f2d"
_PADDED_TO: Final = 16
"""Content and obfuscation of a chunk are together a multiple of this many characters."""

WORK_PER_STEP: Final = 4_000
"""Tokens and their alternatives that are written at once, in some milliseconds."""

TURNS_PER_STEP: Final = 100
"""Turns of the choices (of which there may be 128) that are put together at once."""

_TAGS: Final = f'"service_tier":"default","system_fingerprint":"{FINGERPRINT}"'
_DETAILS: Final = (
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)


def chat_script(
    request: Request,
    generated: list[GeneratedChoice],
    *,
    tokens: int,
    stamp: RequestStamp,
    created: int,
    tokens_per_chunk: int,
) -> Generator[None, None, Script]:
    """Make the healthy answer to a chat completion request in steps; `tokens` is what all choices are billed as."""
    if request.stream:
        return (yield from _streamed(request, generated, tokens, stamp, created, tokens_per_chunk))
    head = Head(200, answer_headers(stamp, JSON))
    whole = yield from completion(request, generated, tokens, created)
    send = Send(whole, tokens, "terminal")
    if tokens == 1:
        return Script((head, FirstToken(), send, End()))
    return Script((head, FirstToken(), Tokens(tokens - 1), send, End()))


def completion(
    request: Request, generated: list[GeneratedChoice], tokens: int, created: int
) -> Generator[None, None, bytes]:
    """Make the whole `chat.completion` object in steps. It grows in one place, so that its parts are copied once."""
    extras = _extras(request.body, generated, created)
    lead = (
        f'{{"id":"chatcmpl-{generated[0].ident[:29]}","object":"chat.completion","created":{created},'
        f'"model":{_quoted(request.model)},"choices":['
    )
    if extras is None:
        tail = f'],"usage":{_usage(request, generated, tokens, None)},{_TAGS}}}'
    else:
        tail = f'],"usage":{_usage(request, generated, tokens, extras)},{_tags(extras)}{extras.moderation}}}'
    body = BytesIO()
    before = lead.encode()
    for one in generated:
        choice = _choice(one) if extras is None else (yield from rich_choice(one, extras))
        body.write(before)
        body.write(choice)
        before = b","
        yield
    body.write(tail.encode())
    return body.getvalue()


def _extras(body: dict[str, Any], generated: list[GeneratedChoice], created: int) -> ChunkExtras | None:
    """Return what the answer has besides text; None for the usual answer, which has nothing else."""
    if RICH.isdisjoint(body) and generated[0].tool is None:
        return None
    return ChunkExtras.of(body, generated, created)


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _tags(extras: ChunkExtras | None) -> str:
    return _TAGS if extras is None else _TAGS.replace("default", extras.tier)


def _usage(
    request: Request, generated: list[GeneratedChoice], tokens: int, extras: ChunkExtras | None
) -> str:
    prompt = request.prompt_tokens
    details = _DETAILS if extras is None else _details(generated, extras)
    return f'{{"prompt_tokens":{prompt},"completion_tokens":{tokens},"total_tokens":{prompt + tokens},{details}}}'


def _details(generated: list[GeneratedChoice], extras: ChunkExtras) -> str:
    """The details of the usage, where there are any."""
    details = {
        "reasoning_tokens": sum([one.reasoning for one in generated]),
        "audio_tokens": sum([sound_tokens(one) for one in generated]) if extras.sound is not None else 0,
        "accepted_prediction_tokens": sum([one.predicted[0] for one in generated]),
        "rejected_prediction_tokens": sum([one.predicted[1] for one in generated]),
    }
    prompt, _, _ = _DETAILS.partition(',"completion_tokens_details"')
    return f'{prompt},"completion_tokens_details":{orjson.dumps(details).decode()}'


def _choice(generated: GeneratedChoice) -> bytes:
    """One entry of `choices` in an answer that comes in one piece."""
    content = b'"%b"' % generated.content.encode() if generated.plain else orjson.dumps(generated.content)
    return b"".join(
        (
            f'{{"index":{generated.position},"message":{{"role":"assistant","content":'.encode(),
            content,
            f',"refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{generated.finish}"}}'.encode(),
        )
    )


def _streamed(
    request: Request,
    generated: list[GeneratedChoice],
    tokens: int,
    stamp: RequestStamp,
    created: int,
    tokens_per_chunk: int,
) -> Generator[None, None, Script]:
    options = request.body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    padding = "" if options.get("include_obfuscation") is False else generated[0].ident
    extras = _extras(request.body, generated, created)
    lead = (
        f'data: {{"id":"chatcmpl-{generated[0].ident[:29]}","object":"chat.completion.chunk","created":{created},'
        f'"model":{_quoted(request.model)},{_tags(extras)},"choices":['
    )
    tail = '],"usage":null' if with_usage else "]"
    tracks: list[list[Timed]] = []
    for one in generated:
        first = 0 if one.position else 1
        if extras is None:
            tracks.append(_track(one, lead, tail, padding, tokens_per_chunk, first=first))
        else:
            track = []
            work, each = 0, 1 + (extras.top or 0)
            for n, choices in rich_track(one, extras, tokens_per_chunk, first=first):
                track.append((n, _chunks(lead, tail, padding, choices)))
                work += n * each
                if work > WORK_PER_STEP:
                    work = 0
                    yield
            tracks.append(track)
        yield
    steps: list[Step] = [Head(200, answer_headers(stamp, EVENT_STREAM), "chunked"), FirstToken()]
    track = tracks[0] if len(tracks) == 1 else (yield from _interleaved(tracks))
    steps += yield from timed_steps_in_turns(track)
    closing = f"{tail}{_padded(padding, 0)}}}\n\n"
    steps += [
        Send(f"{lead}{choice}{closing}".encode()) for one in generated for choice in _finish(one, extras)
    ]
    if extras is not None and extras.moderation:
        steps.append(Send(f"{lead}{tail}{extras.moderation}{_padded(padding, 0)}}}\n\n".encode()))
    if with_usage:
        usage = _usage(request, generated, tokens, extras)
        steps.append(Send(f'{lead}],"usage":{usage}{_padded(padding, 0)}}}\n\n'.encode()))
    steps += (Send(DONE, 0, "terminal"), End())
    return Script(tuple(steps))


def _interleaved(tracks: list[list[Timed]]) -> Generator[None, None, list[Timed]]:
    """The choices' chunks in turns, as parallel samples arrive."""
    together: list[Timed] = []
    for number, turn in enumerate(zip_longest(*tracks), 1):
        together += [timed for timed in turn if timed is not None]
        if number % TURNS_PER_STEP == 0:
            yield
    return together


def _padded(padding: str, size: int) -> str:
    """The obfuscation of a chunk with `size` characters of content; none if `padding` is empty."""
    return f',"obfuscation":"{padding[: _PADDED_TO - size % _PADDED_TO]}"' if padding else ""


def _chunks(lead: str, tail: str, padding: str, choices: list[tuple[int, str]]) -> bytes:
    """Chunks of one choice each, given with the characters of their content, that are sent together."""
    return "".join([f"{lead}{text}{tail}{_padded(padding, size)}}}\n\n" for size, text in choices]).encode()


def _track(
    generated: GeneratedChoice, lead: str, tail: str, padding: str, tokens_per_chunk: int, *, first: int
) -> list[Timed]:
    """The chunks of one choice: its role goes along with its first content (`first` tokens, 0: a chunk's)."""
    start = f'{lead}{{"index":{generated.position},"delta":'
    end = f',"logprobs":null,"finish_reason":null}}{tail}'
    before, after = f'{start}{{"content":"', f'"}}{end}'
    prefix = f'{start}{{"role":"assistant","content":"","refusal":null}}{end}{_padded(padding, 0)}}}\n\n'
    # Nearly all pieces have the same length: the end of a chunk is made once for each length, not for each chunk.
    closes: dict[int, str] = {}
    track: list[Timed] = []
    for tokens, piece in generated.pieces(tokens_per_chunk, first=first or tokens_per_chunk):
        size = len(piece)
        close = closes.get(size)
        if close is None:
            close = closes[size] = f"{after}{_padded(padding, size)}}}\n\n"
        if not generated.plain:
            piece = _quoted(piece)[1:-1]
        if prefix:
            data = f"{prefix}{before}{piece}{close}" if piece else prefix
            track.append((tokens + generated.hidden, data.encode()))
            prefix = ""
        else:
            track.append((tokens, f"{before}{piece}{close}".encode()))
    return track


def _finish(generated: GeneratedChoice, extras: ChunkExtras | None) -> list[str]:
    """The last entries of `choices`: what comes with the end, and why it ended."""
    ends = [] if extras is None else extras.endings(generated)
    return [
        *ends,
        f'{{"index":{generated.position},"delta":{{}},"logprobs":null,"finish_reason":"{generated.finish}"}}',
    ]
