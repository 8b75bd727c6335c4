"""Checks of the options of chat completions that ask for more than words: sound, a prediction, a web search …"""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    empty_array,
    invalid_type,
    invalid_value,
    missing_parameter,
    unknown_parameter,
    unsupported_value,
)

MODALITIES: Final = ("text", "audio")
SOUNDS: Final = ("wav", "aac", "mp3", "flac", "opus", "pcm16")
_SIZES: Final = ("low", "medium", "high")
_MODES: Final = ("score", "block")


def modalities(name: str, value: Any) -> ApiError | None:
    """A list of kinds of output."""
    if not isinstance(value, list):
        return invalid_type(name, "an array of strings", value)
    if not value:
        return empty_array(name)
    for at, kind in enumerate(value):
        if kind not in MODALITIES:
            return invalid_value(f"{name}[{at}]", kind, MODALITIES)
    return None


def audio(name: str, value: Any) -> ApiError | None:
    """The voice and the format of a spoken answer."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    for field in ("format", "voice"):
        if field not in value:
            return missing_parameter(f"{name}.{field}")
    if value["format"] not in SOUNDS:
        return invalid_value(f"{name}.format", value["format"], SOUNDS)
    voice = value["voice"]
    if isinstance(voice, str) or (isinstance(voice, dict) and isinstance(voice.get("id"), str)):
        return None
    return invalid_type(f"{name}.voice", "a string or an object", voice)


def prediction(name: str, value: Any) -> ApiError | None:
    """Content that is a string or text parts."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    if value.get("type") != "content":
        return invalid_value(f"{name}.type", value.get("type"), ("content",))
    content = value.get("content")
    if isinstance(content, str):
        return None
    if not isinstance(content, list):
        return invalid_type(f"{name}.content", "a string or an array of objects", content)
    for at, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            return missing_parameter(f"{name}.content[{at}].text")
    return None


def web_search(name: str, value: Any) -> ApiError | None:
    """How much to search, and for whom."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    for field, inner in value.items():
        if field not in ("search_context_size", "user_location"):
            return unknown_parameter(f"{name}.{field}")
        if field == "search_context_size" and inner not in _SIZES:
            return invalid_value(f"{name}.{field}", inner, _SIZES)
        if field == "user_location" and not isinstance(inner, dict | None):
            return invalid_type(f"{name}.{field}", "an object", inner)
    return None


def moderation(name: str, value: Any) -> ApiError | None:
    """The model that moderates, and its policy."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    if not isinstance(value.get("model"), str):
        return missing_parameter(f"{name}.model")
    policy = value.get("policy")
    if policy is None:
        return None
    if not isinstance(policy, dict):
        return invalid_type(f"{name}.policy", "an object", policy)
    for side in ("input", "output"):
        inner = policy.get(side)
        mode = inner.get("mode") if isinstance(inner, dict) else inner
        if mode not in (None, *_MODES) or (isinstance(inner, dict) and mode is None):
            return invalid_value(f"{name}.policy.{side}.mode", mode, _MODES)
    return None


def logit_bias(name: str, value: Any) -> ApiError | None:
    """Numbers from -100 to 100, by token."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    for token, bias in value.items():
        if isinstance(bias, bool) or not isinstance(bias, int | float) or not -100 <= bias <= 100:
            message = f"Invalid value for '{name}.{token}': expected a number between -100 and 100."
            return ApiError(400, message, INVALID_REQUEST, name)
    return None


def options_together(body: dict[str, Any]) -> ApiError | None:
    """Options that need one another."""
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        return ApiError(400, message, INVALID_REQUEST, "top_logprobs")
    if "audio" not in (body.get("modalities") or ()):
        return None
    sound = body.get("audio")
    if sound is None:
        return missing_parameter("audio")
    if body.get("stream") and sound["format"] != "pcm16":
        why = "when stream=true. Supported values are: 'pcm16'"
        return unsupported_value("audio.format", sound["format"], why)
    return None
