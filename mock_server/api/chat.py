"""Chat completions on the wire: `chat.completion`, and a stream of `chat.completion.chunk`.

Bytes are put together from prepared pieces; only content that needs escapes goes through a JSON encoder.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

import orjson

from mock_server.api.headers import EVENT_STREAM, JSON, RequestStamp, answer_headers
from mock_server.api.said import Said
from mock_server.request import Request
from mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens

DONE: Final = b"data: [DONE]\n\n"
FINGERPRINT: Final = "fp_5c1e0a7f2d"
_TAGS: Final = f'"service_tier":"default","system_fingerprint":"{FINGERPRINT}"'
_DETAILS: Final = (
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)

Timed = tuple[int, bytes]
"""Bytes, and how many tokens of work come before them."""


def chat_script(
    request: Request, said: list[Said], *, stamp: RequestStamp, created: int, tokens_per_chunk: int
) -> Script:
    """The healthy answer to a chat completion request."""
    if request.stream:
        return _streamed(request, said, stamp, created, tokens_per_chunk)
    tokens = sum([one.tokens for one in said])
    lead = (
        f'{{"id":"chatcmpl-{said[0].ident[:29]}","object":"chat.completion","created":{created},'
        f'"model":{_quoted(request.model)},"choices":['
    )
    tail = f'],"usage":{_usage(request.prompt_tokens, tokens)},{_TAGS}}}'
    body = b"".join((lead.encode(), b",".join([_choice(one) for one in said]), tail.encode()))
    head = Head(200, answer_headers(stamp, JSON))
    send = Send(body, tokens, "terminal")
    if tokens == 1:
        return Script((head, FirstToken(), send, End()))
    return Script((head, FirstToken(), Tokens(tokens - 1), send, End()))


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _usage(prompt: int, completion: int) -> str:
    return (
        f'{{"prompt_tokens":{prompt},"completion_tokens":{completion},'
        f'"total_tokens":{prompt + completion},{_DETAILS}}}'
    )


def _choice(said: Said) -> bytes:
    """One entry of `choices` in an answer that comes in one piece."""
    start = f'{{"index":{said.position},"message":{{"role":"assistant","content":'
    end = f',"refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{said.finish}"}}'
    if said.tool is None:
        content = b'"%b"' % said.content.encode() if said.plain else orjson.dumps(said.content)
        return b"".join((start.encode(), content, end.encode()))
    call = _call(said, _quoted(said.content))
    called = f'"function_call":{call}' if said.kind == "legacy" else f'"tool_calls":[{call}]'
    return f"{start}null,{called}{end}".encode()


def _call(said: Said, content: str, position: str = "") -> str:
    """A tool call with quoted arguments; `position` is the index that it has in streams."""
    name = _quoted(said.tool or "")
    if said.kind == "legacy":
        return f'{{"name":{name},"arguments":{content}}}'
    field = "input" if said.kind == "custom" else "arguments"
    return (
        f'{{{position}"id":"call_{said.ident[:24]}","type":"{said.kind}",'
        f'"{said.kind}":{{"name":{name},"{field}":{content}}}}}'
    )


def _streamed(
    request: Request, said: list[Said], stamp: RequestStamp, created: int, tokens_per_chunk: int
) -> Script:
    options = request.body.get("stream_options")
    with_usage = bool(options and options.get("include_usage"))
    lead = (
        f'data: {{"id":"chatcmpl-{said[0].ident[:29]}","object":"chat.completion.chunk","created":{created},'
        f'"model":{_quoted(request.model)},{_TAGS},"choices":['
    )
    tail = '],"usage":null}\n\n' if with_usage else "]}\n\n"
    tracks = [_track(one, lead, tail, tokens_per_chunk, first=0 if one.position else 1) for one in said]
    steps: list[Step] = [Head(200, answer_headers(stamp, EVENT_STREAM), "chunked"), FirstToken()]
    steps += timed_steps(tracks[0] if len(tracks) == 1 else _interleaved(tracks))
    steps += [Send(f"{lead}{_finish(one)}{tail}".encode()) for one in said]
    if with_usage:
        usage = _usage(request.prompt_tokens, sum([one.tokens for one in said]))
        steps.append(Send(f'{lead}],"usage":{usage}}}\n\n'.encode()))
    steps += (Send(DONE, 0, "terminal"), End())
    return Script(tuple(steps))


def timed_steps(track: list[Timed]) -> list[Step]:
    """Content as steps. The first chunk comes with the first token, each other one after its own work."""
    work: dict[int, Tokens] = {}
    tokens, data = track[0]
    steps: list[Step] = [] if tokens <= 1 else [Tokens(tokens - 1)]
    steps.append(Send(data, tokens, "content"))
    for tokens, data in track[1:]:
        steps.append(work.get(tokens) or work.setdefault(tokens, Tokens(tokens)))
        steps.append(Send(data, tokens, "content"))
    return steps


def _interleaved(tracks: list[list[Timed]]) -> list[Timed]:
    """The choices' chunks in turns, as parallel samples arrive."""
    return [timed for turn in zip_longest(*tracks) for timed in turn if timed is not None]


def _track(said: Said, lead: str, tail: str, tokens_per_chunk: int, *, first: int) -> list[Timed]:
    """The chunks of one choice: its role goes along with its first content (`first` tokens, 0: a chunk's)."""
    start = f'{lead}{{"index":{said.position},"delta":'
    end = f',"logprobs":null,"finish_reason":null}}{tail}'
    opening, before, after = _delta_forms(said)
    before, after = start + before, after + end
    track: list[Timed] = []
    prefix = f"{start}{opening}{end}"
    for tokens, piece in said.pieces(tokens_per_chunk, first=first or tokens_per_chunk):
        if not said.plain:
            piece = _quoted(piece)[1:-1]
        data = f"{prefix}{before}{piece}{after}" if piece else prefix
        track.append((tokens, data.encode()))
        prefix = ""
    return track


def _delta_forms(said: Said) -> tuple[str, str, str]:
    """The opening delta of a choice, and what stands before and after a piece of content in the others."""
    if said.tool is None:
        return '{"role":"assistant","content":"","refusal":null}', '{"content":"', '"}'
    call = _call(said, '""', '"index":0,')
    if said.kind == "legacy":
        opening = f'{{"role":"assistant","content":null,"function_call":{call},"refusal":null}}'
        return opening, '{"function_call":{"arguments":"', '"}}'
    opening = f'{{"role":"assistant","content":null,"tool_calls":[{call}],"refusal":null}}'
    field = '"custom":{"input":"' if said.kind == "custom" else '"function":{"arguments":"'
    return opening, f'{{"tool_calls":[{{"index":0,{field}', '"}}]}'


def _finish(said: Said) -> str:
    return f'{{"index":{said.position},"delta":{{}},"logprobs":null,"finish_reason":"{said.finish}"}}'
