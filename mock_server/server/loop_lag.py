"""The lag of the mock's event loop: the mock's own share of the delays that a measurement shows.

A timer is due every `PERIOD` seconds; how late it really comes is a sample, with the CPU the process has
used so far. The samples go to the segment `lags-mock-<pid>.arrows`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windtunnel.mock_server.journal.segments import SegmentWriter

PERIOD = 0.02


class LagSampler:
    """Samples the lag of `loop` from now on; `now` gives seconds from t0."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, now: Callable[[], float], directory: Path | None
    ) -> None:
        self._loop = loop
        self._now = now
        self._writer: SegmentWriter | None = None
        if directory is not None:
            # pyarrow is not among the core dependencies, and a mock that writes nothing does without it.
            from windtunnel.mock_server.journal.schemas import LAG_SCHEMA
            from windtunnel.mock_server.journal.segments import SegmentWriter, segment_path

            self._writer = SegmentWriter(segment_path(directory, "lags-mock"), LAG_SCHEMA)
        self.worst_s = 0.0
        """The worst lag since the last `flush`, in seconds."""
        self._pid = os.getpid()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._await(now())

    def _await(self, now: float) -> None:
        self._due = now + PERIOD
        self._timer = self._loop.call_later(PERIOD, self._sample)

    def _sample(self) -> None:
        now = self._now()
        lag = max(0.0, now - self._due)
        self.worst_s = max(self.worst_s, lag)
        if self._writer is not None:
            self._writer.add(("server", self._pid, self._due, lag, time.process_time()))
        self._await(now)

    def flush(self) -> None:
        """Hand the samples so far to the operating system."""
        self.worst_s = 0.0
        if self._writer is not None:
            self._writer.flush()

    def new_segment(self) -> None:
        """Go on in another segment; what was sampled so far is complete."""
        if self._writer is not None:
            self._writer.cut()

    def restart(self) -> None:
        """Delete the samples so far: later times count from another t0."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._writer.restart()
        self._await(self._now())

    def close(self) -> None:
        """Stop sampling and end the segment."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is not None:
            self._writer.close()
