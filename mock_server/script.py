"""What the server will do for one request, as data: a short sequence of timed steps.

    healthy answer ──fault──► script ──fault──► script ──► a transport plays it

A script does no I/O and reads no clock. *Work* (`FirstToken`, `Tokens`) has no duration of its own: the
player asks the engine when that work is due, so the provider's speed can change in mid-answer. Waits
have a duration and are time on the wire: they hold no slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Framing: TypeAlias = Literal["length", "chunked", "none"]
Role: TypeAlias = Literal["body", "content", "comment", "terminal"]

FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers.

    `framing` says how the body that follows is delimited: `length` (the transport sums up the `Send`s of
    the script and writes Content-Length, unless `content_length` gives another number), `chunked`
    (each `Send` becomes one HTTP chunk) or `none` (the body ends with the connection).
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    framing: Framing = "length"
    content_length: int | None = None


@dataclass(frozen=True, slots=True)
class FirstToken:
    """Work: wait until the provider has the answer's first token."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Work: wait until the provider has generated `n` further tokens."""

    n: int


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes of the body. `tokens` is how many of the answer's tokens they carry; `role` is `content` for
    bytes that carry content, `comment` for heartbeats, `terminal` for the bytes after which a client may
    rightly consider the answer complete (a player marks the answer done *before* it writes them)."""

    data: bytes
    tokens: int = 0
    role: Role = "body"


@dataclass(frozen=True, slots=True)
class Torn:
    """The beginning of one HTTP chunk that promises `size` bytes in all; the rest never comes, so `Close` or `Abort`
    follows. Without chunked framing it is bytes of the body and no more."""

    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Trickle:
    """What has been written since the last wait (a head) leaves in pieces of `size` bytes, `seconds` after each."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes written to the connection as they are, outside any framing (a broken status line, say)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Time on the wire, in seconds; `FOREVER` lasts until the client leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """The proper end of the answer: the last chunk, and the connection stays usable."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends with a FIN, whatever was promised."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The connection ends with an RST."""


Step: TypeAlias = Head | FirstToken | Tokens | Send | Torn | Trickle | Raw | Wait | End | Close | Abort


@dataclass(frozen=True, slots=True)
class Script:
    """The steps of one answer, in order. The last step is `End`, `Close`, `Abort` or `Wait(FOREVER)`."""

    steps: tuple[Step, ...]

    @property
    def status(self) -> int | None:
        """The HTTP status that the script sends, or None if it sends no head."""
        return next((step.status for step in self.steps if isinstance(step, Head)), None)

    def map_steps(self, change: Callable[[Step], Iterable[Step]]) -> Script:
        """Replace every step by the steps that `change` gives for it."""
        return Script(tuple(new for step in self.steps for new in change(step)))

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Script:
        """The same script with `headers` added to its head (if it has one)."""
        added = tuple(headers)

        def add(step: Step) -> Iterable[Step]:
            if isinstance(step, Head):
                return (replace(step, headers=step.headers + added),)
            return (step,)

        return self.map_steps(add)
