"""What a client may make the server do for nothing: pings, settings, resets, empty frames.

A bucket of tokens, as nghttp2 has one for RST_STREAM since the rapid reset attack (CVE-2023-44487), with its figures
(`NGHTTP2_DEFAULT_STREAM_RESET_BURST` and `_RATE`). RFC 9113 (section 10.5) leaves the limits to the server and names
the answer: ENHANCE_YOUR_CALM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BURST: Final = 1_000
"""Frames at once."""

PER_SECOND: Final = 33
"""Frames a second that come back."""


class Allowance:
    """Frames that a client may still send. `clock` gives seconds."""

    __slots__ = ("_clock", "_left", "_since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._since = clock()

    def spend(self) -> bool:
        """Take one frame; returns whether it was allowed."""
        now = self._clock()
        self._left = min(float(BURST), self._left + (now - self._since) * PER_SECOND)
        self._since = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
