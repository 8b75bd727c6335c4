"""Which call a request belongs to, and which attempt of it: the server's own count.

A call that the client names is counted by that name. Without a name there is only a guess: the same body
from the same key, where the SDK's retry count goes on from that of an earlier request. The guess, and with
it the draws of such calls, depends on the order of arrival, so it is marked `inferred`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from windtunnel.mock_server.request import Request

NAMED_CALLS = 50_000
"""Call ids remembered; the least recently used one is forgotten first."""

UNNAMED_BODIES = 10_000
"""Different bodies of unnamed calls remembered."""

OPEN_CALLS_PER_BODY = 256
"""Unnamed calls with one body that a retry may still belong to."""

BY_FAULT = "fault"
"""The `by` of a promise that a fault has made: it is recorded, but coming back before it has no penalty."""

_SCHEDULED = re.compile(r"[a-z](\d{1,15})")


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


class KnownCall:
    """A call as the server knows it. `index` is its position in the schedule, if its id contains one."""

    __slots__ = ("attempts", "call_id", "index", "inferred", "promise")

    def __init__(self, call_id: str, *, inferred: bool) -> None:
        self.call_id = call_id
        self.inferred = inferred
        self.attempts = 0
        self.promise: Promise | None = None
        scheduled = None if inferred else _SCHEDULED.fullmatch(call_id)
        self.index = int(scheduled[1]) if scheduled else None

    def next_attempt(self) -> int:
        """Return the ordinal of the attempt that has just arrived, from 0, and count it."""
        attempt = self.attempts
        self.attempts = attempt + 1
        return attempt


class _Body:
    """The unnamed calls with one body: how many there were, and those that a retry may belong to."""

    __slots__ = ("occurrences", "open")

    def __init__(self) -> None:
        self.occurrences = 0
        self.open: OrderedDict[tuple[str, int, int], KnownCall] = OrderedDict()


class Registry:
    """The calls of all requests so far. Memory is bounded: the least recently used ones are forgotten."""

    __slots__ = ("_bodies", "_named")

    def __init__(self) -> None:
        self._named: OrderedDict[str, KnownCall] = OrderedDict()
        self._bodies: OrderedDict[str, _Body] = OrderedDict()

    def call_of(self, request: Request) -> KnownCall:
        """Return the call that `request` is an attempt of: a known one or a new one."""
        name = request.call_id
        if name is None:
            return self._inferred(request)
        call = self._named.get(name)
        if call is None:
            call = self._named[name] = KnownCall(name, inferred=False)
            if len(self._named) > NAMED_CALLS:
                self._named.popitem(last=False)
        else:
            self._named.move_to_end(name)
        return call

    def _inferred(self, request: Request) -> KnownCall:
        """Return the latest unnamed call with this body and key whose next retry this can be, else a new call."""
        body = self._bodies.get(request.body_hash)
        if body is None:
            body = self._bodies[request.body_hash] = _Body()
            if len(self._bodies) > UNNAMED_BODIES:
                self._bodies.popitem(last=False)
        else:
            self._bodies.move_to_end(request.body_hash)
        retry = request.sdk_retry_count
        found = None
        if retry:
            found = next(
                (key for key in reversed(body.open) if key[0] == request.key_hash and key[1] == retry), None
            )
        if found is not None:
            call, occurrence = body.open.pop(found), found[2]
        else:
            occurrence = body.occurrences
            body.occurrences += 1
            call = KnownCall(f"{request.body_hash[:16]}~{occurrence}", inferred=True)
        if retry is not None:
            body.open[request.key_hash, retry + 1, occurrence] = call
            if len(body.open) > OPEN_CALLS_PER_BODY:
                body.open.popitem(last=False)
        return call
