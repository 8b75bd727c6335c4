"""A run: all its cells, and what is needed to understand them later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.files import PLAN_VERSION
from windtunnel.harness.inputs.load import ClockChoice, ClockName
from windtunnel.harness.plan.cell import CellPlan
from windtunnel.harness.plan.plan_file import PlanFile


class RunPlan(PlanFile):
    """All cells of a run, and what is needed to understand them later."""

    plan_version: int = PLAN_VERSION
    behaviour: int = Field(
        default=BEHAVIOUR, ge=1, description="Which behaviour of windtunnel; raised whenever digests change."
    )
    run_id: str = Field(description="Scenario, seed and time: for people.")
    created: datetime = Field(description="When the plan was made, in UTC.")
    scenario_name: str = Field(description="The scenario's name.")
    scenario: dict[str, Any] = Field(description="The scenario as it was read, defaults filled in.")
    seed: int = Field(ge=0, description="The seed of the whole run.")
    time_scale: float = Field(
        default=1.0,
        gt=0,
        description="How long a second of the scenario's file took, in seconds; it is scaled here.",
    )
    clock: ClockName = Field(default="real", description="real, or virtual: time that jumps.")
    clock_asked: ClockChoice | None = Field(
        default=None, description="What was asked for: auto left the choice; null: not recorded."
    )
    clock_reason: str = Field(default="", description="Why auto chose the real clock; empty if it did not.")
    by_name: bool = Field(
        default=False,
        description="Whether scenario and clients are the gallery's, so that names and options are enough.",
    )
    repeats: int = Field(ge=1, description="How often each client is played.")
    seeds: int | None = Field(
        default=None, description="If given, the repeats are those of so many runs with seeds in sequence."
    )
    processes: int = Field(ge=1, description="Load processes per cell.")
    cells: tuple[CellPlan, ...] = Field(description="The cells, repeat by repeat.")
    versions: dict[str, str] = Field(description="Versions of everything that matters.")
