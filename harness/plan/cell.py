"""A cell: one client, one repeat, and all that is needed to play it."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import Field

from windtunnel.harness.arrivals import Arrival, schedule
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.load import ClockName, Load
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.vary import Setting
from windtunnel.harness.plan.plan_file import PlanFile

API_KEY = "sk-windtunnel"
"""The key that every client of a run sends, and that a gateway is told to take."""


class PhaseSpan(NamedTuple):
    """A phase by name, and from when to when it lasts in seconds from t0."""

    name: str
    start: float
    end: float


class CellPlan(PlanFile):
    """One cell: one client, one repeat. Its processes read nothing else."""

    scenario: str = Field(description="The scenario's name.")
    client: str = Field(description="The profile's name; of a cell that varies, with its coordinates.")
    varied: dict[str, Setting] = Field(
        default={}, description="In what this cell differs from others of its client, by setting of `vary`."
    )
    profile: Profile = Field(description="The client configuration, as it is played.")
    repeat: int = Field(ge=0, description="The number of the repeat, from 0.")
    seed: int = Field(ge=0, description="The repeat's seed, shared by all clients.")
    run_seed: int | None = Field(
        default=None,
        description="The run's seed that plays this cell as the first repeat; null: there is none.",
    )
    server_plan: dict[str, Any] = Field(description="The mock server's plan, as JSON.")
    load: Load = Field(description="The load.")
    region: str = Field(description="The region that is called.")
    phases: tuple[PhaseSpan, ...] = Field(description="Names and times of the phases.")
    faulty: tuple[str, ...] = Field(description="The phases that are the incident.")
    warmup_s: float = Field(ge=0, description="Load before t0, in seconds.")
    tail_s: float = Field(ge=0, description="Load after the last phase, in seconds.")
    clock: ClockName = Field(default="real", description="real, or virtual: time that jumps.")
    versions: dict[str, str] = Field(
        default={},
        description="What the profile's own interpreter, or the environment of its program, has; empty: the run's.",
    )
    gateway: Gateway | None = Field(
        default=None, description="The gateway between client and provider; null: there is none."
    )
    hosts: tuple[tuple[float, dict[str, str]], ...] = Field(
        default=(),
        description="Names of hosts to regions, from when on in seconds from t0; empty: there are none.",
    )
    dir: str = Field(description="The cell's directory, from the run directory.")

    @property
    def length_s(self) -> float:
        """Seconds from t0 to the end of the last phase."""
        return self.phases[-1].end

    @property
    def warm_up_plan(self) -> dict[str, Any]:
        """The mock server's plan while clients are warmed up, as JSON: the provider, and no fault of the scenario."""
        return {key: value for key, value in self.server_plan.items() if key not in ("rules", "phases")}

    def schedule(self) -> list[Arrival]:
        """Every call of the cell, in order of its intended time."""
        return schedule(self.load, self.length_s, self.warmup_s, self.tail_s, self.seed)

    def phase_at(self, time_s: float) -> str | None:
        """The name of the phase at `time_s`; None in the warm-up and the tail."""
        return next((phase.name for phase in self.phases if phase.start <= time_s < phase.end), None)
