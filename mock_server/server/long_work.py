"""Work that takes long: a step in each round of the loop, so that it holds nobody up.

add(steps, over) ─► one step a round, of each in turn ─► over(error or None)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from typing import TypeAlias

Over: TypeAlias = Callable[[Exception | None], None]


class LongWork:
    """Generators that are run to their ends, in turns. Steps are not timed: the same work takes the same rounds."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Generator[None, None, None], Over]] = deque()

    def add(self, steps: Generator[None, None, None], over: Over) -> None:
        """Run `steps`, then call `over` with the exception that ended them, if one did."""
        self._waiting.append((steps, over))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        steps, over = self._waiting[0]
        error: Exception | None = None
        try:
            next(steps)
        except StopIteration:
            pass
        except Exception as raised:  # noqa: BLE001 - it belongs to whoever waits for the work
            error = raised
        else:
            self._waiting.rotate(-1)
            self._loop.call_soon(self._step)
            return
        self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._step)
        over(error)
