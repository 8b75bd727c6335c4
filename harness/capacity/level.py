"""One level: the scenario's provider and load at one rate, in a phase to settle and ten batches to judge by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from windtunnel.harness.contract.capacity import BATCH, INCIDENT, RECOVERY, SETTLE, LevelIncident
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.traces.scaling import at_mean_rate
from windtunnel.harness.inputs.traces.settings import TracedCalls, TrafficTrace

BATCHES = 10
LEAST_BATCH_S = 10.0
SCOUT_WITHIN = 0.2
"""A short play settles for a rate that is so far beyond capacity, by this share."""
SCOUT_BATCHES = 5
SCOUT_BATCH_S = 4.0
SETTLED_BURST_MIN = 0.05
"""What is left in a bucket when the batches begin, in minutes' worth: three seconds of the quota."""
MOST_SETTLE_S = 600.0
CALLS = {"p95": 40, "p99": 200, "p999": 2000}
"""Calls that a batch has at least, by the percentile that is asked for; for any other metric as for p95."""
FROM_DUE = ("latency_", "ttft_", "wait_")
"""How metrics begin whose time counts from when a call was due, so that a queue of any kind is in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How long a level settles, and how long each of its batches is."""

    settle_s: float
    batch_s: float
    batches: int = BATCHES

    @property
    def starts_s(self) -> tuple[float, ...]:
        """When each batch begins."""
        return tuple(self.settle_s + number * self.batch_s for number in range(self.batches))

    def length_s(self, incident: LevelIncident | None) -> float:
        """How long all of a level is, with the incident that it goes through."""
        through_s = 0.0 if incident is None else incident.for_s + incident.recovery_s
        return self.settle_s + through_s + self.batches * self.batch_s


def layout(
    scenario: Scenario, slo: Sequence[Expectation], rate: float, within: float, *, short: bool = False
) -> Layout:
    """How long a level must be.

    A rate that is beyond capacity by a share of `within` makes a queue whose wait grows by that share of the time:
    a level settles until it would have grown to the smallest wait in the SLO, as that term then fails. The bucket of
    a quota has three seconds' worth, which go the same way. A `short` play looks for what is further off, and has
    fewer and shorter batches.
    """
    waits = [float(term.limit) for term in slo if term.metric.startswith(FROM_DUE)]
    if not waits or any(term.metric == "goodput" for term in slo):
        waits.append(scenario.load.patience_s)
    wait = min(waits)
    limits = scenario.provider.region(scenario.region).limits
    if limits.rpm is not None or limits.tpm is not None:
        wait = max(wait, 60 * min(SETTLED_BURST_MIN, limits.burst))
    calls = max(CALLS.get(term.metric.removesuffix("_s").rpartition("_")[2], 40) for term in slo)
    within = max(within, SCOUT_WITHIN) if short else within
    least_s, batches = (SCOUT_BATCH_S, SCOUT_BATCHES) if short else (LEAST_BATCH_S, BATCHES)
    return Layout(
        settle_s=float(math.ceil(min(wait / within, MOST_SETTLE_S))),
        batch_s=float(math.ceil(max(least_s, (calls / 2 if short else calls) / rate))),
        batches=batches,
    )


def at_rate(
    scenario: Scenario, rate: float, lengths: Layout, incident: LevelIncident | None = None, part: int = 0
) -> Scenario:
    """The scenario as a level: its own phases, and what it expects, are left out; its rules stay.

    Traced calls keep their course and their sizes, at another pace, and begin elsewhere in each `part`. An `incident`
    is the one phase of it that is kept: between settling and the batches, with time to recover.
    """
    data = scenario.model_dump(mode="json", by_alias=True)
    load = data["load"]
    load["arrivals"] = {"spacing": scenario.load.arrivals.spacing}
    traced = scenario.load.trace, scenario.load.arrivals.times_s
    if traced[0] is None or traced[1] is None:
        load["rate"] = f"{rate:.6g}/s"
    else:
        load |= _traced(load["trace"], traced[0], traced[1], rate, lengths.length_s(incident), part)
    settle = settling(scenario, lengths.settle_s)
    batches = [
        {"name": f"{BATCH}{number}", "for": f"{lengths.batch_s:g}s", "faulty": False}
        for number in range(lengths.batches)
    ]
    played = scenario.played_at
    level = type(scenario).model_validate(
        {
            **data,
            "expect": [],
            "time_scale": 1,
            "phases": [settle, *_incident(data["phases"], incident), *batches],
        }
    )
    return level.scaled_already(played)


def _traced(
    data: dict[str, Any],
    trace: TrafficTrace,
    times_s: tuple[float, ...],
    rate: float,
    length_s: float,
    part: int,
) -> dict[str, Any]:
    """The parts of a load that a trace fills, at another mean rate."""
    calls = at_mean_rate(TracedCalls(times_s, trace.prompts, trace.answers), rate, length_s, part)
    return {
        "arrivals": {"times_s": calls.times_s},
        "trace": {**data, "prompts": calls.prompts, "answers": calls.answers},
    }


def _incident(phases: Sequence[dict[str, Any]], incident: LevelIncident | None) -> list[dict[str, Any]]:
    """The phases of an incident: the scenario's own, at another length, and the one to recover in."""
    if incident is None:
        return []
    phase = next(one for one in phases if one["name"] == incident.phase)
    recovery = {"name": RECOVERY, "for": f"{incident.recovery_s:g}s", "faulty": False}
    return [{**phase, "name": INCIDENT, "for": f"{incident.for_s:g}s"}, recovery]


def settling(scenario: Scenario, settle_s: float) -> dict[str, Any]:
    """The phase in which a level settles, as a scenario has it: with small buckets, where there is a quota."""
    settle: dict[str, Any] = {"name": SETTLE, "for": f"{settle_s:g}s", "faulty": False}
    limits = scenario.provider.region(scenario.region).limits
    if (limits.rpm is not None or limits.tpm is not None) and limits.burst > SETTLED_BURST_MIN:
        settle["provider"] = {"limits": {"burst": SETTLED_BURST_MIN}}
    return settle
