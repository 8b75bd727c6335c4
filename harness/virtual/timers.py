"""Timers in a strict order: by when they are due, and of equal ones the one that was set first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeAlias


class Timer(asyncio.TimerHandle):
    """asyncio's timer, made in one step: there are three of them for each chunk of a stream."""

    __slots__ = ()

    _cancelled: bool
    _scheduled: bool

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._scheduled = True
        self._repr = None
        self._source_traceback = None


Scheduled: TypeAlias = tuple[float, int, Timer]
"""When it is due, its number, and the timer: so tuples, and the heap of them, are in the strict order."""
