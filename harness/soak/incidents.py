"""A soak of days with random, seeded incidents: a daily curve of load, and now and then a fault of the gallery.

days ──► slots of the day ("00h" to "23h"), the same every day, so that like is compared with like
     └─► incidents at Poisson times, of exponential length, cut out of the slots
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from windtunnel.harness.contract.files import CYCLE_MARK, PART_MARK
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.load import OFFICE
from windtunnel.harness.inputs.scenario import Scenario, ScenarioPhase
from windtunnel.harness.soak.cycles import COMMAND, LEAST_CYCLES, Cycled, as_time, cycled
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.plan.plan import MOST_PHASES

DAY_S: Final = 86_400.0
SLOTS: Final = 24
A_DAY: Final = 4.0
"""Incidents a day, on average: often enough for each kind to come, rare enough to see what one leaves behind."""
LENGTH: Final = 1 / 96
"""The mean length of an incident as a share of the day: a quarter of an hour."""
SHORTEST: Final = 1 / 480
LONGEST: Final = 1 / 12
"""Three minutes and two hours of a day: no incident is shorter or longer."""

OF_ANY_LOAD: Final = ("server_errors", "edge_530")
OF_STREAMS: Final = ("malformed_json", "stalled_streams")
"""Scenarios of the gallery whose faulty phases are incidents here, where they are rules alone: a change of the provider
is of their own provider."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong from `start_s` to `end_s`, in seconds from the start: a faulty phase of `kind`."""

    kind: ScenarioPhase
    start_s: float
    end_s: float


def again_and_again(name: str, for_s: float, cycle_s: float | None, incidents: int | None) -> Cycled:
    """The scenario of a soak: its phases in cycles, or with a seed of `incidents` days with random ones.

    Raises InputError if the parts do not go together.
    """
    if incidents is None:
        return cycled(name, for_s, cycle_s)
    return with_incidents(name, for_s, incidents, DAY_S if cycle_s is None else cycle_s)


def with_incidents(name: str, for_s: float, seed: int, day_s: float = DAY_S) -> Cycled:
    """The scenario `name` for `for_s` seconds in whole days of `day_s`, its load a working day's, its phases incidents.

    `load.rate` is that of the busiest hour. Incidents are the scenario's faulty phases and those of the gallery; which
    comes when depends on `seed` alone. Raises InputError if fewer than 4 days fit, or the days make too many phases.
    """
    plain = load_scenario(name)
    plain.require_no_vary("a soak is one cell of each client")
    plain.require_one_rate("the soak gives it the curve of a day")
    days = math.floor(for_s / day_s + 1e-9)
    if days < LEAST_CYCLES:
        raise InputError(
            COMMAND,
            path="--for",
            found=f"{as_time(for_s)}, while a day lasts {as_time(day_s)}",
            expected=f"at least {LEAST_CYCLES} days: {as_time(LEAST_CYCLES * day_s)}, or shorter days with --cycle",
        )
    found = draw(kinds_of(plain), days * day_s, day_s, seed)
    phases = [phase for day in range(days) for phase in _day(day, day_s, found)]
    if len(phases) > MOST_PHASES:
        raise InputError(
            COMMAND,
            path="--for",
            found=f"{days} days, which make {len(phases)} phases",
            expected=f"fewer days: a plan has at most {MOST_PHASES} phases",
        )
    daily = {"curve": list(OFFICE), "day": f"{day_s}s"}
    arrivals = {"spacing": plain.load.arrivals.spacing, "daily": daily}
    load = type(plain.load).model_validate(
        {**plain.load.model_dump(mode="json", by_alias=True), "arrivals": arrivals}
    )
    changed = {"phases": phases, "expect": [], "clock": "virtual", "load": load}
    return Cycled(plain.model_copy(update=changed), days, day_s, 1.0, incidents=len(found))


def kinds_of(scenario: Scenario) -> list[ScenarioPhase]:
    """What may go wrong: the scenario's own faulty phases, then those of the gallery that its load can meet."""
    own = [phase for phase in scenario.phases if phase.is_faulty]
    names = (
        (*OF_ANY_LOAD, *OF_STREAMS) if scenario.load.stream and scenario.load.api == "chat" else OF_ANY_LOAD
    )
    gallery = (phase for name in names for phase in load_scenario(name, time_scale=1.0).phases)
    taken = {phase.name for phase in own}
    return [
        *own,
        *(phase for phase in gallery if phase.rules and not phase.provider and phase.name not in taken),
    ]


def draw(kinds: Sequence[ScenarioPhase], for_s: float, day_s: float, seed: int) -> list[Incident]:
    """The incidents of `for_s` seconds, in order and never two at once: Poisson times, exponential lengths.

    One that would begin while another is on does not come. Each draw is a hash of `seed` and its number.
    """
    found: list[Incident] = []
    at_s, number = 0.0, 0
    while True:
        at_s += -math.log(1.0 - uniform(seed, "incident", number, "gap")) * day_s / A_DAY
        length = -math.log(1.0 - uniform(seed, "incident", number, "length")) * LENGTH * day_s
        end_s = at_s + min(max(length, SHORTEST * day_s), LONGEST * day_s)
        if end_s >= for_s:
            return found
        if not found or at_s > found[-1].end_s:
            kind = kinds[int(uniform(seed, "incident", number, "kind") * len(kinds))]
            found.append(Incident(kind, at_s, end_s))
        number += 1


def _day(day: int, day_s: float, incidents: Sequence[Incident]) -> Iterator[ScenarioPhase]:
    """The phases of a day: its slots, and the incidents, which go on past the ends of slots and of the day."""
    names: dict[str, int] = {}
    for name, kind, start_s, end_s in _parts(day, day_s, incidents):
        names[name] = again = names.get(name, 0) + 1
        part = f"{PART_MARK}{again}" if again > 1 else ""
        called = f"{name}{part}{CYCLE_MARK}{day + 1}"
        length = {"name": called, "for_": end_s - start_s, "faulty": kind is not None}
        yield (kind or _calm()).model_copy(update=length)


def _calm() -> ScenarioPhase:
    return ScenarioPhase.model_validate({"name": "calm", "for": "1s"})


def _parts(
    day: int, day_s: float, incidents: Sequence[Incident]
) -> Iterator[tuple[str, ScenarioPhase | None, float, float]]:
    """(name, kind of incident, start, end) of each part of a day, without gaps."""
    first, last = day * day_s, (day + 1) * day_s
    edges = [(f"{slot:02d}h", first + slot * day_s / SLOTS) for slot in range(SLOTS)]
    within = [one for one in incidents if one.end_s > first and one.start_s < last]
    for (name, start_s), end_s in zip(edges, [*(start for _, start in edges[1:]), last], strict=True):
        at_s = start_s
        for one in within:
            begin, end = max(one.start_s, at_s), min(one.end_s, end_s)
            if begin >= end:
                continue
            if begin > at_s:
                yield name, None, at_s, begin
            yield one.kind.name, one.kind, begin, end
            at_s = end
        if at_s < end_s:
            yield name, None, at_s, end_s
