"""Counts of the mock's own bugs: unexpected exceptions. Each place is logged once, all are counted.

What is logged has the frames and the exception's type, never its message or any value: a message may quote a
request, and what clients send is written nowhere.
"""

from __future__ import annotations

import logging
import traceback

from windtunnel.mock_server.api.errors import error_body
from windtunnel.mock_server.transports.limits import MAX_HELD

LOGGER = logging.getLogger("windtunnel.mock_server")

MAX_PLACES = 100
"""Places with a count of their own; failures at further ones are counted as `elsewhere`."""

FAILED = "The mock server itself failed on this request: a bug of its own, not a simulated fault. Its log says where."
"""The message of the 500 that a client gets."""

FULL = f"Requests of {MAX_HELD} bytes are under way already, as many as this server keeps."
"""The message of the 503 to a request for which there is no room."""

_TYPES = {500: "server_error", 503: "service_unavailable_error"}


def refusal_body(status: int, message: str) -> bytes:
    """Return the body, in the API's form, of the answer to a request that could not be received."""
    return error_body(status, message, _TYPES.get(status, "invalid_request_error"))


class Failures:
    """Counts failures by place: the exception's type, and the file and line that raised it."""

    __slots__ = ("by_place",)

    def __init__(self) -> None:
        self.by_place: dict[str, int] = {}

    def note(self, error: BaseException) -> None:
        """Count an exception, and log the first one of its place with a traceback."""
        frames = traceback.extract_tb(error.__traceback__)
        place = type(error).__name__
        if frames:
            name = frames[-1].filename
            place += f" at {name[name.rfind('/') + 1 :]}:{frames[-1].lineno}"
        if place not in self.by_place and len(self.by_place) >= MAX_PLACES:
            place = "elsewhere"
        count = self.by_place[place] = self.by_place.get(place, 0) + 1
        if count == 1:
            lines = "".join(traceback.format_list(frames[-60:]))
            LOGGER.error("a request could not be answered, which is a bug: %s\n%s", place, lines)
