"""Fallback: where a call goes that a target does not serve, and how the way back is found.

    served ──failures in a row──► left ──every now and then a probe──► answers? ──► served

A probe is a call that asks the target that was left first; or, with shadow traffic, a copy of a call that is served
elsewhere, which no call waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.harness.inputs.policies import Fallback
from windtunnel.harness.policies.policy import LOCAL, PRIMARY, Answer, CallState, No, Policy, TryState


@dataclass(slots=True)
class _Place:
    """What is known of a target. `probe_at`: when it may be asked again; None: it is not left."""

    failures: int = 0
    probe_at: float | None = None


class FallbackPolicy(Policy):
    """The instance's way through its targets. `targets` are those that there are, without the primary, in order."""

    name = "fallback"

    def __init__(self, settings: Fallback, targets: Sequence[str]) -> None:
        self._settings = settings
        self._order = (PRIMARY, *targets)
        self._places = {target: _Place() for target in self._order if target != LOCAL}

    def may_begin(self, call: CallState, target: str, now: float) -> Answer:
        place = self._places.get(target)
        if place is None or place.probe_at is None or target == self._order[-1]:
            return None  # from the last one there is nowhere to go
        if call.own.get(self) == target:
            return None  # a copy of the call
        if self._settings.shadow:
            return No("breaker")  # only copies ask it
        return None if now >= place.probe_at else No("breaker")

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        call.own.pop(self, None)
        place = self._places.get(one.target)
        if place is not None and place.probe_at is not None:
            place.probe_at = now + self._settings.probe

    def shadows(self, call: CallState, one: TryState, now: float) -> str | None:
        if not self._settings.shadow or one.shadow:
            return None
        before = self._order[: self._order.index(one.target)] if one.target in self._order else ()
        for target in before:
            probe_at = self._places[target].probe_at
            if probe_at is not None and now >= probe_at:
                call.own[self] = target
                return target
        return None

    def content(self, call: CallState, one: TryState, now: float) -> None:
        if one.shadow:
            self._answers(one.target)

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        place = self._places.get(one.target)
        if place is None:
            return None
        if one.failure is None:
            self._answers(one.target)
        elif self._settings.leave_after is not None and one.failure.is_one_of(self._settings.on):
            place.failures += 1
            if place.failures >= self._settings.leave_after:
                place.probe_at = now + self._settings.probe
        return None

    def instead(self, call: CallState, target: str, now: float) -> str | None:
        if call.failure is not None and not call.failure.is_one_of(self._settings.on):
            return None
        after = self._order.index(target) + 1 if target in self._order else len(self._order)
        return self._order[after] if after < len(self._order) else None

    def says(self, call: CallState, now: float) -> str:
        left = [name or "primary" for name, place in self._places.items() if place.probe_at is not None]
        return f"left {', '.join(left)}" if left else ""

    def _answers(self, target: str) -> None:
        place = self._places[target]
        place.failures, place.probe_at = 0, None
