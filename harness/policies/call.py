"""One call from its start to its end, as a machine without I/O: it decides, two thin shells wait and make requests.

    begin ──► [Begin(n), Wake(s), Cancel(n), Done(ending)] ──► shell ──► content(n), ended(n, failure), woke ──► […]

Usually one thing goes on at a time: a try, or a wait before the next one. While a hedge is possible a try and a wait go
on together; then the first try with content wins, and the others are cancelled. What a machine is told of a try that
it has cancelled, or after its end, changes nothing: the two may cross on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.region_choice import fallback_of, hedge_of
from windtunnel.harness.policies.breaker import BreakerPolicy
from windtunnel.harness.policies.budget import BudgetPolicy
from windtunnel.harness.policies.clock import Draw, Now
from windtunnel.harness.policies.deadline import DeadlinePolicy
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.fallback import FallbackPolicy
from windtunnel.harness.policies.hedge import HedgePolicy
from windtunnel.harness.policies.latency_aware import LatencyAwarePolicy
from windtunnel.harness.policies.limiter import LimiterPolicy
from windtunnel.harness.policies.policy import HEDGE, PRIMARY, CallEnding, CallState, No, Policy, TryState
from windtunnel.harness.policies.retry import RetryPolicy

__all__ = ["POLICIES", "Begin", "Call", "CallEnding", "Cancel", "Command", "Done", "Policies", "Wake"]


@dataclass(frozen=True, slots=True)
class Begin:
    """Make a request to this target. `number` counts the call's tries from 0."""

    number: int
    target: str = PRIMARY


@dataclass(frozen=True, slots=True)
class Wake:
    """Say `woke` in so many seconds, in place of any earlier `Wake`.

    `limited`: the call waits for its turn at the client's own limiter, not before another try.
    """

    seconds: float
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """End this try; nothing that it still says counts."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """The call is over."""

    ending: CallEnding


Command: TypeAlias = Begin | Wake | Cancel | Done


def _deadline(profile: Profile, _: Means) -> Policy | None:
    # Always there: it also measures how long tries take, which a hedge or a fallback may want to know.
    return DeadlinePolicy(profile.deadline)


def _retry(profile: Profile, means: Means) -> Policy | None:
    return RetryPolicy(profile.retries, means.draw, means.wall)


def _budget(profile: Profile, _: Means) -> Policy | None:
    return None if profile.budget is None else BudgetPolicy(profile.budget, profile.retries)


def _limiter(profile: Profile, means: Means) -> Policy | None:
    return None if profile.limiter is None else LimiterPolicy(profile.limiter, means.draw)


def _breaker(profile: Profile, _: Means) -> Policy | None:
    return None if profile.breaker is None else BreakerPolicy(profile.breaker)


def _hedge(profile: Profile, means: Means) -> Policy | None:
    hedge = hedge_of(profile)
    if hedge is None:
        return None
    return HedgePolicy(hedge, HEDGE if HEDGE in means.targets else None)


def _fallback(profile: Profile, means: Means) -> Policy | None:
    fallback = fallback_of(profile)
    if fallback is None:
        return None
    return FallbackPolicy(fallback, [target for target in means.targets if target != HEDGE])


def _region(profile: Profile, means: Means) -> Policy | None:
    choice = profile.region
    if choice is None or choice.choose != "latency_aware":
        return None  # the other choices come to a fallback, a hedge, or another primary target
    return LatencyAwarePolicy(choice, [target for target in means.targets if target != HEDGE], means.draw)


POLICIES: tuple[tuple[str, Callable[[Profile, Means], Policy | None]], ...] = (
    ("deadline", _deadline),
    ("retry", _retry),
    ("budget", _budget),
    ("limiter", _limiter),
    ("breaker", _breaker),
    ("hedge", _hedge),
    ("fallback", _fallback),
    ("region", _region),
)
"""All policies, in the order in which they are asked: what only refuses before what pays, and what pays before what
sends. A profile without a policy's part has none of it.

Watchdogs (`watchdog.py`) are not among them: they bark at a try that is under way, from a timer of the shell's."""

HOOKS = tuple(name for name in vars(Policy) if not name.startswith("_") and callable(getattr(Policy, name)))


@dataclass(frozen=True, slots=True)
class Means:
    """What policies are given besides their part of the profile. `targets`: names of those besides the primary one."""

    now: Now
    wall: Now
    draw: Draw
    targets: tuple[str, ...] = ()


class Policies:
    """What one instance of the application keeps between its calls."""

    def __init__(self, policies: list[Policy], means: Means) -> None:
        self.all = policies
        self.now = means.now
        self.wall = means.wall
        self.count_tokens = any(policy.counts_tokens for policy in policies)
        # A hook that a policy does not have costs nothing: most calls are healthy, and most policies have three hooks.
        self.hooks: dict[str, tuple[Any, ...]] = {
            hook: tuple(
                getattr(policy, hook)
                for policy in policies
                if getattr(type(policy), hook) is not getattr(Policy, hook)
            )
            for hook in HOOKS
        }

    @classmethod
    def of(
        cls, profile: Profile, *, now: Now, wall: Callable[[], float], draw: Draw, targets: Iterable[str] = ()
    ) -> Policies:
        """The policies of a profile in their first state. `targets`: names, in the order of falling back."""
        means = Means(now, wall, draw, tuple(targets))
        made = (make(profile, means) for _, make in POLICIES)
        return cls([policy for policy in made if policy is not None], means)

    def call(self, call_id: str, *, tokens: float = 0.0, priority: str | None = None) -> Call:
        """A call that the application makes now."""
        return Call(self, CallState(call_id, self.now(), tokens, priority))


class Call:
    """The machine of one call. Every method but `cut_off` returns what the shell does next, in this order."""

    __slots__ = ("_hooks", "_over", "_pending", "_policies", "_running", "state")

    def __init__(self, policies: Policies, state: CallState) -> None:
        self.state = state
        self._policies = policies
        self._hooks = policies.hooks
        self._running: list[TryState] = []
        self._pending: str | None = None
        self._over = False

    @property
    def under_way(self) -> bool:
        """Whether a try of it is."""
        return bool(self._running)

    def says(self) -> str:
        """The state of its policies in a few words, for whoever watches."""
        now = self._policies.now()
        return ", ".join(said for hook in self._hooks["says"] if (said := hook(self.state, now)))

    # ---- what happens

    def begin(self) -> list[Command]:
        """The call begins."""
        now = self.state.began_at
        for hook in self._hooks["call_began"]:
            hook(self.state, now)
        for choose in self._hooks["goes_to"]:
            if (target := choose(self.state, now)) is not None:
                return self._want(target)
        return self._want(PRIMARY)

    def answered(self, number: int, status: int, headers: Mapping[str, str]) -> None:
        """The head of an answer to one of the try's HTTP attempts is here; `headers` have lower-case names."""
        hooks = self._hooks["answered"]
        if hooks:
            now, wall = self._policies.now(), self._policies.wall()
            for hook in hooks:
                hook(self.state, self.state.tries[number], status, headers, now, wall)

    def content(self, number: int) -> list[Command]:
        """The first content of a try is here: it has won."""
        one = self.state.tries[number]
        if one.cancelled or self._over or one.content_at is not None:
            return []
        one.content_at = now = self._policies.now()
        for hook in self._hooks["content"]:
            hook(self.state, one, now)
        if one.shadow:
            return self._cancel([one], now)  # it has shown what it is for
        losers = [other for other in self._running if other is not one and not other.shadow]
        return self._cancel(losers, now)

    def ended(self, number: int, failure: Failure | None) -> list[Command]:
        """A try is over, with a failure or None."""
        state = self.state
        one = state.tries[number]
        if one.cancelled or self._over:
            return []
        self._running.remove(one)
        if one.shadow:
            return self._shadow_ended(one, failure)
        one.ended_at = now = self._policies.now()
        one.failure = failure
        if failure is not None:
            state.failure = failure
        wait: float | None = None
        for hook in self._hooks["after"]:
            said = hook(state, one, now)
            wait = said if wait is None else wait
        if failure is None:
            return self._end(CallEnding(None, winner=number))
        if any(not other.shadow for other in self._running):
            return []  # another try of this call may still succeed
        if wait is None:
            return self._refused(one.target, No(""), now)
        for hook in self._hooks["may_wait"]:
            if (no := hook(state, wait, now)) is not None:
                return self._refused(one.target, no, now)
        for hook in self._hooks["may_retry"]:
            if (no := hook(state, one, now)) is not None:
                return self._refused(one.target, no, now)
        state.retries += 1
        state.last_wait_s = wait
        self._pending = one.target
        return [Wake(wait)]

    def _shadow_ended(self, one: TryState, failure: Failure | None) -> list[Command]:
        """A shadow is over before its first content: policies learn of it, and the call does not change."""
        one.ended_at = now = self._policies.now()
        one.failure = failure
        for hook in self._hooks["after"]:
            hook(self.state, one, now)
        return []

    def woke(self) -> list[Command]:
        """The time of the last `Wake` has come."""
        if self._over:
            return []
        target, self._pending = self._pending, None
        if target is not None:
            return self._want(target)
        state, now = self.state, self._policies.now()
        for hook in self._hooks["wake"]:
            target = hook(state, now)
            if target is not None and (began := self._begin_beside(target, now)):
                return began
        return self._timer(now)

    def cut_off(self, failure: Failure | None = None) -> None:
        """The call ended from outside: it was cancelled, or (`failure`) its time is up."""
        if self._over:
            return
        self._over = True
        now = self._policies.now()
        for one in self._running:
            one.ended_at, one.failure, one.cancelled = now, failure, failure is None
            for hook in self._hooks["called_off" if failure is None else "after"]:
                hook(self.state, one, now)
        ending = None if failure is None else CallEnding(failure, "deadline")
        for hook in self._hooks["call_ended"]:
            hook(self.state, ending, now)

    # ---- what is decided

    def _want(self, target: str) -> list[Command]:
        """A try on this target is wanted: begin it, wait for its turn, or go elsewhere."""
        state, now = self.state, self._policies.now()
        turn = self._turn(target, now)
        if isinstance(turn, No):
            return self._refused(target, turn, now)
        if turn is not None:
            for hook in self._hooks["may_wait"]:
                if (no := hook(state, turn, now)) is not None:
                    return self._refused(target, no, now)
            for hook in self._hooks["waits"]:
                hook(state, target, turn, now)
            if turn > 0:
                self._pending = target
                return [Wake(turn, limited=True)]
        return self._begin(target, now)

    def _turn(self, target: str, now: float) -> float | No | None:
        """The longest wait that a policy wants before a try, the first refusal, or None if none says anything."""
        turn: float | None = None
        for hook in self._hooks["may_begin"]:
            answer = hook(self.state, target, now)
            if isinstance(answer, No):
                return answer
            if answer is not None:
                turn = answer if turn is None else max(turn, answer)
        return turn

    def _begin_beside(self, target: str, now: float) -> list[Command]:
        """Begin a hedge, if nobody is against it: it neither waits nor goes elsewhere."""
        if not self._may_be_beside(target, now):
            return []
        return self._begin(target, now, hedge=True)

    def _may_be_beside(self, target: str, now: float) -> bool:
        """Whether another try may begin at once, beside one that is under way; if so, its turn is taken."""
        turn = self._turn(target, now)
        if isinstance(turn, No) or (turn is not None and turn > 0):
            return False
        if turn is not None:
            for hook in self._hooks["waits"]:
                hook(self.state, target, turn, now)
        return True

    def _begin(self, target: str, now: float, *, hedge: bool = False) -> list[Command]:
        one = self._add(TryState(len(self.state.tries), target, now, hedge=hedge), now)
        return [Begin(one.number, target), *self._shadow_of(one, now), *self._timer(now)]

    def _shadow_of(self, one: TryState, now: float) -> list[Command]:
        """Begin a shadow beside a try, if a policy wants one and nobody is against it."""
        for hook in self._hooks["shadows"]:
            target = hook(self.state, one, now)
            if target is not None and self._may_be_beside(target, now):
                shadow = self._add(TryState(len(self.state.tries), target, now, shadow=True), now)
                return [Begin(shadow.number, target)]
        return []

    def _add(self, one: TryState, now: float) -> TryState:
        self.state.tries.append(one)
        self._running.append(one)
        for hook in self._hooks["begins"]:
            hook(self.state, one, now)
        return one

    def _timer(self, now: float) -> list[Command]:
        """The next time at which a policy wants to be woken, while tries are under way."""
        hooks = self._hooks["wake_at"]
        if not hooks or not self._running:
            return []
        times = [at for hook in hooks if (at := hook(self.state, now)) is not None]
        return [Wake(max(0.0, min(times) - now))] if times else []

    def _refused(self, target: str, no: No, now: float) -> list[Command]:
        """No further try is made on this target: another one, or the end."""
        if no.reason != "deadline":
            for hook in self._hooks["instead"]:
                if (other := hook(self.state, target, now)) is not None:
                    self.state.retries, self.state.last_wait_s = 0, None
                    return self._want(other)
        return self._end(CallEnding(self.state.failure, no.reason))

    def _cancel(self, losers: list[TryState], now: float) -> list[Command]:
        for one in losers:
            self._running.remove(one)
            one.ended_at, one.cancelled = now, True
            for hook in self._hooks["called_off"]:
                hook(self.state, one, now)
        return [Cancel(one.number) for one in losers]

    def _end(self, ending: CallEnding) -> list[Command]:
        self._over = True
        now = self._policies.now()
        cancels = self._cancel(list(self._running), now)
        for hook in self._hooks["call_ended"]:
            hook(self.state, ending, now)
        return [*cancels, Done(ending)]
