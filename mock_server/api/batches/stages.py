"""The stages of a batch as a function of time: there are no timers, each request computes the stage.

validating ─┬─► in_progress ─┬─► finalizing ─► completed
            │                └─► expired        (24 h after it was made)
            └─► failed                          (its input file is wrong)
validating, in_progress or finalizing ─(cancel)─► cancelling ─► cancelled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Status: TypeAlias = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]

WINDOW_S: Final = 86_400
"""The completion window: 24 hours, the only one there is."""

_SLACK: Final = 1e-3
"""Lines, to make up for the rounding of Unix times in floats."""


@dataclass(frozen=True, slots=True)
class BatchStage:
    """The stage of a batch: how many lines are done, and the `*_at` times that have come, as whole Unix seconds."""

    status: Status
    done: int
    times: dict[str, int]

    @property
    def over(self) -> bool:
        """Whether the batch is over: nothing about it changes any more."""
        return self.status in ("failed", "completed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class BatchTimeline:
    """What decides when a batch reaches each stage. Times are Unix seconds, durations seconds; lines go in turn.

    `valid` False fails it when it has been validated; `cancelled` is when a client cancelled it.
    """

    created: float
    lines: int
    valid: bool
    validating: float
    line: float
    finalizing: float
    cancelled: float | None = None

    @property
    def expires(self) -> float:
        """The end of the completion window."""
        return self.created + WINDOW_S

    def at(self, now: float) -> BatchStage:
        """Return the stage at `now`."""
        cancelled = self.cancelled
        if cancelled is None or now < cancelled:
            return self._undisturbed(now)
        before = self._undisturbed(cancelled)
        times = {**before.times, "cancelling_at": int(cancelled)}
        if now < cancelled + self.finalizing:
            return BatchStage("cancelling", before.done, times)
        return BatchStage(
            "cancelled", before.done, {**times, "cancelled_at": int(cancelled + self.finalizing)}
        )

    def _undisturbed(self, now: float) -> BatchStage:
        """Return the stage at `now` of a batch that is not cancelled."""
        started = self.created + self.validating
        if now < started:
            return BatchStage("validating", 0, {})
        if not self.valid:
            return BatchStage("failed", 0, {"failed_at": int(started)})
        times = {"in_progress_at": int(started)}
        worked = started + self.lines * self.line
        if now >= self.expires and worked > self.expires:
            done = self._done(self.expires - started)
            return BatchStage("expired", done, {**times, "expired_at": int(self.expires)})
        if now < worked:
            return BatchStage("in_progress", self._done(now - started), times)
        times["finalizing_at"] = int(worked)
        if now < worked + self.finalizing:
            return BatchStage("finalizing", self.lines, times)
        return BatchStage("completed", self.lines, {**times, "completed_at": int(worked + self.finalizing)})

    def _done(self, seconds: float) -> int:
        """Return how many lines are done after so many seconds in progress."""
        if self.line <= 0:
            return self.lines
        return max(0, min(self.lines, int(seconds / self.line + _SLACK)))
