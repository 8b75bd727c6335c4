"""Checks of single fields of a request body, as tables of small functions.

A check takes the field's name and its value (never null) and gives the error that the API answers with, or
None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    empty_array,
    invalid_type,
    invalid_value,
    out_of_range,
    unknown_parameter,
)

Check: TypeAlias = Callable[[str, Any], ApiError | None]


def check_fields(
    body: Mapping[str, Any], checks: Mapping[str, Check], *, closed: bool = False
) -> ApiError | None:
    """The first error among the body's fields; where the table is `closed`, a field that is not in it is one."""
    for name, value in body.items():
        check = checks.get(name)
        if check is None:
            if closed:
                return unknown_parameter(name)
        elif value is not None:
            problem = check(name, value)
            if problem is not None:
                return problem
    return None


def anything(name: str, value: Any) -> ApiError | None:
    """A field that is known, and checked elsewhere or not at all."""
    return None


def boolean(name: str, value: Any) -> ApiError | None:
    """True or false."""
    return None if isinstance(value, bool) else invalid_type(name, "a boolean", value)


def string(name: str, value: Any) -> ApiError | None:
    """Any string."""
    return None if isinstance(value, str) else invalid_type(name, "a string", value)


def mapping(name: str, value: Any) -> ApiError | None:
    """Any object."""
    return None if isinstance(value, dict) else invalid_type(name, "an object", value)


def metadata(name: str, value: Any) -> ApiError | None:
    """Up to 16 short strings by name."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    if len(value) > 16:
        message = (
            f"Invalid '{name}': too many properties. Expected an object with at most 16 properties, "
            f"but got an object with {len(value)} properties instead."
        )
        return ApiError(400, message, INVALID_REQUEST, name, "object_above_max_properties")
    for key, text in value.items():
        if not isinstance(text, str):
            return invalid_type(f"{name}.{key}", "a string", text)
        for what, longest in ((key, 64), (text, 512)):
            if len(what) > longest:
                return text_too_long(f"{name}.{key}", longest, len(what))
    return None


def text_too_long(name: str, longest: int, found: int) -> ApiError:
    """The error for a string with too many characters."""
    message = (
        f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, "
        f"but got a string with length {found} instead."
    )
    return ApiError(400, message, INVALID_REQUEST, name, "string_above_max_length")


def integer(minimum: int, maximum: int | None = None) -> Check:
    """A whole number in a closed range."""

    def check(name: str, value: Any) -> ApiError | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return invalid_type(name, "an integer", value)
        return _in_range(name, value, minimum, maximum)

    return check


def number(minimum: float, maximum: float) -> Check:
    """A number in a closed range."""

    def check(name: str, value: Any) -> ApiError | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return invalid_type(name, "a decimal number", value)
        return _in_range(name, value, minimum, maximum)

    return check


def _in_range(name: str, value: float, minimum: float, maximum: float | None) -> ApiError | None:
    if value < minimum:
        return out_of_range(name, value, minimum=minimum)
    if maximum is not None and value > maximum:
        return out_of_range(name, value, maximum=maximum)
    return None


def one_of(*supported: str) -> Check:
    """A string out of a closed list."""

    def check(name: str, value: Any) -> ApiError | None:
        if not isinstance(value, str):
            return invalid_type(name, f"one of {_listed(supported)}", value)
        return None if value in supported else invalid_value(name, value, supported)

    return check


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(f"'{name}'" for name in names[:-1]), f"'{names[-1]}'"])


def objects(name: str, value: Any, *, longest: int | None = None) -> ApiError | None:
    """A list of objects that is not empty."""
    if not isinstance(value, list):
        return invalid_type(name, "an array of objects", value)
    if not value:
        return empty_array(name)
    if longest is not None and len(value) > longest:
        return too_long(name, longest, len(value))
    for at, entry in enumerate(value):
        if not isinstance(entry, dict):
            return invalid_type(f"{name}[{at}]", "an object", entry)
    return None


def too_long(name: str, longest: int, found: int) -> ApiError:
    """The error for a list with too many entries."""
    message = (
        f"Invalid '{name}': array too long. Expected an array with maximum length {longest}, "
        f"but got an array with length {found} instead."
    )
    return ApiError(400, message, INVALID_REQUEST, name, "array_above_max_length")


def stop_sequences(name: str, value: Any) -> ApiError | None:
    """A string or up to four of them."""
    if isinstance(value, str):
        return None
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        return invalid_type(name, "a string or an array of strings", value)
    return too_long(name, 4, len(value)) if len(value) > 4 else None


def stream_options(body: Mapping[str, Any]) -> ApiError | None:
    """Whether options for streams go with a stream, and are known ones."""
    options = body.get("stream_options")
    if options is None:
        return None
    if not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return ApiError(400, message, INVALID_REQUEST, "stream_options")
    for name, value in options.items():
        if name not in ("include_usage", "include_obfuscation"):
            return unknown_parameter(f"stream_options.{name}")
        if not isinstance(value, bool):
            return invalid_type(f"stream_options.{name}", "a boolean", value)
    return None


COMMON: dict[str, Check] = {
    "model": string,
    "stream": boolean,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "parallel_tool_calls": boolean,
    "metadata": metadata,
    "store": boolean,
    "user": string,
    "safety_identifier": string,
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
}
"""Fields that chat completions and Responses have in common."""
