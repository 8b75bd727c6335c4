"""Rows on their way from the drivers to disk.

Drivers may stand in another thread, so they only append to queues. The hub drains them: to segments, to
Locust's events, and into the counts that the supervisor shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from windtunnel.harness.clients.base import Observer
from windtunnel.harness.clients.recording.pools import Soak
from windtunnel.harness.contract.files import write_json
from windtunnel.harness.contract.records import (
    ATTEMPTS_SCHEMA,
    CALLS_SCHEMA,
    LAG_SCHEMA,
    AttemptRow,
    CallRow,
    attempt_tuple,
    call_tuple,
)
from windtunnel.mock_server.journal.segments import SegmentWriter, segment_path

Lag = tuple[str, int, float, float, float]
"""(source, process, at_s, lag_s, cpu_s): a row of `LAG_SCHEMA`."""


@dataclass(slots=True)
class Counts:
    """What has ended so far, of the calls that are measured."""

    ended: int = 0
    ok: int = 0
    attempts: int = 0

    def write_progress(self, folder: Path, worker: int, *, intended: int, now_s: float, done: bool) -> None:
        """Tell the supervisor how far load process `worker` is; `now_s` is a sign of life, in seconds from t0."""
        content = {"intended": intended, **asdict(self), "heartbeat_s": now_s, "done": done}
        write_json(folder / f"progress-{worker}.json", content)


class Recorder(Observer):
    """The observer of all instances of a process, and the writer of its three segments.

    Raises `OSError` from `drain` and `close` when records cannot be written any more (a full disk).
    """

    def __init__(
        self,
        folder: Path,
        worker: int,
        *,
        on_call: Callable[[CallRow, BaseException | None], None],
        on_attempt: Callable[[AttemptRow], None],
    ) -> None:
        self.counts = Counts()
        self.last_ended_s = float("-inf")
        self.soak: Soak | None = None
        self.lags: deque[Lag] = deque()
        self._worst_lag_s: float | None = None
        self._calls: deque[tuple[CallRow, BaseException | None]] = deque()
        self._attempts: deque[AttemptRow] = deque()
        self._on_call = on_call
        self._on_attempt = on_attempt
        self._call_file = SegmentWriter(segment_path(folder, f"calls-{worker}"), CALLS_SCHEMA)
        self._attempt_file = SegmentWriter(segment_path(folder, f"attempts-{worker}"), ATTEMPTS_SCHEMA)
        self._lag_file = SegmentWriter(segment_path(folder, f"lags-{worker}"), LAG_SCHEMA)

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        """Take the row of a call that ended; from any thread."""
        self._calls.append((row, error))
        if row.ended_s is not None:
            self.last_ended_s = max(self.last_ended_s, row.ended_s)
            if self.soak is not None:
                self.soak.ended(row.call_id, row.ended_s)

    def attempt_ended(self, row: AttemptRow) -> None:
        """Take the row of an attempt that ended; from any thread."""
        self._attempts.append(row)

    def late(self, lag: Lag) -> None:
        """Take a beat of the hub or the loop, and how late it was; from any thread."""
        self.lags.append(lag)
        self._worst_lag_s = max(self._worst_lag_s or 0.0, lag[3])

    def worst_lag_s(self) -> float | None:
        """The latest beat since this was last asked; None if there was none."""
        worst, self._worst_lag_s = self._worst_lag_s, None
        return worst

    def drain(self) -> None:
        """Write what has come in since the last time."""
        while self._attempts:
            attempt = self._attempts.popleft()
            self._attempt_file.add(attempt_tuple(attempt))
            self._on_attempt(attempt)
            self.counts.attempts += attempt.call_id.startswith("c")
        while self._calls:
            call, error = self._calls.popleft()
            self._call_file.add(call_tuple(call))
            self._on_call(call, error)
            if call.phase is not None:
                self.counts.ended += 1
                self.counts.ok += call.outcome == "ok"
        while self.lags:
            self._lag_file.add(self.lags.popleft())

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self.drain()
        for file in (self._call_file, self._attempt_file, self._lag_file):
            file.flush()

    def cut(self) -> None:
        """Go on in new segments; those so far are complete."""
        self.drain()
        for file in (self._call_file, self._attempt_file, self._lag_file):
            file.cut()

    def close(self) -> None:
        """Flush, and end the segments."""
        self.flush()
        for file in (self._call_file, self._attempt_file, self._lag_file):
            file.close()
