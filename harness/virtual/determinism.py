"""Patches that make a process deterministic: its clock, randomness, order of tasks and garbage collection.

Libraries read `time.monotonic`, `datetime.now`, `random.random`, `os.urandom` where they please. In a process of its
own, before they are imported, those are replaced (`clocks.py`, `draws.py`); nothing of this ever happens in a process
that has real sockets, but for tests on the virtual clock, which put everything back.
"""

from __future__ import annotations

import asyncio
import gc
from itertools import count
from typing import Any

from windtunnel.harness.virtual.clocks import follow
from windtunnel.harness.virtual.draws import SeededRandom, current_call, draw_from
from windtunnel.harness.virtual.guard import forbid
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.authorities import parse_when_needed
from windtunnel.harness.virtual.replacing import Replacements

COLLECT_EVERY_S = 20.0
"""Virtual seconds between two garbage collections: a leaked stream frees its connection then, not at random."""

OLDER_EVERY = (3, 15)
"""At every so many collections also what has survived one, and everything: what lives long is not always looked at."""


_numbers = count(1)


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number, so that sets of tasks have an order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(_numbers)
        self.call = current_call.get()
        """On whose behalf it was made, for messages."""
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    __eq__ = object.__eq__


class NumberedFuture(asyncio.Future[Any]):
    """The same for futures."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    __eq__ = object.__eq__


def make_deterministic(
    loop: VirtualLoop, *, seed: int, replacements: Replacements | None = None, collect: bool = True
) -> SeededRandom:
    """Put this process on the loop's time, and all that it draws on `seed`; `replacements` can put everything back.

    Without `collect` garbage is the caller's to collect: the timer for it hides that nobody waits for anything else.
    """
    draws = SeededRandom(seed)
    replacements = Replacements() if replacements is None else replacements
    follow(loop, replacements)
    draw_from(draws, replacements)
    forbid(replacements)
    parse_when_needed(replacements)
    replacements.spread()
    loop.set_task_factory(lambda loop, coro, **kw: NumberedTask(coro, loop=loop, **kw))
    loop.create_future = lambda: NumberedFuture(loop=loop)  # type: ignore[method-assign]  # ours have numbers
    # A collection closes leaked streams and so moves events: it happens at times of the loop, not of the allocator.
    if gc.isenabled():
        gc.disable()
        replacements.when_restored(gc.enable)
    if collect:
        _collect(loop, 0)
    return draws


def _collect(loop: VirtualLoop, number: int) -> None:
    """Collect generation 0, 1 or 2 (everything), as `number` says; and do so again in a while."""
    gc.collect(sum(number % every == 0 for every in OLDER_EVERY))
    loop.call_later(COLLECT_EVERY_S, _collect, loop, number + 1)
