"""What the charts are drawn from: plain frames and a few facts per client, whatever they were loaded from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from windtunnel.reports.metrics.regions import RegionCounts, RegionTimes

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """A phase: its name, its bounds in seconds from t0, and whether the provider is at fault in it."""

    name: str
    start: float
    end: float
    faulty: bool


@dataclass(frozen=True, slots=True, eq=False)
class RegionView:
    """What one client had of one region.

    `arrived_s` and `queue_depth` are of its requests that arrived there, `answered_s` the arrivals of those whose
    answers made calls good. `parts` are the mean parts of the good calls that it answered, `slow_parts` those of the
    calls around the 95th percentile (`reports.metrics.timing`), empty without any.
    """

    name: str
    counts: RegionCounts
    times: RegionTimes
    arrived_s: Floats
    queue_depth: Floats
    answered_s: Floats
    parts: Mapping[str, float]
    slow_parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time limits in seconds that a client's profile sets for one request, and for the whole call; None: none."""

    connect: float | None = None
    read: float | None = None
    first_content: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class ClientView:
    """One client, in one repeat.

    `calls` has a row per call intended within the phases, with columns intended_s, phase, outcome (judged against the
    server's truth) and good (bool). `served` has a row per request that reached the provider: arrived_s, attempt (the
    server's ordinal), queue_depth, in_flight, delay_s (arrival minus the call's intended time). `wait_s` and
    `service_s` are samples in seconds; `never_ended` counts the calls whose wait has no end within the run.
    `recovered` is None where there is no fault to recover from, or no telling. `upto_s`: calls intended later
    could not be judged, because the run was cut off. `regions` is empty unless there are several, or links to them.
    """

    client: str
    calls: pd.DataFrame
    served: pd.DataFrame
    wait_s: Floats
    service_s: Floats
    never_ended: int = 0
    recovered: bool | None = None
    recover_s: float | None = None
    upto_s: float = math.inf
    regions: tuple[RegionView, ...] = ()
    timeouts: TimeLimits = field(default_factory=TimeLimits)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the charts see it: the phases, the deadline in seconds, and the clients in the scenario's order."""

    phases: tuple[Span, ...]
    clients: tuple[ClientView, ...]
    deadline_s: float | None

    @property
    def start(self) -> float:
        return self.phases[0].start

    @property
    def end(self) -> float:
        return self.phases[-1].end

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that any client had to do with, in the provider's order; none where they are no subject."""
        seen = {one.name: None for view in self.clients for one in view.regions}
        used = {
            one.name
            for view in self.clients
            for one in view.regions
            if one.counts.requests or one.counts.unsent or one.counts.calls
        }
        return tuple(name for name in seen if name in used)

    @property
    def fault_end(self) -> float | None:
        """End of the last faulty phase that another phase follows; None if there is none."""
        ends = [phase.end for phase in self.phases[:-1] if phase.faulty]
        return ends[-1] if ends else None
