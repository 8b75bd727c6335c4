"""A scenario: an incident at the provider, the load that meets it, and what is expected of a client.

Reading one collects every mistake: those of its own fields, those of the provider's plan (a rule that can
never act, say), and those between its parts (an expectation about a phase that does not exist).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, PrivateAttr, StringConstraints, ValidationError, field_validator

from windtunnel.harness.contract.cells import base_of, is_cell
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.errors import InputError, nearest
from windtunnel.harness.inputs.consistency import (
    WHAT_IS_SENT,
    absence_errors,
    expectation_errors,
    grid_errors,
    reach_errors,
)
from windtunnel.harness.inputs.gateway import known_as, wrong_path
from windtunnel.harness.inputs.load import SHAPES, ClockChoice, Load
from windtunnel.harness.inputs.time_scale import TimeScale, scale_lengths
from windtunnel.harness.inputs.timestamps import read_timestamps
from windtunnel.harness.inputs.traces.read import filled_in, read_trace
from windtunnel.harness.inputs.traces.scaling import in_time
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.inputs.validation import InputPart, collect, complaint
from windtunnel.harness.inputs.vary import GridSettings, Vary, points_of, scenario_at
from windtunnel.harness.inputs.yaml_source import Loc, YamlSource, fail, read_yaml
from windtunnel.mock_server.plan import plan as server
from windtunnel.mock_server.plan.units import Seconds

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PLAN_KEYS = ("name", "seed", "provider", "rules", "phases")

STAND_INS = {
    "name": "name-{}",
    "about": "about",
    "load": {"rate": "1/s", "deadline": "1s"},
    "rate": "1/s",
    "deadline": "1s",
    "from": "1/s",
    "to": "1/s",
    "for": "1s",
    "phases": {"name": "name", "for": "1s"},
    "fault": "server_error",
    "rules": {"fault": "server_error"},
    "clients": "client",
    "expect": "goodput >= 0",
}
"""What stands in for a wrong or missing part while the rest of a file is looked through."""

FindClient = Callable[[str], str]
"""From a client's name or file to what it is called from anywhere; raises InputError if there is none."""


HOST_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"
HostTable: TypeAlias = Annotated[
    dict[Annotated[str, StringConstraints(pattern=HOST_NAME, max_length=253)], str], Field(max_length=1000)
]
"""Hosts to regions. RFC 1035, 2.3.4: a name has at most 255 octets, two of which one does not write."""


class ScenarioPhase(server.Phase):
    """A phase of the provider's plan, and whether metrics take it for the incident."""

    faulty: bool | None = Field(
        default=None,
        description="Whether recovery counts from its end; null: if it has rules, or changes the provider or a host.",
    )

    hosts: HostTable = Field(
        default={},
        description="Which of the scenario's `hosts` lead to other regions while it lasts: DNS that moves.",
    )

    @property
    def is_faulty(self) -> bool:
        """Whether this phase is (part of) the incident."""
        return bool(self.rules or self.provider or self.hosts) if self.faulty is None else self.faulty


class Prices(InputPart):
    """What tokens cost."""

    input_per_million: float = Field(
        ge=0,
        le=1_000_000_000,
        description="US dollars for a million prompt tokens."
        " At most 1,000,000,000: more than all tokens ever cost.",
    )
    output_per_million: float = Field(
        ge=0,
        le=1_000_000_000,
        description="US dollars for a million answer tokens."
        " At most 1,000,000,000: more than all tokens ever cost.",
    )


class Scenario(InputPart):
    """Everything that a run needs, except the clients' own profiles."""

    name: str = Field(pattern=NAME, description="Letters, digits, dots, dashes and underscores.")
    about: str = Field(min_length=1, description="What happens, and what question it answers, in a sentence.")
    seed: int = Field(
        default=0,
        ge=0,
        le=2**63 - 1,
        description="Where every draw comes from; --seed replaces it."
        " At most 9,223,372,036,854,775,807: it is kept in 64 bits.",
    )
    provider: server.Provider = Field(
        default_factory=server.Provider, description="The provider: regions, capacity, answers, limits."
    )
    rules: list[server.Rule] = Field(default_factory=list, description="Faults that are always on.")
    load: Load = Field(description="What is called, and how often.")
    phases: list[ScenarioPhase] = Field(
        min_length=1, description="What changes, and when. Metrics are kept for each."
    )
    clients: list[str] = Field(
        min_length=1, description="Profiles: names of the gallery, or files beside this one."
    )
    path: tuple[str, ...] | None = Field(
        default=None,
        description="What stands between client and provider: [client, GATEWAY, provider]. The gateway is litellm, "
        "portkey, the NAME of a file gateways/NAME.yaml, or a file. null: nothing. --path replaces it.",
    )
    expect: list[Expectation] = Field(
        default_factory=list, description="`metric[@phase] <op> limit`, or {expect: …, clients: […]}."
    )
    vary: Vary = Field(
        default_factory=dict,
        description="Settings with a list of values each, such as {region: [us-east, eu-central], pool: [5, 10]}: "
        "every combination is a cell of its own, for every client. region: the region called; pool: connections held "
        "and kept; http; or a key with dots of the profile (timeouts.read), of provider or load. At most 500 cells.",
    )
    grid: GridSettings | None = Field(
        default=None, description="How the cells of `vary` are shown; null: by the first two settings."
    )
    warmup: Seconds = Field(default=5.0, description="Load before t0, which no metric sees.")
    objective: float = Field(
        default=0.99, gt=0, lt=1, description="The share of good calls that was promised to users."
    )
    hosts: HostTable = Field(
        default={},
        description="Names of hosts to regions, such as {us.api.openai.com: us-east}: what a client of its own dials. "
        "Other hosts are refused. none: names are not looked at.",
    )
    prices: Prices | None = Field(default=None, description="For the metrics of cost; null: they are absent.")
    time_scale: TimeScale = Field(
        default=1.0,
        le=1_000_000,
        description="How long a second of the lengths in this file takes when it is played, in seconds, such as 1/60; "
        "--time-scale replaces it."
        " At most 1,000,000: a second then takes eleven days.",
    )
    clock: ClockChoice = Field(
        default="auto",
        description="virtual: one process whose time jumps; real: sockets and processes; auto: virtual if all clients "
        "can play there, else real. --clock replaces it.",
    )
    _played_at: float = PrivateAttr(default=1.0)

    @field_validator("path")
    @classmethod
    def _from_client_to_provider(cls, path: tuple[str, ...] | None) -> tuple[str, ...] | None:
        wrong = None if path is None else wrong_path(path)
        if wrong is not None:
            raise complaint("", *wrong)
        return path

    @property
    def length_s(self) -> float:
        """Seconds from t0 to the end of the last phase."""
        return sum(phase.for_ for phase in self.phases)

    @property
    def played_at(self) -> float:
        """The time scale of the lengths as they are now: 1 until `played` has scaled them."""
        return self._played_at

    def scaled_already(self, time_scale: float) -> Self:
        """This scenario, whose lengths somebody has scaled by `time_scale`."""
        self._played_at = time_scale
        return self

    def played(self, time_scale: float | None = None) -> Self:
        """This scenario in the time in which it is played: its lengths scaled by `time_scale`, or by its own.

        What comes out has the time scale 1, so that nothing is scaled twice. Raises InputError for a scale that makes a
        length what no scenario may have.
        """
        scale = self.time_scale if time_scale is None else time_scale
        data = self.model_dump(mode="json", by_alias=True)
        scale_lengths(data, scale)
        try:
            scaled = type(self).model_validate({**data, "time_scale": 1})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            expected = f"one with which {where} can be played: {first['msg']}"
            raise InputError(
                f"scenario {self.name}", path="time_scale", found=f"{scale:g}", expected=expected
            ) from None
        scaled._played_at = self.played_at * scale
        return scaled

    def require_no_vary(self, why: str) -> None:
        """Raise InputError, with the reason `why`, where the scenario is played as cells that vary."""
        if self.vary:
            expected = f"a scenario without vary, or `windtunnel run`: {why}"
            raise InputError(
                f"scenario {self.name}", path="vary", found=" × ".join(self.vary), expected=expected
            )

    def require_one_rate(self, why: str) -> None:
        """Raise InputError, with the reason `why`, where the load has a course of its own: a trace or a curve."""
        shaped = [name for name in SHAPES if getattr(self.load.arrivals, name) is not None]
        if self.load.trace is None and not shaped:
            return
        raise InputError(
            f"scenario {self.name}",
            path="load.trace" if self.load.trace is not None else f"load.arrivals.{shaped[0]}",
            found="a load with a course of its own",
            expected=f"load.rate with poisson or constant arrivals: {why}",
        )

    def with_trace(self, trace: TrafficTrace, base: Path) -> Self:
        """This scenario with the traffic of a trace, in the time in which it is played; `base` is where its file is.

        Raises InputError for what is wrong with the file.
        """
        calls, facts = read_trace(trace, base)
        calls = in_time(calls, self.played_at, base / trace.file)
        data = self.model_dump(mode="json", by_alias=True)
        load = {**data["load"], "rate": None, "arrivals": {"spacing": "poisson"}}
        load = filled_in(load, trace.model_dump(mode="json"), calls, facts)
        changed = type(self).model_validate({**data, "load": load})
        return changed.scaled_already(self.played_at)

    @property
    def region(self) -> str:
        """The region that the load calls."""
        return self.load.region or self.provider.default_region

    def plan(self, *, seed: int | None = None) -> server.Plan:
        """The provider's side of it, as the mock server takes it."""
        data = self.model_dump(mode="json", by_alias=True, include=set(PLAN_KEYS))
        return server.Plan.model_validate({**_plan_data(data), "seed": self.seed if seed is None else seed})


def read_scenario(path: Path, find_client: FindClient) -> Scenario:
    """The scenario in a YAML file. Raises InputError, or CollectedInputError with every mistake in it."""
    return check_scenario(read_yaml(path), find_client)


def check_scenario(source: YamlSource, find_client: FindClient) -> Scenario:
    """The scenario in a YAML mapping, checked throughout. Raises InputError or CollectedInputError."""
    data, errors = _prepared(source, find_client)
    scenario = collect(source, Scenario, data, STAND_INS)
    plan = collect(source, server.Plan, _plan_data(scenario.data), STAND_INS)
    errors = [*source.duplicates, *errors, *scenario.errors, *plan.errors, *expectation_errors(source)]
    if scenario.value is not None and not scenario.touched & WHAT_IS_SENT:
        errors += reach_errors(source, scenario.value)
    if not errors and scenario.value is not None:
        errors += absence_errors(source, scenario.value)
        errors += _vary_errors(source, scenario.value)
    fail(_first_of_each(errors))
    assert scenario.value is not None  # otherwise there was an error
    return scenario.value


def _vary_errors(source: YamlSource, scenario: Scenario) -> list[InputError]:
    """Combinations that the scenario cannot be at, and a grid of what is not varied."""
    errors = grid_errors(source, scenario)
    cells = [point.name(base_of(name)) for name in scenario.clients for point in points_of(scenario.vary)]
    for index, one in enumerate(scenario.expect if scenario.vary else ()):
        for number, name in enumerate(one.clients or ()):
            if is_cell(name) and base_of(name) in scenario.clients and name not in cells:
                loc: Loc = ("expect", index, "clients", number)
                hint = nearest(name, cells)
                errors.append(
                    source.error(loc, found=f"'{name}'", expected="a cell of this scenario", hint=hint)
                )
    for point in points_of(scenario.vary) if scenario.vary else ():
        try:
            scenario_at(scenario, point)
        except InputError as error:
            loc = ("vary", error.path.removeprefix("vary."))
            errors.append(source.error(loc, found=error.found, expected=error.expected, hint=error.hint))
    return errors


def _plan_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a scenario's data that is the mock server's plan."""
    part = {key: data[key] for key in PLAN_KEYS if key in data}
    if isinstance(part.get("phases"), list):
        part["phases"] = [_as_the_mock_knows_it(phase) for phase in part["phases"]]
    return part


def _as_the_mock_knows_it(phase: object) -> object:
    return (
        {k: v for k, v in phase.items() if k not in ("faulty", "hosts")}
        if isinstance(phase, Mapping)
        else phase
    )


def _first_of_each(errors: list[InputError]) -> list[InputError]:
    """One error for each place: the same mistake may be met as part of the scenario and of the plan."""
    return list({(error.where, error.line, error.path): error for error in reversed(errors)}.values())[::-1]


def _prepared(source: YamlSource, find_client: FindClient) -> tuple[dict[str, Any], list[InputError]]:
    """The file's data with what stands in other files: clients found, timestamps of a replay read."""
    data = dict(source.data)
    errors: list[InputError] = []
    if isinstance(data.get("clients"), list):
        data["clients"], errors = _found_clients(source, data["clients"], find_client)
    path = data.get("path")
    if isinstance(path, list) and len(path) == 3 and isinstance(path[1], str):
        try:
            found = known_as(path[1], source.base)
        except InputError as error:
            errors.append(
                source.error(("path", 1), found=error.found, expected=error.expected, hint=error.hint)
            )
        else:
            data["path"] = [path[0], found, path[2]]
    load = data.get("load")
    arrivals = load.get("arrivals") if isinstance(load, dict) else None
    if isinstance(load, dict) and isinstance(arrivals, dict) and isinstance(arrivals.get("replay"), str):
        try:
            times = read_timestamps(source.base / arrivals["replay"])
        except InputError as error:
            errors.append(source.error(("load", "arrivals", "replay"), hint=str(error)))
        else:
            data["load"] = {**load, "arrivals": {**arrivals, "times_s": times}}
    if isinstance(load, dict) and isinstance(load.get("trace"), dict):
        try:
            trace = TrafficTrace.model_validate(load["trace"])
            data["load"] = filled_in(load, load["trace"], *read_trace(trace, source.base))
        except InputError as error:
            errors.append(source.error(("load", "trace"), hint=str(error)))
        except ValidationError:
            pass  # its own mistakes are among the scenario's
    return data, errors


def _found_clients(
    source: YamlSource, clients: list[Any], find_client: FindClient
) -> tuple[list[Any], list[InputError]]:
    found, errors = list(clients), []
    for index, client in enumerate(clients):
        loc: Loc = ("clients", index)
        if not isinstance(client, str):
            continue
        if client in clients[:index]:
            errors.append(source.error(loc, found=f"'{client}' again", expected="it once"))
        try:
            found[index] = find_client(client)
        except InputError as error:
            errors.append(source.error(loc, found=error.found, expected=error.expected, hint=error.hint))
    return found, errors
