"""A run that was broken off, played to its end: which of its cells are missing, and whether it is still the same run.

    plan.json, cells/*/status.json ─► missing() ─► only these are played, into the same directory

One process at a time plays a run directory: it holds a lock on the directory itself, which ends with the process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.files import read_json
from windtunnel.harness.environments.interpreter import ask
from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError
from windtunnel.harness.plan import CellPlan, RunPlan
from windtunnel.harness.run.from_plan import read_plan

OF_ONE_PLAN = {"run_id", "created", "by_name", "versions", "clock_reason", "clock_asked", "behaviour"}
"""What two plans of the same run may differ in: when it was planned, and how it was asked for."""
OF_THE_MACHINE = ("system", "cores")
"""Versions that do not matter to a virtual run."""
MOST_SAID = 5
ABSENT = "nothing"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run directory to oneself. Raises `InputError` if another process plays into it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found, expected = "a run that is still being played", "one that has ended"
            raise InputError(folder, path="--resume", found=found, expected=expected) from None
        yield
    finally:
        os.close(descriptor)


def plan_to_resume(folder: Path) -> RunPlan:
    """The plan of the run in `folder`. Raises `InputError` if it is none, or was played with other versions."""
    if not (folder / "plan.json").is_file():
        found = "no such directory" if not folder.is_dir() else "a directory without plan.json"
        expected = "a run directory, as `windtunnel run` makes it"
        raise InputError(folder, path="--resume", found=found, expected=expected)
    plan = read_plan(folder / "plan.json")
    left_out = OF_THE_MACHINE if plan.clock == "virtual" else ()
    changed = [*_differences({"behaviour": plan.behaviour}, {"behaviour": BEHAVIOUR})]
    changed += _differences(_without(plan.versions, left_out), _without(versions(), left_out))
    for cell in {cell.client: cell for cell in missing(plan, folder)}.values():
        if cell.profile.python is not None:
            now = ask(cell.profile.python).versions
            changed += _differences(
                _without(cell.versions, left_out), _without(now, left_out), f"{cell.client}: python"
            )
    if changed:
        expected = "the versions that its other cells were played with, or a new run"
        raise InputError(folder, path="--resume", found=_listed(changed), expected=expected)
    return plan


def _without(told: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in told.items() if name not in names}


def missing(plan: RunPlan, folder: Path) -> tuple[CellPlan, ...]:
    """The cells of a run that were not played to their end, in the order of the plan."""
    return tuple(
        cell for cell in plan.cells if read_json(folder / cell.dir / "status.json").get("state") != "finished"
    )


def make_way(cells: Sequence[CellPlan], folder: Path) -> None:
    """Remove what a broken-off play of these cells left."""
    for cell in cells:
        shutil.rmtree(folder / cell.dir, ignore_errors=True)


def refuse_another(plan: RunPlan, asked: RunPlan, folder: Path) -> None:
    """Raise `InputError` if the run that is asked for is not the one in `folder`, whose plan is `plan`."""
    open_clock = plan.clock_asked == asked.clock_asked == "auto" or asked.clock_asked == plan.clock
    then, now = (_comparable(one, open_clock=open_clock) for one in (plan, asked))
    found = _differences(then, now)
    if found:
        expected = "the same run: without SCENARIO and options, --resume goes on with what RUN_DIR says"
        raise InputError(folder, path="--resume", found=_listed(found), expected=expected)


def _comparable(plan: RunPlan, *, open_clock: bool) -> dict[str, Any]:
    """What makes a run the same one, its clients by name; without the clock and what follows from it if that is open,
    since a client may have chosen it."""
    told = plan.model_dump(mode="json", by_alias=True, exclude=OF_ONE_PLAN)
    profiles = {cell["client"]: cell["profile"] for cell in told.pop("cells")}
    if open_clock:
        del told["clock"], told["processes"]
    told["scenario"] = {"name": told.pop("scenario_name"), **told["scenario"]}
    return {"clients": ", ".join(profiles), **told, "profiles": profiles}


def _differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, a line each, outermost first; `one` is the run's, `other` what is there now."""
    if one == other:
        return []
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found = []
        for key in dict.fromkeys((*one, *other)):
            inside = f"{path}.{key}" if path else str(key)
            found += _differences(one.get(key, ABSENT), other.get(key, ABSENT), inside)
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for n, (a, b) in pairs for line in _differences(a, b, f"{path}[{n}]")]
    return [f"{path}: {_short(other)} instead of {_short(one)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - MOST_SAID
    return "; ".join(lines[:MOST_SAID]) + (f"; and {more} more differences" if more > 0 else "")
