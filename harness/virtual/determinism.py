"""Patches that make a process deterministic: its clock, randomness, order of tasks and garbage collection.

Libraries read `time.monotonic`, `random.random`, `uuid.uuid4`, `os.urandom` where they please. In a process of its own,
before they are imported, those are replaced here; nothing of this ever happens in a process that has real sockets.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
import uuid
from contextvars import ContextVar
from hashlib import blake2b
from itertools import count
from typing import Any

from windtunnel.harness.virtual.guard import forbid
from windtunnel.harness.virtual.loop import VirtualLoop

current_call: ContextVar[str] = ContextVar("current_call", default="")
"""The call on whose behalf code runs; randomness belongs to it, so that calls cannot take draws from each other."""

WALL = 1_767_225_600.0
"""The Unix time at the loop's zero: 1 January 2026."""

COLLECT_EVERY_S = 20.0
"""Virtual seconds between two garbage collections: a leaked stream frees its connection then, not at random."""

OLDER_EVERY = (3, 15)
"""At every so many collections also what has survived one, and everything: what lives long is not always looked at."""


class SeededRandom:
    """Random numbers as a hash of (seed, call, number of the draw)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers: dict[str, int] = {}

    def begin(self, seed: int) -> None:
        """Draw anew, with another seed."""
        self._seed = seed
        self._numbers.clear()

    def bytes(self, size: int) -> bytes:
        """`size` bytes of the current call's next draw."""
        call = current_call.get()
        number = self._numbers.get(call, 0)
        self._numbers[call] = number + 1
        blocks = range((size + 63) // 64)
        drawn = [blake2b(f"{self._seed}/{call}/{number}/{block}".encode()).digest() for block in blocks]
        return b"".join(drawn)[:size]

    def forget(self, call: str) -> None:
        """The call is over: its numbers are not needed any more."""
        self._numbers.pop(call, None)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(self.bytes(7), "big") / (1 << 56)


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


class DrawnRandom(random.Random):
    """What `random`'s functions draw from: the current call's draws. Seeding it changes nothing."""

    def __init__(self, draws: SeededRandom) -> None:
        self._draws = draws
        super().__init__()

    def seed(self, *_: Any, **__: Any) -> None:
        """The seed is the cell's."""

    def random(self) -> float:
        return self._draws.uniform()

    def getrandbits(self, k: int, /) -> int:
        return int.from_bytes(self._draws.bytes((k + 7) // 8), "big") >> (-k % 8)


def _draw_from(draws: SeededRandom) -> None:
    """Let the functions of `random`, `secrets` and `os.urandom` draw; generators that somebody seeds himself stay."""
    drawn, real = DrawnRandom(draws), random._inst
    for name, function in list(vars(random).items()):
        if getattr(function, "__self__", None) is real:
            setattr(random, name, getattr(drawn, name))
    random._inst = drawn
    random._urandom = draws.bytes  # type: ignore[attr-defined]  # of SystemRandom, and so of `secrets`
    os.urandom = draws.bytes


def make_deterministic(loop: VirtualLoop, *, seed: int, wall: float = WALL) -> SeededRandom:
    """Put this process on the loop's time. `wall` is the Unix time at the loop's zero."""
    draws = SeededRandom(seed)
    time.monotonic = loop.time
    time.perf_counter = loop.time
    time.time = lambda: wall + loop.time()
    time.monotonic_ns = lambda: int(loop.time() * 1e9)
    time.perf_counter_ns = time.monotonic_ns
    time.time_ns = lambda: int(time.time() * 1e9)
    _draw_from(draws)
    uuid.uuid4 = lambda: uuid.UUID(bytes=draws.bytes(16), version=4)
    loop.set_task_factory(lambda loop, coro, **kw: NumberedTask(coro, loop=loop, **kw))
    loop.create_future = lambda: NumberedFuture(loop=loop)  # type: ignore[method-assign]  # ours have numbers
    forbid()
    # A collection closes leaked streams and so moves events: it happens at times of the loop, not of the allocator.
    gc.disable()
    _collect(loop, 0)
    return draws


def _collect(loop: VirtualLoop, number: int) -> None:
    """Collect generation 0, 1 or 2 (everything), as `number` says; and do so again in a while."""
    gc.collect(sum(number % every == 0 for every in OLDER_EVERY))
    loop.call_later(COLLECT_EVERY_S, _collect, loop, number + 1)
