"""The repeats of a run: how many there are, and the seed of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.load import ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.mock_server.chance import derive


class Repeat(NamedTuple):
    """One repeat: its number from 0, and its seed. `run_seed`: the run that has it as its first one, if one has."""

    number: int
    run_seed: int | None
    seed: int


def repeats_of(seed: int, count: int, *, apart: bool) -> list[Repeat]:
    """The repeats of a run with `seed`.

    `apart`: each repeat is the first of a run of its own, whose seed is one more than the last one's.
    """
    if apart:
        return [Repeat(n, seed + n, derive(seed + n, "repeat", 0)) for n in range(count)]
    return [Repeat(n, None if n else seed, derive(seed, "repeat", n)) for n in range(count)]


def refuse_seeds(
    scenario: Scenario, profiles: Sequence[Profile], seeds: int, repeats: int, clock: ClockName
) -> None:
    """Raise InputError if a run cannot have these seeds in sequence, so many repeats as well, or this clock."""
    if seeds < 1:
        raise InputError("the run", path="--seeds", found=str(seeds), expected="a whole number of at least 1")
    if repeats != 1:
        found, expected = f"--repeat {repeats} as well", "one of them: every seed is a repeat of its own"
        raise InputError("the run", path="--seeds", found=found, expected=expected)
    if clock != "virtual":
        length = scenario.warmup + sum(phase.for_ for phase in scenario.phases)
        hours = seeds * len(profiles) * length / 3600
        expected = (
            f"--clock virtual: in real time {seeds} seeds of {len(profiles)} client(s) are {hours:.1f} h of load "
            "(--repeat plays a few)"
        )
        raise InputError("the run", path="--seeds", found=f"--clock {clock}", expected=expected)
