"""Sequences to calls: what an application retried above its SDK, and how sure that is.

Seen afterwards, with all that came later. Like requests (same key, same body) are candidates; which of them are one
call is decided in three steps:

    1. pair      a start with a failure before it: on its connection, or on one that the failed one's could not serve
    2. rates     how often is a *success* followed by a like request? Who does that has new calls with old bodies,
                 so a like request behind a failure may be one, too
    3. certainty of each start, from the ground of its decision and the rates

`p` of step 3: of what follows failures, the share that would have come without them. With r the share of successes
that are followed and f that of failures, f = q + (1 − q)·r, where q is the share that is retried; p = (1 − q)·r / f.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from windtunnel.harness.probe.arrived import Arrived
from windtunnel.harness.probe.sequences import SLACK_S, RetryLink, Sequence, sequences

FORGOTTEN_S = 300.0
"""Seconds after a failure for which a like request may be its retry."""

IMMEDIATE_S = 0.02
"""Callers that start together open their connections this close to one another's failures."""

TOGETHER_S = 0.2
"""Like requests that start this close to one another are callers at once rather than a hedge."""

HEDGE_S = 0.1
"""A hedge's loser is cancelled this soon after the winner's answer."""

ENOUGH = 3
"""Successes without which nothing is known of how an application uses its bodies again."""

REUSED_AT_ALL = 0.05
"""Share of successes behind which a body comes again, from which on no retry is certain by its body."""

BODIES_ENOUGH = 5
"""Different bodies without which nothing is known of whether like requests are ever under way at once."""

MOST_GIVING_WAY = 50
"""Failures that are asked to give way for one start."""

NAMED = 1.0
BY_IDEMPOTENCY_KEY = 0.99
BY_COUNTER = 0.97
MOST = 0.97
NEW_BODY = 0.97
NEW_AFTER_SUCCESS = 0.95
NEW_BESIDE_OTHERS = 0.95
NEW_BESIDE_ONE = 0.8
NEW_THOUGH_ONE_FAILED = 0.6
RETRY_AT_ONCE = 0.6
RETRY_OF_UNKNOWN = 0.85
RETRY_OR_NOT = 0.5
HEDGE = 0.9


@dataclass(slots=True)
class Start:
    """A sequence, and what was decided of it: its `certainty`, the `ground`, and what it retries.

    `number` is its place in the order of arrival.
    """

    sequence: Sequence
    number: int = 0
    certainty: float = NEW_BODY
    ground: str = "a new body"
    retried: Start | None = None
    sure_pair: bool = False
    followed: Start | None = None
    at_once: bool = False

    @property
    def first(self) -> Arrived:
        return self.sequence.first

    @property
    def last(self) -> Arrived:
        return self.sequence.last


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
class Rates:
    """How often what ended well, failed, or was changed is followed by a like request: events, of how many."""

    reused: int
    succeeded: int
    followed: dict[str, int]
    ended: dict[str, int]

    def certainty(self, how: str) -> tuple[float, str]:
        """How sure it is that a like request behind such an end is a retry, and why."""
        ended, followed = self.ended.get(how, 0), self.followed.get(how, 0)
        if self.succeeded < ENOUGH:
            return RETRY_OF_UNKNOWN, "a like one failed before, and hardly any went well"
        reuse = (self.reused + 0.5) / (self.succeeded + 1)
        follow = (followed + 0.5) / (ended + 1)
        retrying = max(0.0, (follow - reuse) / (1 - reuse)) if reuse < 1 else 0.0
        by_chance = min(1.0, (1 - retrying) * reuse / follow)
        sure = max(RETRY_OR_NOT, min(MOST, 1 - by_chance))
        if self.reused:
            if reuse > REUSED_AT_ALL:  # a failure that nobody retried and the next call look alike
                sure = min(sure, RETRY_OF_UNKNOWN)
            return sure, "a like one failed before, and bodies are used again after a success too"
        return sure, "a like one failed before, and no body is used again after a success"


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
    lonely = len(groups) >= BODIES_ENOUGH and not any(_overlap(group) for group in groups)
    for group in groups:
        _pair(group, lonely=lonely)
    rates = _rates(groups)
    for group in groups:
        _judge(group, rates, lonely=lonely)
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


def _pair(group: list[Start], *, lonely: bool) -> None:
    """Step 1: give each start the failure that it may be the retry of: first those on one connection, then as many of
    the others as can be. `lonely`: no like requests of this program are ever under way at once."""
    failures = [one for one in group if one.last.how in ("failed", "changed")]
    on_connection: dict[int, list[Start]] = defaultdict(list)
    for one in group:
        on_connection[one.first.connection.number].append(one)
    for earlier in failures:
        later = next(
            (
                one
                for one in on_connection[earlier.last.connection.number]
                if one.first.nth > earlier.last.nth and one.number > earlier.number
            ),
            None,
        )
        if later is not None and later.retried is None and not _too_late(earlier, later):
            _link(earlier, later)
    for at_once in (True,) if lonely else (False, True):
        _pair_free(group, failures, at_once=at_once)
        for later in group:
            # Somebody can only give way if a failure is left over in the end.
            if later.retried is None and any(one.followed is None for one in failures):
                _give_way(failures, later, set(), at_once=at_once)
    _pair_hedges(group)
    for later in group:
        earlier_one = later.retried
        if earlier_one is not None and earlier_one.followed is later:
            others = [one for one in failures if one is not earlier_one and _waiting(one, later)]
            later.sure_pair = not others or earlier_one.last.connection == later.first.connection


def _pair_free(group: list[Start], failures: list[Start], *, at_once: bool) -> None:
    """Give each start the failure that waits longest; those at the moment of the failure only with `at_once`."""
    for later in group:
        if later.retried is None:
            free = [
                one
                for one in failures
                if one.followed is None and _fits(one, later) and (at_once or not _at_once(one, later))
            ]
            if free:
                _link(min(free, key=lambda one: one.last.over_s), later)


def _link(earlier: Start, later: Start) -> None:
    earlier.followed, later.retried = later, earlier
    later.at_once = _at_once(earlier, later)


def _at_once(earlier: Start, later: Start) -> bool:
    """Whether a connection was opened so soon after a failure that it may have been on its way before."""
    opened = later.first.connection.opened_s
    return not later.first.nth and opened < earlier.last.over_s + IMMEDIATE_S and not _left(earlier)


def _waiting(failure: Start, later: Start) -> bool:
    """Whether a failure was not yet retried when a start came."""
    if not _fits(failure, later):
        return False
    return failure.followed is None or failure.followed.first.arrived_s > later.first.arrived_s


def _give_way(failures: list[Start], later: Start, asked: set[int], *, at_once: bool) -> bool:
    """Find a failure for `later`, if need be one whose retry can be that of another (augmenting paths)."""
    if len(asked) > MOST_GIVING_WAY:
        return False
    for earlier in failures:
        if id(earlier) in asked or not _fits(earlier, later):
            continue
        if _at_once(earlier, later) and not at_once:
            continue
        asked.add(id(earlier))
        if earlier.followed is None or _give_way(failures, earlier.followed, asked, at_once=at_once):
            _link(earlier, later)
            return True
    return False


def _left(start: Start) -> bool:
    return start.last.abandoned


def _too_late(earlier: Start, later: Start) -> bool:
    return later.first.arrived_s > earlier.last.over_s + FORGOTTEN_S


def _fits(earlier: Start, later: Start) -> bool:
    """Whether a start on another connection can be the retry of a failure."""
    if earlier.number >= later.number:
        return False
    failed_s = earlier.last.over_s
    slack = SLACK_S if _left(earlier) else 0.0
    if later.first.arrived_s + slack < failed_s or _too_late(earlier, later):
        return False
    return bool(later.first.nth) or later.first.connection.opened_s + slack >= failed_s


def _pair_hedges(group: list[Start]) -> None:
    """A request that was cancelled the moment a like one was answered is a hedge of it, or is hedged by it."""
    for loser in group:
        if not loser.last.abandoned or loser.followed is not None:
            continue
        for winner in group:
            same_time = (
                winner.first.arrived_s < loser.last.over_s and loser.first.arrived_s < winner.last.over_s
            )
            soon = 0 <= loser.last.over_s - winner.last.over_s <= HEDGE_S
            if winner is loser or winner.last.how != "ok" or not (same_time and soon):
                continue
            earlier, later = sorted((loser, winner), key=lambda one: one.number)
            if later.retried is None:
                later.retried, later.certainty, later.ground = (
                    earlier,
                    HEDGE,
                    "a hedge: the other was cancelled",
                )
            break


def _rates(groups: list[list[Start]]) -> Rates:
    """Step 2: over all bodies, what is followed by a like request."""
    reused = succeeded = 0
    followed: dict[str, int] = defaultdict(int)
    ended: dict[str, int] = defaultdict(int)
    for group in groups:
        free = 0  # what went well and was not followed yet
        events = [(one.last.over_s, 1, one) for one in group] + [
            (one.first.arrived_s, 0, one) for one in group
        ]
        for _, is_end, one in sorted(events, key=lambda event: event[:2]):
            if is_end and one.last.how == "ok":
                succeeded += 1
                free += 1
            elif is_end:
                ended[one.last.how] += 1
                followed[one.last.how] += one.followed is not None
            elif one.retried is None and free:
                reused += 1
                free -= 1
    return Rates(reused, succeeded, followed, ended)


def _overlap(group: list[Start]) -> bool:
    """Whether like sequences were ever under way at once, or on connections that both were open already."""
    latest = None
    for one in group:
        if latest is not None and (
            one.first.arrived_s < latest.last.over_s
            or (not one.first.nth and one.first.connection.opened_s < latest.last.over_s)
        ):
            return True
        if latest is None or one.last.over_s > latest.last.over_s:
            latest = one
    return False


def _judge(group: list[Start], rates: Rates, *, lonely: bool) -> None:
    """Step 3: how sure each decision is. `lonely`: no like requests of this program are ever under way at once."""
    for number, one in enumerate(group):
        if one.ground.startswith("a hedge"):
            continue
        if one.first.idempotency:
            one.certainty, one.ground = BY_IDEMPOTENCY_KEY, "its idempotency key"
            one.retried = None
        elif one.retried is not None:
            _judge_retry(one, rates, lonely=lonely)
        elif number:
            _judge_new(group, number)
        if one.first.counter is not None and one.sequence.unseen and one.first.counter:
            one.certainty, one.ground = (
                min(one.certainty, BY_COUNTER),
                "the SDK's counter; its first attempt never arrived",
            )
        elif one.first.counter is not None and one.retried is None and not number:
            one.ground = "a new body, with an SDK that counts"


def _judge_retry(one: Start, rates: Rates, *, lonely: bool) -> None:
    assert one.retried is not None
    one.certainty, one.ground = rates.certainty(one.retried.last.how)
    if one.at_once and not lonely:
        one.certainty = min(one.certainty, RETRY_AT_ONCE)
        one.ground = "a like one failed at the moment at which it connected"


def _judge_new(group: list[Start], number: int) -> None:
    """A start with a known body that retries nothing."""
    one = group[number]
    at = one.first.arrived_s
    earlier = group[:number]
    unanswered = [
        other
        for other in earlier
        if other.last.how != "ok" and other.followed is None and other.last.over_s <= at
    ]
    beside = [
        other for other in group if other is not one and other.first.arrived_s <= at < other.last.over_s
    ]
    together = [other for other in beside if at - other.first.arrived_s <= TOGETHER_S]
    opened = at if one.first.nth else one.first.connection.opened_s
    if together or len(beside) >= 2:
        one.certainty, one.ground = NEW_BESIDE_OTHERS, "like ones were under way"
    elif beside:
        one.certainty, one.ground = NEW_BESIDE_ONE, "a like one was under way: a call, or a hedge of one"
    elif (
        all(opened < other.last.over_s + IMMEDIATE_S for other in unanswered)
        and opened < at
        and _burst(one, earlier)
    ):
        one.certainty, one.ground = NEW_BESIDE_OTHERS, "it had connected before like ones had ended"
    elif unanswered:
        one.certainty, one.ground = NEW_THOUGH_ONE_FAILED, "a like one had failed, on another connection"
    elif any(other.last.how == "ok" for other in earlier):
        one.certainty, one.ground = NEW_AFTER_SUCCESS, "like ones had ended well"
    elif all(_by_itself(other) for other in earlier if other.last.over_s <= at):
        one.certainty, one.ground = (
            NEW_BESIDE_OTHERS,
            "like ones that had failed were retried on their own connections",
        )
    else:
        one.certainty, one.ground = NEW_THOUGH_ONE_FAILED, "no like one had ended well"


def _by_itself(one: Start) -> bool:
    """Whether a failure was retried on its own connection."""
    return one.followed is not None and one.followed.first.connection == one.last.connection


def _burst(one: Start, earlier: list[Start]) -> bool:
    """Whether a connection was opened while like requests were under way, or at the moment at which one ended."""
    opened = one.first.connection.opened_s
    return any(
        other.first.connection.opened_s <= opened < other.last.over_s + IMMEDIATE_S for other in earlier
    )
