"""Which call a request belongs to, which step of it, and which attempt at that: the server's own count.

A call that the client names is counted by that name; requests of one call with different bodies are its steps. Without
a name there is only a guess, made from what the client shows. It depends on the order of arrival, and so do the draws
of such calls: they are marked `inferred`, with a certainty.

    idempotency key ─► SDK's retry count ─► one failed on this connection? its retry
        ─► a like one in flight? a new call ─► one that failed? its retry, if the connection allows that
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from windtunnel.mock_server.request import Request

NAMED_CALLS = 50_000
"""Call ids remembered; the least recently used one is forgotten first."""

NAMED_STEPS = 200_000
"""NamedSteps remembered of all named calls together: an agent may make many, and a hostile client any number."""

UNNAMED_BODIES = 10_000
"""Different bodies of unnamed calls remembered."""

OPEN_CALLS_PER_BODY = 256
"""Unnamed calls with one body that a retry may still belong to."""

FORGOTTEN_S: Final = 300.0
"""Seconds after a failure for which a like request may be its retry; SDKs wait no longer than minutes."""

PROMPT_S: Final = 60.0
"""Seconds after a failure within which a retry is usual."""

AT_ONCE_S: Final = 1.0
"""Seconds within which callers that start together open their connections, on a loaded machine too."""

SPACED_S: Final = 0.05
"""Seconds after the last failure from which on a connection was opened because of it, if that happens again and again:
callers that start together follow one another more closely."""

SPACED_BEFORE: Final = 2
"""So many requests in a row that came spaced like that are new calls; the next one is a retry."""

IMMEDIATE_S: Final = 0.01
"""Seconds in which hardly any client notices a failure, connects anew and sends again."""

BY_FAULT = "fault"
"""The `by` of a promise that a fault has made: it is recorded, but coming back before it has no penalty."""

_SCHEDULED = re.compile(r"[a-z](\d{1,15})")

# How sure each ground of a guess is. Below 0.9, figures over attempts are not known.
_SAME_IDEMPOTENCY_KEY: Final = 0.99
_COUNTED_BY_SDK: Final = 0.97
_COUNTED_BY_SEVERAL: Final = 0.9
_COUNTED_UNSEEN: Final = 0.5
_NEW: Final = 0.95
_NEW_BESIDE_ANOTHER: Final = 0.9
_NEW_BESIDE_A_FAILED_ONE: Final = 0.6
_RETRY_ON_ITS_CONNECTION: Final = 0.95
_RETRY_AFTER_CLOSING: Final = 0.9
_RETRY_OVER_A_POOL: Final = 0.7
_RETRY_PERHAPS: Final = 0.6
_RETRY_FROM_NOWHERE: Final = 0.5
_WHOLE_BUT_WRONG: Final = 0.7
"""At most: a 200 that arrived to its end. Whether a client saw what a fault did to its content is not visible."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The time at which a refused client may come back: `until`, seconds from t0, for this region, key and model.

    `by` is the limiter's kind of refusal, or `BY_FAULT`.
    """

    region: str
    key_hash: str
    model: str
    until: float
    by: str

    def concerns(self, request: Request) -> bool:
        """Whether the promise was given to requests like this one."""
        return (
            self.region == request.region
            and self.model == request.model
            and self.key_hash == request.key_hash
        )


class Via(NamedTuple):
    """The connection that a request came on: its number, when it was opened, and how many requests it had before."""

    connection: int
    opened_s: float
    requests_before: int


class KnownCall:
    """One step of a call as the server knows it: what attempts are counted for.

    `index` is the call's position in the schedule, if its id contains one. `step` counts the different requests of one
    call. `key` is what draws depend on: the call's id, and behind it the step, but for the first.
    """

    __slots__ = ("attempts", "call_id", "index", "inferred", "key", "occurrence", "promise", "step")

    def __init__(self, call_id: str, *, inferred: bool, step: int = 0, occurrence: int = 0) -> None:
        self.call_id = call_id
        self.inferred = inferred
        self.step = step
        self.key = f"{call_id}#{step}" if step else call_id
        self.occurrence = occurrence
        self.attempts = 0
        self.promise: Promise | None = None
        scheduled = None if inferred else _SCHEDULED.fullmatch(call_id)
        self.index = int(scheduled[1]) if scheduled else None

    def next_attempt(self) -> int:
        """Return the ordinal of the attempt that has just arrived, from 0, and count it."""
        attempt = self.attempts
        self.attempts = attempt + 1
        return attempt


class _Seen:
    """An unnamed call that a retry may belong to, and what its last request showed."""

    __slots__ = (
        "call",
        "failed_at",
        "idempotency_key",
        "in_flight",
        "key_hash",
        "region",
        "sdk_retry",
        "via",
        "whole",
    )

    def __init__(self, call: KnownCall, request: Request) -> None:
        self.call = call
        self.key_hash = request.key_hash
        self.region = request.region
        self.in_flight = 0
        self.failed_at: float | None = None
        self.whole = False

    def arrived(self, request: Request, via: Via | None) -> None:
        """Note what a request of this call has shown."""
        self.in_flight += 1
        self.failed_at = None
        self.idempotency_key = request.idempotency_key
        self.sdk_retry = request.sdk_retry_count
        self.via = via

    def like(self, request: Request) -> bool:
        """Whether it is of the same key and region; the body is the same already."""
        return self.key_hash == request.key_hash and self.region == request.region


class _Body:
    """The unnamed calls with one body: how many there were, and those that a retry may belong to."""

    __slots__ = ("in_flight", "occurrences", "seen", "spaced", "waiting")

    def __init__(self) -> None:
        self.occurrences = 0
        self.seen: OrderedDict[int, _Seen] = OrderedDict()
        self.waiting: dict[
            int, _Seen
        ] = {}  # those of `seen` that failed and were not retried, by time of failure
        self.spaced = (
            0  # requests in a row that came alone, a while after a failure, on a connection of their own
        )
        self.in_flight: dict[tuple[str, str], int] = {}

    def remember(self, seen: _Seen) -> None:
        """Remember a call as the latest; the oldest is forgotten if there are too many."""
        occurrence = seen.call.occurrence
        self.seen[occurrence] = seen
        self.seen.move_to_end(occurrence)
        self.waiting.pop(occurrence, None)
        if len(self.seen) > OPEN_CALLS_PER_BODY:
            forgotten, _ = self.seen.popitem(last=False)
            self.waiting.pop(forgotten, None)


class NamedSteps(dict["str | int", KnownCall]):
    """The steps of a named call; a type of its own, so that who counts objects can tell them from a client's."""

    __slots__ = ()


class Registry:
    """The calls of all requests so far. Memory is bounded: the least recently used ones are forgotten.

    `most_named`: call ids that are remembered.
    """

    __slots__ = ("_bodies", "_connections", "_named", "_steps", "most_named")

    def __init__(self) -> None:
        self.most_named = NAMED_CALLS
        self._named: OrderedDict[str, NamedSteps] = OrderedDict()
        self._steps = 0
        self._bodies: OrderedDict[str, _Body] = OrderedDict()
        self._connections: set[int] = set()

    def call_of(self, request: Request, now: float = 0.0, via: Via | None = None) -> tuple[KnownCall, float]:
        """Return the step that `request` is an attempt at, a known one or a new one, and how certain that is."""
        name = request.call_id
        if via is not None:
            self._connections.add(via.connection)
        if name is None:
            return self._inferred(request, now, via)
        steps = self._named.get(name)
        if steps is None:
            steps = self._named[name] = NamedSteps()
        else:
            self._named.move_to_end(name)
        # A step that the client declares is known by its number, whatever its body is.
        which = request.body_hash if request.step is None else request.step
        call = steps.get(which)
        if call is None:
            step = len(steps) if request.step is None else request.step
            call = steps[which] = KnownCall(name, inferred=False, step=step)
            self._steps += 1
            while len(self._named) > 1 and (len(self._named) > self.most_named or self._steps > NAMED_STEPS):
                self._steps -= len(self._named.popitem(last=False)[1])
            if self._steps > NAMED_STEPS:  # all of one call
                del steps[next(iter(steps))]
                self._steps -= 1
        return call, 1.0

    def answered(
        self, request: Request, call: KnownCall, now: float, *, failed: bool, whole: bool = False
    ) -> None:
        """Note that nothing more of the answer to `request` will be sent, and whether that was a failure.

        `whole`: a success by its status, sent to its end, that a fault has changed.
        """
        body = self._bodies.get(request.body_hash) if call.inferred else None
        if body is None:
            return
        group = (request.key_hash, request.region)
        count = body.in_flight.pop(group, 0)
        if count > 1:
            body.in_flight[group] = count - 1
        seen = body.seen.get(call.occurrence)
        if seen is None or seen.call is not call:
            return
        seen.in_flight -= 1
        if failed and seen.in_flight <= 0:
            seen.failed_at, seen.whole = now, whole
            body.waiting[call.occurrence] = seen

    def disconnected(self, connection: int) -> None:
        """Note that a connection is over."""
        self._connections.discard(connection)

    def _inferred(self, request: Request, now: float, via: Via | None) -> tuple[KnownCall, float]:
        """Return the call that an unnamed request most likely belongs to."""
        body = self._bodies.get(request.body_hash)
        if body is None:
            body = self._bodies[request.body_hash] = _Body()
            if len(self._bodies) > UNNAMED_BODIES:
                self._bodies.popitem(last=False)
        else:
            self._bodies.move_to_end(request.body_hash)
        found, certainty = self._guess(body, request, now, via)
        if found is None:
            call = KnownCall(
                f"{request.body_hash[:16]}~{body.occurrences}", inferred=True, occurrence=body.occurrences
            )
            body.occurrences += 1
            found = _Seen(call, request)
        found.arrived(request, via)
        body.remember(found)
        group = (request.key_hash, request.region)
        body.in_flight[group] = body.in_flight.get(group, 0) + 1
        return found.call, certainty

    def _guess(
        self, body: _Body, request: Request, now: float, via: Via | None
    ) -> tuple[_Seen | None, float]:
        """Return the call that a request is inferred to retry (None: it is a new one), and how certain that is."""
        key = request.idempotency_key
        if key is not None:
            for seen in reversed(body.seen.values()):
                if seen.idempotency_key == key and seen.like(request):
                    return seen, _SAME_IDEMPOTENCY_KEY
            return None, _NEW
        if request.sdk_retry_count:
            return _counted(body, request, via)
        waiting = [one for one in body.waiting.values() if one.like(request) and _recent(one, now)]
        same = None if via is None else _last_on(waiting, via)
        if same is not None:
            beside = body.in_flight.get((request.key_hash, request.region))
            sure = not beside and not same.whole and _age(same, now) <= PROMPT_S
            return same, _RETRY_ON_ITS_CONNECTION if sure else _RETRY_OVER_A_POOL
        if body.in_flight.get((request.key_hash, request.region)):
            return None, _NEW_BESIDE_A_FAILED_ONE if waiting else _NEW_BESIDE_ANOTHER
        if not waiting:
            return None, _NEW
        found, certainty = self._retried(body, waiting, now, via)
        return found, certainty if found is None or not found.whole else min(certainty, _WHOLE_BUT_WRONG)

    def _retried(
        self, body: _Body, waiting: list[_Seen], now: float, via: Via | None
    ) -> tuple[_Seen | None, float]:
        """Return which of the calls that failed is retried on a connection; None if another caller is likelier."""
        if via is None:
            return waiting[0], _RETRY_OVER_A_POOL
        spaced = not via.requests_before and via.opened_s - (waiting[-1].failed_at or 0.0) >= SPACED_S
        body.spaced = body.spaced + 1 if spaced else 0
        new = not via.requests_before
        if new:
            # Who had connected before a failure has not done so because of it.
            waiting = [
                seen for seen in waiting if seen.failed_at is not None and seen.failed_at < via.opened_s
            ]
            if not waiting:
                return None, _NEW_BESIDE_ANOTHER
        closed = [
            seen for seen in waiting if seen.via is None or seen.via.connection not in self._connections
        ]
        if closed:
            # All wait about as long as one another, so the one that failed first comes back first.
            seen = closed[0]
            usual = len(closed) == 1 and IMMEDIATE_S <= _age(seen, now) <= PROMPT_S
            return seen, _RETRY_AFTER_CLOSING if usual else _RETRY_PERHAPS
        if not new:
            return waiting[0], _RETRY_OVER_A_POOL
        # A retry would have taken the connection that is open and idle, unless it is made by a client of its own.
        if _age(waiting[0], now) <= AT_ONCE_S and body.spaced <= SPACED_BEFORE:
            return None, _NEW_BESIDE_A_FAILED_ONE
        return waiting[0], _RETRY_FROM_NOWHERE


def _counted(body: _Body, request: Request, via: Via | None) -> tuple[_Seen | None, float]:
    """Return the call whose retries, by the SDK's count, go on with this request."""
    before = (request.sdk_retry_count or 0) - 1
    found = [one for one in reversed(body.seen.values()) if one.sdk_retry == before and one.like(request)]
    if not found:
        return None, _COUNTED_UNSEEN
    # What failed is retried rather than what is under way, and that rather than what went well.
    likeliest = max(
        found,
        key=lambda one: (
            one.failed_at is not None,
            via is not None and one.via is not None and one.via.connection == via.connection,
            one.in_flight > 0,
        ),
    )
    return likeliest, _COUNTED_BY_SDK if len(found) == 1 else _COUNTED_BY_SEVERAL


def _last_on(waiting: list[_Seen], via: Via) -> _Seen | None:
    """Return the call that failed last on the connection that a request comes on."""
    for seen in reversed(waiting):
        if seen.via is not None and seen.via.connection == via.connection:
            return seen
    return None


def _age(seen: _Seen, now: float) -> float:
    return now - (now if seen.failed_at is None else seen.failed_at)


def _recent(seen: _Seen, now: float) -> bool:
    return _age(seen, now) <= FORGOTTEN_S
