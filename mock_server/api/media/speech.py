"""POST /v1/audio/speech: silence, as long as the text would take, up to two seconds; whole or as events.

The truth is the SHA-256, in hex, of the sound. A stream's pieces are a token of work each.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError, invalid_type, missing_parameter
from windtunnel.mock_server.api.fields import check_fields, number, one_of, string
from windtunnel.mock_server.api.headers import EVENT_STREAM, answer_headers
from windtunnel.mock_server.api.media.sounds import CONTENT_TYPES, FORMATS, LONGEST_S, sound
from windtunnel.mock_server.api.objects import WholeAnswer, answered, unknown_field
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import write_event

FIELDS: Final = ("input", "model", "voice", "instructions", "response_format", "speed", "stream_format")
LONGEST_INPUT: Final = 4_096
CHARACTERS_PER_S: Final = 15
TOKENS_PER_S: Final = 20
"""Tokens that a second of sound counts as."""

PIECES: Final = 5
"""Events of sound in a stream, or fewer if there are fewer bytes."""

_CHECKS: Final = {
    "input": string,
    "model": string,
    "instructions": string,
    "response_format": one_of(*FORMATS),
    "speed": number(0.25, 4.0),
    "stream_format": one_of("sse", "audio"),
}


def check_speech(body: dict[str, Any]) -> ApiError | int:
    """The text's tokens, or what is wrong with the body."""
    problem = unknown_field(body, FIELDS)
    for name in ("model", "input", "voice"):
        if problem is None and body.get(name) is None:
            problem = missing_parameter(name)
    problem = problem or check_fields(body, _CHECKS)
    if problem is not None:
        return problem
    voice = body["voice"]
    if isinstance(voice, dict):
        if not isinstance(voice.get("id"), str):
            return missing_parameter("voice.id")
    elif not isinstance(voice, str):
        return invalid_type("voice", "a string or an object", voice)
    text = body["input"]
    if not 0 < len(text) <= LONGEST_INPUT:
        side = "short" if not text else "long"
        bound = "minimum length 1" if not text else f"maximum length {LONGEST_INPUT}"
        message = (
            f"Invalid 'input': string too {side}. Expected a string with {bound}, "
            f"but got a string with length {len(text)} instead."
        )
        code = f"string_{'below_min' if not text else 'above_max'}_length"
        return ApiError(400, message, INVALID_REQUEST, "input", code)
    if body.get("stream_format") == "sse" and body["model"].startswith("tts-1"):
        message = f"The model '{body['model']}' does not support 'stream_format': 'sse'."
        return ApiError(400, message, INVALID_REQUEST, "stream_format", "unsupported_value")
    return tokens_in(text)


def answer_speech(request: Request, world: World) -> Answer:
    """The healthy answer to a speech request."""
    body = request.body
    kind = body.get("response_format") or "mp3"
    seconds = len(body["input"]) / CHARACTERS_PER_S / (body.get("speed") or 1.0)
    mark = blake2b(f"{world.seed}/speech/{world.call_key}".encode(), digest_size=8).hexdigest()
    data = sound(kind, seconds, mark)
    choices = [(0, sha256(data).hexdigest(), None, (), None)]
    if not request.stream:
        return answered(WholeAnswer(data, choices, content_type=CONTENT_TYPES[kind]), world)
    size = -(-len(data) // PIECES)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    steps: list[Step] = [Head(200, answer_headers(world.stamp, EVENT_STREAM), "chunked"), FirstToken()]
    for at, piece in enumerate(pieces):
        if at:
            steps.append(Tokens(1))
        event = {"type": "speech.audio.delta", "audio": b64encode(piece).decode()}
        steps.append(Send(write_event(orjson.dumps(event)), 1, "content"))
    wrote = max(1, round(min(seconds, LONGEST_S) * TOKENS_PER_S))
    usage = {
        "input_tokens": request.prompt_tokens,
        "output_tokens": wrote,
        "total_tokens": request.prompt_tokens + wrote,
    }
    done = orjson.dumps({"type": "speech.audio.done", "usage": usage})
    steps += (Send(write_event(done), 0, "terminal"), End())
    return Answer(Script(tuple(steps)), digest(choices), len(pieces), None)


def _outgoing(request: Request, world: World) -> int:
    return MOST_SPEECH_BYTES


def _asks_for_events(body: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    return body.get("stream_format") == "sse"


MOST_SPEECH_BYTES: Final = 150_000
"""Bytes of the longest sound, as base64 in the events of a stream."""

SPEECH: Final = Endpoint(
    name="audio.speech",
    method="POST",
    path="/audio/speech",
    api="speech",
    answer=answer_speech,
    check=check_speech,
    streams=_asks_for_events,
    outgoing=_outgoing,
)
