"""The script of an answer: a short sequence of timed steps, as data.

    healthy answer ──fault──► script ──fault──► script ──► a transport plays it

A script does no I/O and reads no clock. *Work* (`FirstToken`, `Tokens`) has no duration of its own: the
player asks the engine when that work is due, so the provider's speed can change in mid-answer. Waits
have a duration and are time on the wire: they hold no slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
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
    """Work: wait until the provider has generated the answer's first token."""


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
    """Slow bytes: what was written since the last wait (a head) leaves in pieces of `size` bytes, with a wait of
    `seconds` after each."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes written to the connection unchanged, outside any framing (a broken status line, say)."""

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
    """The connection is closed with a FIN, even if the body is shorter than its head said."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The connection is reset with an RST; in HTTP/2 the stream is, with an error `code` (RFC 9113, section 7; None:
    INTERNAL_ERROR)."""

    code: int | None = None


SignalKind: TypeAlias = Literal["goaway", "calm_down", "one_stream", "window_stall"]


@dataclass(frozen=True, slots=True)
class Signal:
    """What an HTTP/2 server says of the connection, between answers; HTTP/1.1 has no words for it.

    `goaway`: nothing new is taken, and the connection closes after the answers under way, or after `seconds`.
    `calm_down`: the connection ends now, for ENHANCE_YOUR_CALM. For `seconds`, `one_stream`: one request at a time;
    `window_stall`: no window for the bodies of new requests.
    """

    kind: SignalKind
    seconds: float = FOREVER


Patience: TypeAlias = Literal["first_byte", "whole", "silence"]
"""What has its time limit: the time to the answer's first byte, to its end, or between two of its bytes."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Something between the provider and the client that waits `seconds` and no longer.

    Time counts from the request's admission (queueing included), for `silence` from the last byte. If the answer is
    slower than that, `steps` are played in place of the rest. It is the first step of a script, or follows another
    limit. `fault` is the name of the fault that has set it. `frees_slot` says whether the provider then stops
    working; None leaves that to the region's `abandoned`.
    """

    seconds: float
    patience: Patience
    steps: tuple[Step, ...]
    fault: str
    frees_slot: bool | None = None


Step: TypeAlias = (
    Head | FirstToken | Tokens | Send | Torn | Trickle | Raw | Wait | Signal | TimeLimit | End | Close | Abort
)


@dataclass(frozen=True, slots=True)
class Script:
    """The steps of one answer, in order. The last step is `End`, `Close`, `Abort` or `Wait(FOREVER)`."""

    steps: tuple[Step, ...]

    @property
    def status(self) -> int | None:
        """The HTTP status that the script sends, or None if it sends no head."""
        return next((step.status for step in self.steps if isinstance(step, Head)), None)

    def map_steps(self, change: Callable[[Step], Iterable[Step]]) -> Script:
        """Return a script with every step replaced by the steps that `change` returns for it."""
        return Script(tuple(new for step in self.steps for new in change(step)))

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Script:
        """Return a script with `headers` added to the head (if there is one)."""
        added = tuple(headers)

        def add(step: Step) -> Iterable[Step]:
            if isinstance(step, Head):
                return (replace(step, headers=step.headers + added),)
            return (step,)

        return self.map_steps(add)


# ---- a script as a line of text

_PATIENCE: dict[Patience, str] = {
    "first_byte": "without a byte for",
    "whole": "after",
    "silence": "after a silence of",
}

LONGEST_TEXT = 1_000
"""Characters of a text; a script that alternates without a pattern is cut."""


MOST_WORDS = 30_000
"""Steps that are told of a script; of a longer one its beginning."""


def script_text(script: Script) -> str:
    """Return a script as a line of text: `Head 200 · first token · 12×content · stall 5 s · End`.

    Repetitions are counted, work that content waits for is left out, and the bytes are never shown.
    """
    words = list(islice(_words(script.steps), MOST_WORDS + 1))
    text = " · ".join(_counted(words[:MOST_WORDS]))
    if len(words) > MOST_WORDS:
        text = f"{text} · …"
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _counted(words: list[str]) -> Iterator[str]:
    """Join repetitions of one word, or of two words in turn, to one word with a count."""
    at = 0
    while at < len(words):
        times, size = max((_repetitions(words, at, size), size) for size in (2, 1))
        what = " · ".join(words[at : at + size])
        if times > 1:
            yield f"{times}×{what}" if size == 1 else f"{times}×({what})"
        else:
            times, size = 1, 1
            yield words[at]
        at += times * size


def _repetitions(words: list[str], at: int, size: int) -> int:
    """Return how often the `size` words at `at` occur one after the other."""
    unit = words[at : at + size]
    times = 1
    while words[at + times * size : at + (times + 1) * size] == unit:
        times += 1
    return times


def _words(steps: tuple[Step, ...]) -> Iterator[str]:
    for index, step in enumerate(steps):
        following = steps[index + 1] if index + 1 < len(steps) else None
        if isinstance(step, Tokens) and isinstance(following, Send) and following.role == "content":
            continue
        yield _word(step)


def _word(step: Step) -> str:
    match step:
        case Head():
            return f"Head {step.status}"
        case FirstToken():
            return "first token"
        case Tokens():
            return f"{step.n} tokens"
        case Send(role="body") | Send(role="terminal"):
            return f"{step.role} {_size(len(step.data))}"
        case Send():
            return step.role
        case Raw():
            return f"raw {_size(len(step.data))}"
        case Wait():
            return "stall forever" if math.isinf(step.seconds) else f"stall {step.seconds:.6g} s"
        case TimeLimit():
            return f"{step.fault} {_PATIENCE[step.patience]} {step.seconds:.6g} s"
        case Close():
            return "Close (FIN)"
        case Abort(code=None):
            return "Abort (RST)"
        case Abort():
            return f"Abort (RST_STREAM {step.code})"
        case Signal():
            return step.kind
        case End():
            return "End"
        case _:
            return type(step).__name__.lower()


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.3g} kB"
