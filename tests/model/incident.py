"""Plays an incident against one client policy and measures it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.model.clients import Application, Call, Policy
from tests.model.des import Simulation
from tests.model.providers import Brownout, ModelProvider, Provider
from windtunnel.mock_server.chance import uniform

WARMUP = 5.0
PHASES = ("healthy", "brownout", "after")
WINDOW, STEADY, GRID = 5.0, 10.0, 0.1


@dataclass(frozen=True)
class Played:
    """What happened: the calls of the phases, and every request as (call, attempt, sent at)."""

    storm: Brownout
    calls: Sequence[Call]
    served: Sequence[tuple[str, int, float]]

    def good(self, call: Call) -> bool:
        """Answered within the deadline of its intended time."""
        return call.ok and call.ended <= call.intended + self.storm.deadline

    def cohort(self, start: float, end: float) -> list[Call]:
        """The calls intended in [start, end)."""
        return [call for call in self.calls if start <= call.intended < end]

    def goodput(self, phase: str) -> float:
        """Share of the phase's calls that were good."""
        return self._goodput(self._phase(phase))

    def amplification(self, phase: str | None = None) -> float:
        """Attempts per call, of all calls or of a phase's."""
        calls = self.calls if phase is None else self._phase(phase)
        return sum(call.attempts for call in calls) / len(calls)

    @property
    def time_to_recover(self) -> float:
        """Seconds after the brownout's end from which every 5 s window, for 10 s, is as good as 95 % of before."""
        fault_end, enough = self.storm.starts[2], 0.95 * self.goodput("healthy")
        steps = round((self.storm.end - WINDOW - fault_end) / GRID)
        good = [self._goodput(self._window(fault_end + i * GRID)) >= enough for i in range(steps + 1)]
        wanted = round(STEADY / GRID)
        for i in range(len(good) - wanted):
            if all(good[i : i + wanted + 1]):
                return i * GRID
        return math.inf

    def _window(self, start: float) -> list[Call]:
        width = WINDOW
        while len(calls := self.cohort(start, start + width)) < 20:
            width += 1.0
        return calls

    def _phase(self, phase: str) -> list[Call]:
        i = PHASES.index(phase)
        return self.cohort(self.storm.starts[i], self.storm.starts[i] + self.storm.lengths[i])

    def _goodput(self, calls: Iterable[Call]) -> float:
        judged = [self.good(call) for call in calls]
        return sum(judged) / len(judged)


def arrivals(storm: Brownout, tail: float) -> list[tuple[str, float]]:
    """A Poisson process from the warm-up to the end of the tail: (call id, time)."""
    times: list[tuple[str, float]] = []
    now, i = -WARMUP, 0
    while True:
        now -= math.log(1.0 - uniform(storm.seed, "arrival", i)) / storm.rate
        if now >= storm.end + tail:
            return times
        letter = "w" if now < 0 else "c" if now < storm.end else "t"
        times.append((f"{letter}{i}", now))
        i += 1


def play(
    storm: Brownout,
    policy: Policy,
    provider_of: Callable[[Simulation, Brownout], Provider] = ModelProvider,
) -> Played:
    """The whole incident with its warm-up and tail; what still runs then is cut off."""
    sim = Simulation(-WARMUP)
    provider = provider_of(sim, storm)
    application = Application(sim, provider, policy, storm.seed)
    tail = max(storm.deadline, 10.0)
    for call_id, time in arrivals(storm, tail):
        sim.at(time, partial(application.call, call_id))
    sim.run(storm.end + tail)
    calls = [call for call in application.calls if 0.0 <= call.intended < storm.end]
    return Played(storm, calls, provider.served)
