"""Sequences to calls: what an application retried above its SDK, and how sure that is.

Seen afterwards, with all that came later. Like requests (same key, same body) are candidates; which of them are one
call is decided in three steps:

    1. pair       a start with a failure before it: on its connection, or on one that the failed one's could not serve
                  (pairing.py)
    2. rates      how often is a *success* followed by a like request? Who does that has new calls with old bodies,
                  so a like request behind a failure may be one, too
    3. certainty  of each start, from the ground of its decision and the rates (certainty.py, as is step 2)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from windtunnel.harness.probe.arrived import Arrived
from windtunnel.harness.probe.certainty import judge, rates_of
from windtunnel.harness.probe.pairing import overlap, pair
from windtunnel.harness.probe.sequences import RetryLink, sequences
from windtunnel.harness.probe.starts import Start

BODIES_ENOUGH = 5
"""Different bodies without which nothing is known of whether like requests are ever under way at once."""

NAMED = 1.0
"""How sure a call is whose client names it."""


@dataclass(slots=True)
class InferredCall:
    """One call of the application: its requests in order, and which was sent because of which."""

    requests: list[Arrived]
    links: list[RetryLink] = field(default_factory=list)
    unseen: int = 0

    @property
    def last(self) -> Arrived:
        return self.requests[-1]


@dataclass(frozen=True, slots=True)
class Inferred:
    """All calls of a program, and the certainty of each start of one, with its ground."""

    calls: list[InferredCall]
    grounds: list[tuple[float, str]]
    fewest: int
    most: int
    """How many calls there are at least, and at most, if what is not certain is decided otherwise."""


def infer(requests: Iterable[Arrived], certain: float = 0.9) -> Inferred:
    """Group requests to calls. `certain`: below it a decision counts as open, for `fewest` and `most`."""
    named: dict[tuple[str, int], list[Arrived]] = defaultdict(list)
    like: dict[tuple[str, str, str], list[Arrived]] = defaultdict(list)
    for request in requests:
        if request.name is not None:
            named[request.name, request.step].append(request)
        else:
            like[request.api, request.key, request.body].append(request)
    groups = [[Start(one, i) for i, one in enumerate(sequences(group))] for group in like.values()]
    lonely = len(groups) >= BODIES_ENOUGH and not any(overlap(group) for group in groups)
    for group in groups:
        pair(group, lonely=lonely)
    rates = rates_of(groups)
    for group in groups:
        judge(group, rates, lonely=lonely)
    calls = [_call(group) for group in named.values()]
    grounds = [(NAMED, "the client named it")] * len(calls)
    open_new = open_retries = 0
    for group in groups:
        made: dict[int, InferredCall] = {}
        for start in group:
            grounds.append((start.certainty, start.ground))
            before = start.retried
            if before is None:
                call = InferredCall([], unseen=0)
                calls.append(call)
                open_new += start.certainty < certain
            else:
                call = made[id(before)]
                call.links.append(RetryLink(before.last, start.first, start.sure_pair))
                open_retries += start.certainty < certain
            call.requests += start.sequence.requests
            call.links += start.sequence.links
            call.unseen += start.sequence.unseen
            made[id(start)] = call
    at_least = len(named) + len(groups)
    return Inferred(calls, grounds, max(at_least, len(calls) - open_new), len(calls) + open_retries)


def _call(requests: list[Arrived]) -> InferredCall:
    """A call that its client named."""
    return InferredCall(requests, [RetryLink(one, other, True) for one, other in pairwise(requests)])
