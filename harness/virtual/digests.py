"""What tells two runs apart: a digest over every record, in the order in which they were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

UNSTEADY = ("process", "error_message", "error_place", "tokens_when_left", "next_content_s")
"""Columns that are no behaviour: ids of processes differ from run to run, and a message's words with a library's
version; what follows from other columns was added later, and leaves digests as they were."""


class RowDigest:
    """A digest over the rows of one table. `names` are its columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._hash = blake2b(digest_size=16)
        self._left_out = tuple(i for i, name in enumerate(names) if name in UNSTEADY)

    def add(self, row: tuple[Any, ...]) -> None:
        """Take one row."""
        if self._left_out:
            row = tuple(value for i, value in enumerate(row) if i not in self._left_out)
        self._hash.update(repr(row).encode())

    def before(self, take: Callable[[tuple[Any, ...]], None]) -> Callable[[tuple[Any, ...]], None]:
        """`take`, with every row added here first."""

        def both(row: tuple[Any, ...]) -> None:
            self.add(row)
            take(row)

        return both

    def __str__(self) -> str:
        return self._hash.hexdigest()


def combined(parts: Sequence[str]) -> str:
    """One digest of several."""
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
