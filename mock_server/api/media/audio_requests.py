"""Read, check and complete the fields of a request for a transcript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import check_fields, number, one_of, string
from windtunnel.mock_server.api.objects import too_large, unknown_field
from windtunnel.mock_server.request import FormPart

FIELDS: Final = {
    "transcribe": (
        *("file", "model", "chunking_strategy", "include", "keywords", "known_speaker_names"),
        *("known_speaker_references", "language", "languages", "prompt", "response_format", "stream"),
        *("temperature", "timestamp_granularities"),
    ),
    "translate": ("file", "model", "prompt", "response_format", "temperature"),
}
"""Fields by what is done with the sound."""

MOST_AUDIO_BYTES: Final = 25 * 2**20
"""Bytes of one sound, as with OpenAI."""

ENDINGS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
MOST_SPEAKERS: Final = 4

_CHECKS: Final = {
    "model": string,
    "language": string,
    "prompt": string,
    "response_format": one_of("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    "temperature": number(0, 1),
}
_LANGUAGES: Final = {
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "ja": "japanese",
    "nl": "dutch",
    "pl": "polish",
    "pt": "portuguese",
    "zh": "chinese",
}
_TRANSLATED: Final = ("json", "text", "srt", "verbose_json", "vtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRequest:
    """A request for a transcript, with all defaults filled in.

    `by_token` is a GPT model, which is billed by tokens, not by seconds.
    """

    task: str
    model: str
    kind: str
    language: str
    code: str
    by_token: bool
    words: bool
    segments: bool
    logprobs: bool
    speakers: tuple[str, ...]
    temperature: float
    prompt: str


def read_audio_request(
    task: str, given: Mapping[str, Any], parts: Mapping[str, tuple[FormPart, ...]]
) -> AudioRequest | ApiError:
    """Read the request from a form's fields, or return their first error. `task` is `transcribe` or `translate`."""
    fields = dict(given)
    try:
        fields["temperature"] = float(fields.get("temperature") or 0)
    except (TypeError, ValueError):
        return invalid_type("temperature", "a decimal number", fields["temperature"])
    problem = unknown_field({**given, **parts}, FIELDS[task])
    if problem is None and "file" not in parts:
        problem = missing_parameter("file")
    if problem is None and not fields.get("model"):
        problem = ApiError(400, "you must provide a model parameter")
    problem = problem or check_fields(fields, _CHECKS) or _bad_sound(parts["file"][0])
    if problem is not None:
        return problem
    model, kind = fields["model"], fields.get("response_format") or "json"
    by_token = "transcribe" in model
    problem = _unfit(task, model, kind, fields)
    if problem is not None:
        return problem
    wanted = _list(fields.get("timestamp_granularities")) or ["segment"]
    code = fields.get("language") or next(iter(_list(fields.get("languages"))), "en")
    return AudioRequest(
        task=task,
        model=model,
        kind=kind,
        language="english" if task == "translate" else _LANGUAGES.get(code, code),
        code=code,
        by_token=by_token,
        words="word" in wanted,
        segments="segment" in wanted,
        logprobs="logprobs" in _list(fields.get("include")),
        speakers=tuple(_list(fields.get("known_speaker_names"))[:MOST_SPEAKERS]),
        temperature=fields["temperature"],
        prompt=fields.get("prompt") or "",
    )


def streams(body: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Tell whether a stream is requested. `whisper-1` does not stream: as with OpenAI, it ignores the field."""
    model = body.get("model")
    return str(body.get("stream")).lower() == "true" and isinstance(model, str) and "transcribe" in model


def _list(value: Any) -> list[str]:
    """A field that may be given once or several times."""
    if value is None:
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _bad_sound(file: FormPart) -> ApiError | None:
    if len(file.data) > MOST_AUDIO_BYTES:
        return too_large(MOST_AUDIO_BYTES, len(file.data))
    if file.filename.rpartition(".")[2].lower() not in ENDINGS:
        return ApiError(400, f"Invalid file format. Supported formats: {list(ENDINGS)!r}")
    if not file.data:
        message = "Audio file is too short. Minimum audio length is 0.1 seconds."
        return ApiError(400, message, INVALID_REQUEST, "file", "audio_too_short")
    return None


def _unfit(task: str, model: str, kind: str, fields: Mapping[str, Any]) -> ApiError | None:
    """What the model does not do, and fields that exclude each other."""
    if task == "translate":
        return one_of(*_TRANSLATED)("response_format", kind)
    possible: tuple[str, ...] = _TRANSLATED
    if "transcribe" in model:
        possible = ("json", "text", "diarized_json") if "diarize" in model else ("json", "text")
    if kind not in possible:
        names = " or ".join([f"'{name}'" for name in possible])
        message = f"response_format '{kind}' is not compatible with model '{model}'. Use {names} instead."
        return ApiError(400, message, INVALID_REQUEST, "response_format", "unsupported_value")
    wanted = _list(fields.get("timestamp_granularities"))
    for name in wanted:
        if name not in ("word", "segment"):
            return invalid_value("timestamp_granularities", name, ("word", "segment"))
    if "word" in wanted and kind != "verbose_json":
        message = "timestamp_granularities are only available with response_format 'verbose_json'."
        return ApiError(400, message, INVALID_REQUEST, "timestamp_granularities", "unsupported_value")
    include = _list(fields.get("include"))
    for name in include:
        if name != "logprobs":
            return invalid_value("include", name, ("logprobs",))
    if include and (kind != "json" or "transcribe" not in model or "diarize" in model):
        message = f"include 'logprobs' is not available with model '{model}' and response_format '{kind}'."
        return ApiError(400, message, INVALID_REQUEST, "include", "unsupported_value")
    return None
