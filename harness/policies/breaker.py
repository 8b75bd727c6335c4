"""A circuit breaker: one an instance, around every try.

closed ──rate of the window──► open ──time──► half open ──all probes succeed──► closed
                                 ▲──────────one probe fails─────────┘
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

from windtunnel.harness.inputs.policies import Breaker
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.policy import LOCAL, Answer, CallState, No, Policy, TryState

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to make a try; handed back with how it ended. `era` counts the breaker's states."""

    era: int


class CircuitBreaker:
    """The state of one breaker. All times on one clock, in seconds."""

    __slots__ = ("_era", "_failed", "_opened_at", "_probes_left", "_settings", "_succeeded", "_window")

    def __init__(self, settings: Breaker) -> None:
        self._settings = settings
        self._window: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._era = 0
        self._opened_at: float | None = None
        self._probes_left: int | None = None
        self._succeeded = 0

    def state(self, now: float) -> BreakerState:
        """What it would do with a try now."""
        if self._opened_at is None:
            return "closed"
        return "open" if now < self._opened_at + self._settings.open else "half_open"

    def lets_through(self, now: float) -> bool:
        """Whether a try that asked now would get leave; changes nothing."""
        state = self.state(now)
        return state == "closed" or (state == "half_open" and self._probes_left != 0)

    def ask(self, now: float) -> Pass | None:
        """Leave to make a try now, or None. Whoever gets leave must call `ended` or `forgotten`, once."""
        state = self.state(now)
        if state == "open":
            return None
        if state == "half_open":
            if self._probes_left is None:
                self._probes_left = self._settings.probes
                self._succeeded = 0
                self._era += 1
            if self._probes_left == 0:
                return None
            self._probes_left -= 1
        return Pass(self._era)

    def ended(self, leave: Pass, failure: Failure | None, now: float) -> None:
        """A try ended. What began before the present state says nothing about it, and is not counted."""
        if leave.era != self._era:
            return
        failed = failure is not None and failure.is_one_of(self._settings.counts)
        if self._opened_at is not None:
            self._probe_ended(failed, now)
            return
        self._forget(now)
        self._window.append((now, failed))
        self._failed += failed
        tries = len(self._window)
        # A share of ten tries at 0.3 is three of them, whatever binary fractions make of it.
        if failed and tries >= self._settings.calls and self._failed >= self._settings.rate * tries - 1e-9:
            self._open(now)

    def forgotten(self, leave: Pass) -> None:
        """A try was called off before it could show anything: a probe's place is free again."""
        if leave.era == self._era and self._probes_left is not None:
            self._probes_left += 1

    def _probe_ended(self, failed: bool, now: float) -> None:
        if failed:
            self._open(now)
            return
        self._succeeded += 1
        if self._succeeded >= self._settings.probes:
            self._era += 1
            self._opened_at = self._probes_left = None

    def _open(self, now: float) -> None:
        self._era += 1
        self._opened_at = now
        self._probes_left = None
        self._window.clear()
        self._failed = 0

    def _forget(self, now: float) -> None:
        while self._window and self._window[0][0] <= now - self._settings.window:
            self._failed -= self._window.popleft()[1]


class BreakerPolicy(Policy):
    """The instance's breakers, one for each target: what is wrong with one region says nothing about another."""

    name = "breaker"

    def __init__(self, settings: Breaker) -> None:
        self._settings = settings
        self._breakers: dict[str, CircuitBreaker] = {}

    def of(self, target: str) -> CircuitBreaker:
        """The breaker of a target."""
        if target not in self._breakers:
            self._breakers[target] = CircuitBreaker(self._settings)
        return self._breakers[target]

    def may_begin(self, call: CallState, target: str, now: float) -> Answer:
        if target == LOCAL:
            return None
        return None if self.of(target).lets_through(now) else No("breaker")

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        if one.target != LOCAL:
            call.own[self, one.number] = self.of(one.target).ask(now)

    def called_off(self, call: CallState, one: TryState, now: float) -> None:
        leave = call.own.pop((self, one.number), None)
        if leave is not None:
            self.of(one.target).forgotten(leave)

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        leave = call.own.pop((self, one.number), None)
        if leave is not None:
            self.of(one.target).ended(leave, one.failure, now)
        return None

    def says(self, call: CallState, now: float) -> str:
        states = (f"{name or 'primary'} {one.state(now)}" for name, one in self._breakers.items())
        return f"breaker {', '.join(states)}".rstrip()
