"""One call from its start to its end, as a generator of steps: decisions here, waiting and I/O in two thin shells.

play ──Try(n)──► shell makes the request ──Failure or None──► play ──Pause(s)──► shell sleeps ──► …
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from windtunnel.harness.inputs.profile import Profile, Retries
from windtunnel.harness.policies.budget import RetryBudget
from windtunnel.harness.policies.clock import Draw, Now
from windtunnel.harness.policies.deadline import RecentMedian, fits
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.limiter import LocalLimiter
from windtunnel.harness.policies.retry import next_wait


@dataclass(frozen=True, slots=True)
class Try:
    """Make the request; send back its `Failure`, or None. `number` counts tries from 0."""

    number: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; send back None. `limited`: for a turn at the client's own limiter, not before another try."""

    seconds: float
    limited: bool = False


Step: TypeAlias = Try | Pause
GaveUp: TypeAlias = Literal["", "deadline", "budget", "shed"]


@dataclass(frozen=True, slots=True)
class CallEnding:
    """How a call ended: the last failure (None: it succeeded), and what kept it from another try."""

    failure: Failure | None
    gave_up: GaveUp = ""


@dataclass(slots=True)
class Policies:
    """What one instance of the application keeps between its calls."""

    retries: Retries
    total_s: float | None
    budget: RetryBudget | None
    limiter: LocalLimiter | None
    now: Now
    wall: Now
    draw: Draw
    median: RecentMedian = field(default_factory=RecentMedian)

    @classmethod
    def of(cls, profile: Profile, *, now: Now, wall: Callable[[], float], draw: Draw) -> Policies:
        """The policies of a profile in their first state."""
        limiter = profile.limiter
        if limiter is not None and limiter.rpm == "quota":
            raise ValueError("the limiter's quota must be a number by now: a cell's plan resolves it")
        return cls(
            retries=profile.retries,
            total_s=profile.deadline,
            budget=None if profile.budget is None else RetryBudget(profile.budget),
            limiter=None if limiter is None else LocalLimiter(float(limiter.rpm), limiter.burst),
            now=now,
            wall=wall,
            draw=draw,
        )


def play(policies: Policies, call_id: str) -> Generator[Step, Failure | None, CallEnding]:
    """The steps of one call that begins now. `StopIteration.value` is its `CallEnding`."""
    p = policies
    ends_at = None if p.total_s is None else p.now() + p.total_s
    if p.budget is not None:
        p.budget.call_began()
    failure: Failure | None = None
    wait: float | None = None
    number = 0
    while True:
        if p.limiter is not None:
            turn = p.limiter.wait(p.now())
            if not fits(p.now(), turn, p.median.value, ends_at):
                return CallEnding(failure, "shed" if failure is None else "deadline")
            p.limiter.take(p.now())
            if turn > 0:
                yield Pause(turn, limited=True)
        began = p.now()
        failure = yield Try(number)
        if failure is None:
            p.median.add(p.now() - began)
            if number == 0 and p.budget is not None:
                p.budget.first_try_succeeded()
            return CallEnding(None)
        wait = next_wait(p.retries, failure, number, wait, p.draw(call_id, number), p.wall())
        if wait is None:
            return CallEnding(failure)
        if not fits(p.now(), wait, p.median.value, ends_at):
            return CallEnding(failure, "deadline")
        if p.budget is not None and not p.budget.pay(throttled=failure.throttled):
            return CallEnding(failure, "budget")
        yield Pause(wait)
        number += 1
