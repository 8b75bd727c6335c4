"""What tells two runs apart: digests over every record, in the order in which they were made.

`digest` is of behaviour: outcomes, content, times and statuses, in the rows of calls, attempts and requests served.
What only names the client is left out, so two versions of a library that do the same have the same digest.
`wire_digest` is of everything: those columns too, and every byte that was sent with its time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Any

UNSTEADY = (
    *("process", "error_message", "error_place"),
    *("tokens_when_left", "next_content_s", "limiter_wait_s", "body_digest", "idempotency_digest"),
    *("retry_after_s", "dns_s", "connect_s", "tls_s", "delivered_s"),
)
"""Columns that are no behaviour: ids of processes differ from run to run, and a message's words with a library's
version; what follows from other columns was added later, and leaves digests as they were."""

NAMING = ("client", "user_agent", "sdk_version", "sdk_retry_count")
"""Columns that only name the client: its profile, and what its library says of itself in headers (`user-agent`,
`x-stainless-*`). Left out of the digest of behaviour."""


class RowDigest:
    """A digest over the rows of one table. `names` are its columns, those `left_out` do not count."""

    def __init__(self, names: Sequence[str], left_out: Collection[str] = UNSTEADY) -> None:
        self._hash = blake2b(digest_size=16)
        self._left_out = tuple(i for i, name in enumerate(names) if name in left_out)

    def add(self, row: tuple[Any, ...]) -> None:
        """Take one row."""
        if self._left_out:
            row = tuple(value for i, value in enumerate(row) if i not in self._left_out)
        self._hash.update(repr(row).encode())

    def __str__(self) -> str:
        return self._hash.hexdigest()


class TableDigests:
    """Both digests over the rows of one table: of behaviour, and of everything."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.whole = RowDigest(names)
        self.begin()

    def begin(self) -> None:
        """What comes from here on is behaviour. What came before was a warm-up, and belongs to no figure."""
        self.behaviour = RowDigest(self._names, (*UNSTEADY, *NAMING))

    def add(self, row: tuple[Any, ...]) -> None:
        """Take one row."""
        self.behaviour.add(row)
        self.whole.add(row)

    def before(self, take: Callable[[tuple[Any, ...]], None]) -> Callable[[tuple[Any, ...]], None]:
        """`take`, with every row added here first."""

        def both(row: tuple[Any, ...]) -> None:
            self.add(row)
            take(row)

        return both


def combined(parts: Sequence[str]) -> str:
    """One digest of several."""
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
