"""Work that is counted, so that a small request cannot cause much of it.

A unit is about what one step of Python takes, a microsecond or two; nothing here reads a clock, so the same
schema is refused on every machine.
"""

from __future__ import annotations

from typing import Final

MOST_WORK: Final = 60_000
"""Units for the schemas of one request, and again for the values in its answer: about a tenth of a second each."""


class TooMuchWorkError(Exception):
    """What was to be done needs more than the work that is left for it."""


class Work:
    """An amount of work that may still be done."""

    __slots__ = ("left",)

    def __init__(self, left: int = MOST_WORK) -> None:
        self.left = left

    def spend(self, units: int) -> None:
        """Count work that is about to be done. Raises `TooMuchWorkError` where it is too much."""
        self.left -= units
        if self.left < 0:
            raise TooMuchWorkError("it takes too much work")
