"""Watchdogs over one call: the layers of timeout that no socket has.

A read timeout starts anew with every byte, so comments and empty deltas defeat it. These count content
alone. Only the arithmetic is here: a shell asks `due`, sets one timer, and asks again when it rings.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from windtunnel.harness.inputs.profile import Timeouts

Layer: TypeAlias = Literal["total", "first_content", "between_contents"]


class WatchdogTimeout(BaseException):
    """A layer's time is up. Not an `Exception`, so that no library between here and the call swallows it."""

    def __init__(self, layer: Layer) -> None:
        self.layer: Layer = layer
        super().__init__(layer)


class Watch:
    """The state of a call's watchdogs; all times on one clock, in seconds."""

    __slots__ = ("_between_s", "_content_at", "_first_s", "_sent_at", "ends_at")

    def __init__(self, timeouts: Timeouts, started: float) -> None:
        self.ends_at = math.inf if timeouts.total is None else started + timeouts.total
        self._first_s = timeouts.first_content
        self._between_s = timeouts.between_contents
        self._sent_at: float | None = None
        self._content_at: float | None = None

    def attempt_began(self, now: float) -> None:
        """A request is made: its first content is awaited from now on."""
        self._sent_at = now
        self._content_at = None

    def content(self, now: float) -> bool:
        """Content arrived. True if it was the first: `due` may now be earlier than it was."""
        first = self._content_at is None
        self._content_at = now
        return first

    def try_over(self) -> None:
        """Nothing is awaited until the next attempt, but the call's total goes on."""
        self._sent_at = None
        self._content_at = None

    def due(self) -> tuple[float, Layer]:
        """When the next layer's time is up (`inf`: never), and which one it is."""
        due: tuple[float, Layer] = (self.ends_at, "total")
        if self._content_at is not None:
            if self._between_s is not None:
                due = min(due, (self._content_at + self._between_s, "between_contents"))
        elif self._sent_at is not None and self._first_s is not None:
            due = min(due, (self._sent_at + self._first_s, "first_content"))
        return due


def watch_for(timeouts: Timeouts, started: float) -> Watch | None:
    """A watch, or None where the profile has none of its layers."""
    layers = (timeouts.total, timeouts.first_content, timeouts.between_contents)
    return Watch(timeouts, started) if any(layer is not None for layer in layers) else None
