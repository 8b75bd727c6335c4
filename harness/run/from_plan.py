"""A run again, from the plan.json that it left: scenario, clients, seeds and clock as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from windtunnel.harness.contract.cells import base_of
from windtunnel.harness.contract.files import PLAN_VERSION
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import RunPlan

SUFFIX = ".json"


def is_plan(name: str) -> bool:
    """Whether what was asked to be played is the plan of a run, rather than a scenario."""
    return name.endswith(SUFFIX)


def read_plan(path: Path) -> RunPlan:
    """Read the plan of a run. Raises InputError if it is none, or one of another version."""
    plan = RunPlan.read_json(path)
    if plan.plan_version != PLAN_VERSION:
        raise InputError(
            path,
            path="plan_version",
            found=str(plan.plan_version),
            expected=f"{PLAN_VERSION}, which is known here",
        )
    return plan


def scenario_of(plan: RunPlan, path: Path, time_scale: float | None) -> Scenario:
    """The scenario of a plan, whose lengths are scaled already; `time_scale` is of the file that it was made from."""
    try:
        scenario = Scenario.model_validate(plan.scenario)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["scenario", *map(str, first["loc"])])
        raise InputError(
            path, path=where, found=first["msg"], expected="a scenario of this version"
        ) from error
    return scenario.scaled_already(plan.time_scale).played(
        1.0 if time_scale is None else time_scale / plan.time_scale
    )


def profiles_of(plan: RunPlan, names: Sequence[str] | None) -> list[Profile]:
    """The clients of a plan as they were, or those of the given names; others are found as always.

    Of a client that varied it is one of its cells: what varies is laid over every cell anew.
    """
    known = {cell.profile.name: cell.profile for cell in plan.cells}
    if not names:
        return list(known.values())
    return [known[name] if name in known else load_profile(name) for name in clients_of(names)]


def clients_of(names: Sequence[str]) -> list[str]:
    """The clients that are named, each once; the name of a cell that varies is one of its client."""
    return list(dict.fromkeys(map(base_of, names)))
