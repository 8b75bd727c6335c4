"""Two clients on the same incidents: what `windtunnel ab` plays.

--a, --b ─► two profiles, which differ in name ─► a run of each scenario: seeds on the virtual clock, else repeats
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from windtunnel.harness.environments.interpreter import InterpreterError, ask, find
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.load import ClockChoice
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.run.run import RunOptions, plan_for

COMMAND: Final = "windtunnel ab"
SEEDS: Final = 20
REPEATS: Final = 14
"""In real time. Fewer cannot prove a difference in one of 200 metrics, however large it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbOptions:
    """What `windtunnel ab` was asked for; None leaves the choice to scenario, machine or defaults."""

    scenarios: Sequence[str]
    a: str
    b: str
    seeds: int | None = None
    repeats: int | None = None
    jobs: int | None = None
    seed: int | None = None
    time_scale: float | None = None
    clock: ClockChoice | None = None


def two_profiles(
    a: str, b: str, python_a: str | None = None, python_b: str | None = None
) -> tuple[Profile, Profile]:
    """Both clients. Where they share a name they get `-a` and `-b` behind it, as cells are named after clients.

    `python_a` and `python_b` are the interpreters that play them, in place of the profiles' own: a path, or the name of
    an environment. Raises `InputError`, with the cure, for one that cannot play.
    """
    one = load_profile(a, python=_interpreter(python_a, "--python-a"))
    other = load_profile(b, python=_interpreter(python_b, "--python-b"))
    if one.name != other.name:
        return one, other
    return (
        one.model_copy(update={"name": f"{one.name}-a"}),
        other.model_copy(update={"name": f"{other.name}-b"}),
    )


def _interpreter(word: str | None, option: str) -> str | None:
    if word is None:
        return None
    try:
        path = find(word, Path())
        ask(path)
    except InterpreterError as error:
        raise error.told(COMMAND, option) from error
    return path


def runs_of(options: AbOptions, profiles: tuple[Profile, Profile]) -> dict[str, RunOptions]:
    """The run of each scenario, by the scenario's name. Raises `InputError` for a mistake in any of them.

    Code of a user's own is played twice, every seed: where it is not the same again, nothing can be claimed of it.
    """
    _check_counts(options)
    plays = [_run(options, scenario, profiles) for scenario in options.scenarios]
    plans = [plan_for(play) for play in plays]
    for plan in plans:
        if plan.cells[0].varied:
            expected = "a scenario without vary: two clients are compared as they are"
            raise InputError(f"scenario {plan.scenario_name}", path="vary", found="cells", expected=expected)
    names = [plan.scenario_name for plan in plans]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        expected = "scenarios that differ in name: each is played into a folder of that name"
        raise InputError(COMMAND, path="SCENARIO", found=f"'{twice[0]}' twice", expected=expected)
    return dict(zip(names, plays, strict=True))


def into(run: RunOptions, folder: Path) -> RunOptions:
    """The same run, into a folder."""
    return replace(run, out=folder)


def _run(options: AbOptions, scenario: str, profiles: tuple[Profile, Profile]) -> RunOptions:
    common = RunOptions(
        scenario,
        jobs=options.jobs,
        seed=options.seed,
        time_scale=options.time_scale,
        clock=options.clock,
        profiles=profiles,
    )
    real = replace(common, repeats=options.repeats or REPEATS)
    if options.clock == "real":
        return real
    virtual = replace(common, seeds=options.seeds or options.repeats or SEEDS, verify="own")
    if options.clock == "virtual":
        return virtual
    if options.seeds is None and plan_for(common).clock == "real":  # the scenario's own choice
        return real
    # Where seeds are asked for it is the virtual clock or none.
    repeats = options.repeats or REPEATS
    return virtual if options.seeds is not None else replace(virtual, repeats_in_real=repeats)


def _check_counts(options: AbOptions) -> None:
    if options.jobs is not None and options.jobs < 1:
        expected = "a whole number of at least 1"
        raise InputError(COMMAND, path="--jobs", found=str(options.jobs), expected=expected)
    for clock, path, value, other in (
        ("real", "--seeds", options.seeds, "--repeat: in real time a few repeats are played, not many seeds"),
        (
            "virtual",
            "--repeat",
            options.repeats,
            "--seeds: on the virtual clock every seed is an incident of its own",
        ),
    ):
        if value is not None and value < 1:
            raise InputError(COMMAND, path=path, found=str(value), expected="a whole number of at least 1")
        if value is not None and options.clock == clock:
            raise InputError(COMMAND, path=path, found=f"--clock {clock}", expected=other)
