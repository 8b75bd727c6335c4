"""The player: plays one script onto a wire, in time. No I/O of its own, no clock, no timers.

    server: "it is t" ──► Player.play(t) ──► head / body / end / abort … on the Wire, and one flush
                                        └─► "call me again at t2" (absolute, so errors do not add up)

Steps that are due together reach the wire as one write. Work (`FirstToken`, `Tokens`) has no duration here:
the player asks the engine, and asks again when it is woken, since the provider's speed may have changed.
Waits count from where the script stands, and work that went on behind a wait is then ready at once. A `TimeLimit`
whose time comes before the next step replaces the rest of the script with its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from windtunnel.mock_server.journal.punctuality import Punctuality
from windtunnel.mock_server.script import (
    Abort,
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Send,
    Signal,
    Step,
    TimeLimit,
    Tokens,
    Torn,
    Trickle,
    Wait,
)
from windtunnel.mock_server.transports.wire import Headers, Wire

TOLERANCE = 0.001
"""Seconds: what is due within the next millisecond is played now, as event loops tick in milliseconds."""

PIECE = 65_536
"""Bytes: a coalesced write is handed over once it has grown to this, so that a slow reader is noticed."""

MOST_AT_ONCE = 4 * PIECE
"""Bytes that are written before others have their turn: copying a body of 100 MB takes a tenth of a
second, several times over, and several such bodies may be due at once."""

Due: TypeAlias = Callable[[Any, int], float]
"""When token number n (0 = the first) of a ticket is ready: `engine.due`."""


REDIRECTED = 300
"""Below it, a status is that of an answer."""


def content_at(steps: Sequence[Step], ticket: Any, due: Due, at: float, work: int = 0) -> float:
    """When the first bytes of an answer that are no comment leave, if `steps` begin at `at`; `inf` if none do."""
    for step in steps:
        if type(step) is Wait:
            at += step.seconds
        elif type(step) is FirstToken:
            at = max(at, due(ticket, 0))
        elif type(step) is Tokens:
            work += step.n
            at = max(at, due(ticket, work))
        elif (type(step) is Send and step.role != "comment") or type(step) is Torn:
            return at
        elif (type(step) is Head and step.status >= REDIRECTED) or type(step) in (End, Close, Abort):
            return math.inf
    return math.inf


class Player:
    """Plays `steps` onto `wire`. Times are the engine's (seconds from t0).

    Many bytes leave in parts, between which it is others' turn: `play` then returns the time that it got.

    `shift` is how much later the client's side sees what the provider does (half a round trip). `punctuality`
    counts how far from their moments tokens are written. `since` is when time limits begin to count, if not at `at`.
    `headers` are added to every head.
    `ticket.done` is set *before* the bytes are written after which a client may leave with the whole answer.
    """

    __slots__ = (
        "_at",
        "_due",
        "_headers",
        "_index",
        "_limit_at",
        "_limits",
        "_most",
        "_parted",
        "_pending",
        "_punctuality",
        "_shift",
        "_since",
        "_steps",
        "_ticket",
        "_wire",
        "_work",
        "_written",
        "bytes_sent",
        "ending",
        "first_byte_s",
        "last_byte_s",
        "limit",
        "status",
        "tokens_sent",
    )

    def __init__(
        self,
        steps: tuple[Step, ...],
        wire: Wire,
        ticket: Any,
        due: Due,
        at: float,
        shift: float = 0.0,
        punctuality: Punctuality | None = None,
        since: float | None = None,
        headers: Headers = (),
    ) -> None:
        self._steps = steps
        self._wire = wire
        self._ticket = ticket
        self._due = due
        self._shift = shift
        self._punctuality = punctuality
        self._at = at
        self._since = at if since is None else since
        self._headers = headers
        self._limits: tuple[tuple[float, TimeLimit], ...] = ()
        self._limit_at = math.inf
        self.limit: TimeLimit | None = None
        """The time limit that ended the answer, if one did."""
        self._index = 0
        self._work = 0
        self._pending = 0
        self._parted = (
            False  # whether a step's bytes may leave in parts: each step is a chunk where there are chunks
        )
        self._most = MOST_AT_ONCE  # bytes sent, after which it is others' turn
        self._written = 0  # bytes of the step at `_index` that have left
        self.ending: str | None = None
        """How the script ended on the wire (end, close, abort), or None while it has not."""
        self.status: int | None = None
        self.first_byte_s: float | None = None
        self.last_byte_s: float | None = None
        self.tokens_sent = 0
        self.bytes_sent = 0

    def play(self, now: float) -> float:
        """Play all steps that are due by `now`.

        Returns when to be called again: `inf` if only the client (by leaving, or by reading on) can make
        something happen, or once `ending` is set.
        """
        wire = self._wire
        if wire.paused:
            return math.inf
        self._most = self.bytes_sent + MOST_AT_ONCE
        steps = self._steps
        # Script times are the provider's; the client's side, where bytes are written, is `_shift` later.
        soon = now + TOLERANCE - self._shift
        if self._at > soon:
            if self._limit_at <= soon:
                steps = self._give_up()
            else:
                return min(self._at, self._limit_at) + self._shift
        while True:
            step = steps[self._index]
            # Types are compared by identity, the frequent ones first: this loop runs for every token.
            if type(step) is Send:
                if self._send(step, now):
                    return math.inf if wire.paused else now
            elif type(step) is Tokens:
                work = self._work + step.n
                ready = self._due(self._ticket, work)
                if ready > soon or ready > self._limit_at:
                    if self._limit_at <= soon and ready > self._limit_at:
                        steps = self._give_up()
                        continue
                    self._flush(now)
                    return min(ready, self._limit_at) + self._shift
                self._work = work
                # Work that went on behind a wait was ready before: it moves no time, and its lateness is no error.
                if ready > self._at:
                    self._at = ready
                    if self._punctuality is not None:
                        self._punctuality.note(now - self._shift - ready)
            elif type(step) is Head:
                self._head(step, wire)
            elif type(step) is FirstToken or type(step) is Wait:
                ready = self._ready(step)
                if ready > soon or ready > self._limit_at:
                    if self._limit_at <= soon and ready > self._limit_at:
                        steps = self._give_up()
                        continue
                    self._flush(now)
                    return min(ready, self._limit_at) + self._shift
                self._at = ready
            elif type(step) is Raw:
                wire.raw(step.data)
                self._pending += 1
            elif type(step) is Torn:
                wire.torn(step.data, step.size)
                self._pending += 1
            elif type(step) is Trickle:
                if not self._trickle(step, now):
                    return min(self._at, self._limit_at) + self._shift
            elif type(step) is Signal:
                self._flush(now)
                wire.signal(step)
            elif type(step) is TimeLimit:
                self._limits = (*self._limits, (self._since + step.seconds, step))
                self._limit_at = min([at for at, _ in self._limits])
            else:
                return self._finish(step, now)
            self._index += 1

    def _give_up(self) -> tuple[Step, ...]:
        """Go on with the steps of the time limit that is reached; returns them."""
        self._at, self.limit = min(self._limits, key=lambda limit: limit[0])
        self._limits, self._limit_at = (), math.inf
        self._steps, self._index = self.limit.steps, 0
        return self._steps

    def _heard(self) -> None:
        """Note that bytes are written now: who waits for the first ones has them, and no silence lasts longer."""
        self._limits = tuple(
            [
                (self._at + limit.seconds if limit.patience == "silence" else at, limit)
                for at, limit in self._limits
                if limit.patience != "first_byte"
            ]
        )
        self._limit_at = min([at for at, _ in self._limits], default=math.inf)

    def stop(self, now: float) -> None:
        """End the answer at `now`, properly framed, whatever is left of its script."""
        self._limits, self._limit_at = (), math.inf
        self._steps = (End(),)
        self._index = self._written = 0
        self._at = now - self._shift

    def next_content_at(self) -> float:
        """When the client has more of the answer if it stays, at the present speed; `inf` if never. Plays nothing."""
        if self.status is not None and self.status >= REDIRECTED:
            return math.inf
        at = content_at(self._steps[self._index :], self._ticket, self._due, self._at, self._work)
        return at + self._shift if at <= self._limit_at else math.inf

    def _ready(self, step: FirstToken | Wait) -> float:
        if type(step) is Wait:
            return self._at + step.seconds
        return max(self._at, self._due(self._ticket, 0))

    def _send(self, step: Send, now: float) -> bool:
        """Write bytes of the body; True if it is another's turn, or a slow reader holds up what was written."""
        data = step.data
        if self._limits:
            self._heard()
        if self._parted and len(data) > MOST_AT_ONCE:
            begin = self._written
            data = data[begin : begin + MOST_AT_ONCE]
            if begin + len(data) < len(step.data):
                self._written = begin + len(data)
                self._wire.body(data)
                self._pending += len(data)
                self._flush(now)
                return True
            self._written = 0
        self._wire.body(data)
        self._pending += len(data)
        self.tokens_sent += step.tokens
        if step.role == "terminal":
            self._ticket.done = True  # before the bytes leave: a client that has them may leave at once
        if self._pending < PIECE:
            return False
        self._flush(now)
        if self._wire.paused or self.bytes_sent >= self._most:
            self._index += 1  # this step is done; the loop that would count it is left
            return True
        return False

    def _trickle(self, step: Trickle, now: float) -> bool:
        """Write the pieces that are due; True once all have left and the last one's time is over."""
        self._pending = 0
        while self._at <= now + TOLERANCE - self._shift:
            written = self._wire.flush_part(step.size)
            if not written:
                return True
            if self._limits:
                self._heard()
            self._count(written, now)
            self._at += step.seconds
        return False

    def _head(self, step: Head, wire: Wire) -> None:
        self.status = step.status
        if self._limits:
            self._heard()
        length = 0
        self._parted = step.framing != "chunked"
        if step.framing == "length":
            length = sum([len(later.data) for later in self._steps if type(later) is Send])
        wire.head(step, length, self._headers)
        self._pending += 1

    def _finish(self, step: Step, now: float) -> float:
        wire = self._wire
        self._ticket.done = True
        if type(step) is End:
            wire.end()
            self._pending += 1
            self._flush(now)
            self.ending = "end"
        else:
            self._flush(now)
            if type(step) is Close:
                self.ending = "close"
                wire.close()
            elif type(step) is Abort:
                self.ending = "abort"
                wire.abort(step.code)
        return math.inf

    def _flush(self, now: float) -> None:
        if not self._pending:
            return
        self._pending = 0
        written = self._wire.flush()
        if written:
            self._count(written, now)

    def _count(self, written: int, now: float) -> None:
        self.bytes_sent += written
        if self.first_byte_s is None:
            self.first_byte_s = now
        self.last_byte_s = now
