"""How sure each start is what it was taken for, from the ground of its decision and the habits of the program.

`p`: of what follows failures, the share that would have come without them. With r the share of successes
that are followed and f that of failures, f = q + (1 − q)·r, where q is the share that is retried; p = (1 − q)·r / f.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from windtunnel.harness.probe.starts import IMMEDIATE_S, Start

TOGETHER_S = 0.2
"""Like requests that start this close to one another are callers at once rather than a hedge."""

ENOUGH = 3
"""Successes without which nothing is known of how an application uses its bodies again."""

REUSED_AT_ALL = 0.05
"""Share of successes behind which a body comes again, from which on no retry is certain by its body."""

# How sure a decision is, by its ground.
BY_IDEMPOTENCY_KEY = 0.99
BY_COUNTER = 0.97
MOST = 0.97
NEW_AFTER_SUCCESS = 0.95
NEW_BESIDE_OTHERS = 0.95
NEW_BESIDE_ONE = 0.8
NEW_THOUGH_ONE_FAILED = 0.6
RETRY_AT_ONCE = 0.6
RETRY_OF_UNKNOWN = 0.85
RETRY_OR_NOT = 0.5


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


def rates_of(groups: list[list[Start]]) -> Rates:
    """Over all bodies, what is followed by a like request."""
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


def judge(group: list[Start], rates: Rates, *, lonely: bool) -> None:
    """Say how sure each decision is. `lonely`: no like requests of this program are ever under way at once."""
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
