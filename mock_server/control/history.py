"""Samples of the last minutes, one a second, for the live page's curves. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from windtunnel.mock_server.control.prometheus import Counters

MAX_SAMPLES = 300
"""Samples that are kept: one a second, five minutes."""


class Sample(NamedTuple):
    """The server at one moment. `number` counts samples from 1, `at_s` is the clock's; `arrived`, `refused`, `left`
    count from the server's beginning and never fall, `in_flight` and `queued` are of the moment."""

    number: int
    at_s: float
    arrived: int
    refused: int
    left: int
    in_flight: int
    queued: int


class History:
    """The last `MAX_SAMPLES` samples."""

    __slots__ = ("_samples", "_taken")

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._taken = 0

    def add(self, at_s: float, arrived: int, counters: Counters, load: tuple[int, int]) -> None:
        """Add a sample; `load` is busy slots and queued requests."""
        self._taken += 1
        self._samples.append(Sample(self._taken, at_s, arrived, refused(counters), counters.abandoned, *load))

    def since(self, number: int) -> list[Sample]:
        """Return the samples after number `number`, the oldest first."""
        return [sample for sample in self._samples if sample.number > number]


def refused(counters: Counters) -> int:
    """Return how many requests were answered with an error status, by a limit, a full queue or a fault."""
    return sum(
        [count for (_, _, status), count in counters.requests.items() if status is not None and status >= 400]
    )
