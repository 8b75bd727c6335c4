"""/v1/audio: speech, transcriptions, translations.

The truth of a transcript is its text; in the formats that are no JSON, the whole body.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.headers import EVENT_STREAM, JSON, answer_headers
from windtunnel.mock_server.api.media.audio_requests import AudioRequest, read_audio_request, streams
from windtunnel.mock_server.api.media.speech import SPEECH
from windtunnel.mock_server.api.media.transcripts import (
    Transcript,
    length_of,
    log_probabilities,
    make_transcript,
    segment_objects,
    speaker_objects,
    subtitles,
)
from windtunnel.mock_server.api.objects import answered
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, tokens_in
from windtunnel.mock_server.api.timed_steps import timed_steps
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import FormPart, Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Tokens
from windtunnel.mock_server.sse import write_event

AUDIO_TOKENS_PER_S: Final = 10
"""What a second of sound counts as."""

_TOKEN_BYTES: Final = 250
"""Bytes of a token of a transcript, in the format that takes most: an event for each, with its log probability."""

_PLAIN: Final = "text/plain; charset=utf-8"
_TASKS: Final = {"audio.transcriptions": "transcribe", "audio.translations": "translate"}


def check_transcription(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """The tokens of sound and prompt, or what is wrong with the form."""
    return _input_tokens(read_audio_request("transcribe", fields, parts), parts)


def check_translation(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """The tokens of sound and prompt, or what is wrong with the form."""
    return _input_tokens(read_audio_request("translate", fields, parts), parts)


def _input_tokens(spec: AudioRequest | ApiError, parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    if isinstance(spec, ApiError):
        return spec
    seconds = length_of(parts["file"][0].data)
    return math.ceil(seconds * AUDIO_TOKENS_PER_S) + tokens_in(spec.prompt)


def answer_transcript(request: Request, world: World) -> Answer:
    """The healthy answer to a request for a transcript or a translation."""
    spec = read_audio_request(_TASKS[request.endpoint], request.body, request.parts)
    if isinstance(spec, ApiError):
        return answered(spec, world)
    transcript = make_transcript(
        world.seed, world.call_key, max(world.tokens, 1), request.parts["file"][0].data
    )
    tokens = tokens_in(transcript.text)
    if request.stream:
        return _streamed(spec, transcript, request, world)
    kind = JSON if spec.kind.endswith("json") else _PLAIN
    if kind == JSON:
        data, truth = orjson.dumps(_object(spec, transcript, request)), transcript.text
    else:
        truth = f"{transcript.text}\n" if spec.kind == "text" else subtitles(transcript, spec.kind)
        data = truth.encode()
    work = (FirstToken(), Tokens(tokens - 1)) if tokens > 1 else (FirstToken(),)
    head = Head(200, answer_headers(world.stamp, kind))
    script = Script((head, *work, Send(data, tokens, "terminal"), End()))
    return Answer(script, digest([(0, truth, None, (), None)]), tokens, None)


def _object(spec: AudioRequest, transcript: Transcript, request: Request) -> dict[str, Any]:
    """The transcript as one of the JSON formats has it."""
    usage = _usage(spec, transcript, request)
    if spec.kind == "verbose_json":
        body: dict[str, Any] = {
            "task": spec.task,
            "language": spec.language,
            "duration": transcript.seconds,
            "text": transcript.text,
        }
        if spec.segments:
            body["segments"] = segment_objects(transcript, spec.temperature)
        if spec.words:
            body["words"] = [
                {"word": word.text, "start": word.start, "end": word.end} for word in transcript.words
            ]
        return body if spec.task == "translate" else body | {"usage": usage}
    if spec.kind == "diarized_json":
        segments = speaker_objects(transcript, spec.speakers)
        same = {"task": "transcribe", "duration": transcript.seconds, "text": transcript.text}
        return {**same, "segments": segments, "usage": usage}
    if spec.task == "translate":
        return {"text": transcript.text}
    body = {"text": transcript.text}
    if spec.logprobs:
        body["logprobs"] = log_probabilities(transcript.ident, transcript.text)
    return {**body, **_languages(spec), "usage": usage}


def _languages(spec: AudioRequest) -> dict[str, Any]:
    """What `gpt-transcribe` alone says."""
    return {"languages": [{"code": spec.code}]} if spec.model.startswith("gpt-transcribe") else {}


def _usage(spec: AudioRequest, transcript: Transcript, request: Request) -> dict[str, Any]:
    """By tokens or by seconds, as the model is billed."""
    if not spec.by_token:
        return {"type": "duration", "seconds": math.ceil(transcript.seconds)}
    text, wrote = tokens_in(spec.prompt), tokens_in(transcript.text)
    return {
        "type": "tokens",
        "input_tokens": request.prompt_tokens,
        "input_token_details": {"text_tokens": text, "audio_tokens": request.prompt_tokens - text},
        "output_tokens": wrote,
        "total_tokens": request.prompt_tokens + wrote,
    }


def _event(fields: dict[str, Any]) -> bytes:
    return write_event(orjson.dumps(fields))


def _streamed(spec: AudioRequest, transcript: Transcript, request: Request, world: World) -> Answer:
    """Deltas, with the segments' events between them where speakers are distinguished, and the whole at the end."""
    by_speaker = spec.kind == "diarized_json"
    track = _segments(spec, transcript) if by_speaker else _deltas(spec, transcript, world.tokens_per_chunk)
    done: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text}
    if spec.logprobs:
        done["logprobs"] = log_probabilities(transcript.ident, transcript.text)
    done |= {**_languages(spec), "usage": _usage(spec, transcript, request)}
    script = Script(
        (
            Head(200, answer_headers(world.stamp, EVENT_STREAM), "chunked"),
            FirstToken(),
            *timed_steps(track),
            Send(_event(done), 0, "terminal"),
            End(),
        )
    )
    tokens = sum([count for count, _ in track])
    return Answer(script, digest([(0, transcript.text, None, (), None)]), tokens, None)


def _deltas(spec: AudioRequest, transcript: Transcript, tokens_per_chunk: int) -> list[tuple[int, bytes]]:
    """Pieces of the text with the tokens in each; the first piece is a single one."""
    track: list[tuple[int, bytes]] = []
    at = 0
    while at < len(transcript.text):
        size = CHARS_PER_TOKEN * (tokens_per_chunk if at else 1)
        piece = transcript.text[at : at + size]
        event: dict[str, Any] = {"type": "transcript.text.delta", "delta": piece}
        if spec.logprobs:
            event["logprobs"] = log_probabilities(transcript.ident, piece, at // CHARS_PER_TOKEN)
        track.append((tokens_in(piece), _event(event)))
        at += size
    return track


def _segments(spec: AudioRequest, transcript: Transcript) -> list[tuple[int, bytes]]:
    """For each segment its text as a delta, and the segment."""
    track: list[tuple[int, bytes]] = []
    for segment in speaker_objects(transcript, spec.speakers):
        text = f" {segment['text']}" if track else segment["text"]
        delta = {"type": "transcript.text.delta", "delta": text, "segment_id": segment["id"]}
        track.append((tokens_in(text), _event(delta) + _event(segment)))
    return track


def _outgoing(request: Request, world: World) -> int:
    return max(world.tokens, 1) * _TOKEN_BYTES


ENDPOINTS: tuple[Endpoint, ...] = (
    SPEECH,
    Endpoint(
        name="audio.transcriptions",
        method="POST",
        path="/audio/transcriptions",
        api="transcriptions",
        answer=answer_transcript,
        form=check_transcription,
        outgoing=_outgoing,
        streams=streams,
    ),
    Endpoint(
        name="audio.translations",
        method="POST",
        path="/audio/translations",
        api="transcriptions",
        answer=answer_transcript,
        form=check_translation,
        outgoing=_outgoing,
    ),
)
