"""Checks of single fields of a request body, as tables of small functions.

A check takes the field's name and its value (never null) and gives the error that the API answers with, or
None. Fields that are in no table are let through: clients are ahead of any list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    empty_array,
    invalid_type,
    invalid_value,
    out_of_range,
)

Check: TypeAlias = Callable[[str, Any], ApiError | None]


def check_fields(body: Mapping[str, Any], checks: Mapping[str, Check]) -> ApiError | None:
    """The first error among the body's fields."""
    for name, value in body.items():
        check = checks.get(name)
        if check is not None and value is not None:
            problem = check(name, value)
            if problem is not None:
                return problem
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


COMMON: dict[str, Check] = {
    "model": string,
    "stream": boolean,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "parallel_tool_calls": boolean,
    "metadata": mapping,
    "store": boolean,
    "user": string,
    "safety_identifier": string,
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
}
"""Fields that chat completions and Responses have in common."""
