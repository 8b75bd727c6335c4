"""Chance on the virtual clock: every draw is a hash of (seed, call, number of the draw), whoever asks, and how.

random.*, Random(), SystemRandom, secrets ┐
os.urandom, os.getrandom, RAND_bytes      ├──► SeededRandom.bytes(size), on behalf of `current_call`
uuid1, uuid4, names of temporary files    ┘
"""

from __future__ import annotations

import os
import random
import ssl
import tempfile
import uuid
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any

from windtunnel.harness.virtual.replacing import Replacements

current_call: ContextVar[str] = ContextVar("current_call", default="")
"""The call on whose behalf code runs; randomness belongs to it, so that calls cannot take draws from each other."""

NODE = 0x02_57_54_00_00_00
"""The hardware address in every uuid1: one that is locally administered, and no machine's."""

NAME_LETTERS = 8
"""Of a temporary file's name, as `tempfile` makes it."""


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


def draw_from(draws: SeededRandom, replacements: Replacements) -> None:
    """Let everything in this process draw from there, but for generators that somebody seeds himself."""
    drawn, real = DrawnRandom(draws), random._inst
    for name, function in list(vars(random).items()):
        if getattr(function, "__self__", None) is real:
            replacements.put(random, name, getattr(drawn, name))
    replacements.put_there(random, "_inst", drawn)
    replacements.put(random, "_urandom", draws.bytes)  # of SystemRandom, and so of `secrets`
    _seed_generators(draws, replacements)
    replacements.put(os, "urandom", draws.bytes)
    replacements.put(os, "getrandom", lambda size, flags=0: draws.bytes(size))
    replacements.put(ssl, "RAND_bytes", draws.bytes)
    _name_things(draws, drawn, replacements)


def _seed_generators(draws: SeededRandom, replacements: Replacements) -> None:
    """A `Random()` without a seed gets one that is drawn, for the same reason as all others have theirs."""
    seed_itself = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed_itself(self, int.from_bytes(draws.bytes(32), "big") if a is None else a, version)

    replacements.put_there(random.Random, "seed", seed)


def _name_things(draws: SeededRandom, drawn: random.Random, replacements: Replacements) -> None:
    replacements.put(uuid, "uuid4", lambda: uuid.UUID(bytes=draws.bytes(16), version=4))
    # uuid1 takes the time from the clock, what is left from `random`, and this machine's address from here.
    replacements.put(uuid, "_node", NODE)
    names: Any = tempfile._RandomNameSequence  # type: ignore[attr-defined]  # typeshed hides it

    def name(self: Any) -> str:
        return "".join(drawn.choices(self.characters, k=NAME_LETTERS))

    replacements.put_there(names, "__next__", name)
