"""A run, resolved: what each cell (client by repeat) plays, complete enough to be played again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from windtunnel.harness.arrivals import Arrival, schedule, traced_sizes
from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.cells import is_among, is_cell
from windtunnel.harness.contract.files import PLAN_VERSION, write_whole
from windtunnel.harness.environments.interpreter import ask
from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError, nearest
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.load import ClockChoice, ClockName, Load
from windtunnel.harness.inputs.policies import Limiter
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.program import versions_of
from windtunnel.harness.inputs.protocols import refuse_unspoken
from windtunnel.harness.inputs.region_choice import settled
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.secured import refuse_tls, refuse_unrepeatable_tls, unrepeatable_tls
from windtunnel.harness.inputs.vary import Setting, check_count, points_of, profile_at, scenario_at
from windtunnel.mock_server.chance import derive

MIN_TAIL_S = 10.0
API_KEY = "sk-windtunnel"
"""The key that every client of a run sends, and that a gateway is told to take."""


class PhaseSpan(NamedTuple):
    """A phase by name, and from when to when it lasts in seconds from t0."""

    name: str
    start: float
    end: float


class _File(BaseModel):
    """A plan that is written to a JSON file and read back as the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def write_json(self, path: Path) -> None:
        """Write it; the file appears whole or not at all."""
        write_whole(path, self.model_dump_json(indent=1, by_alias=True))

    @classmethod
    def read_json(cls, path: Path) -> Self:
        """Read what `write_json` wrote. Raises InputError if the file is not there or is something else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(path, found="no such file", expected="a plan written by windtunnel") from None
        except (OSError, ValueError) as error:
            found = str(error).split("\n")[0]
            raise InputError(path, found=found, expected="a plan written by windtunnel") from error


class CellPlan(_File):
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


class RunPlan(_File):
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


def resolve(
    scenario: Scenario,
    profiles: Sequence[Profile],
    *,
    repeats: int = 1,
    seed: int | None = None,
    processes: int | None = None,
    clock: ClockChoice | None = None,
    needs_real: str = "",
    seeds: int | None = None,
    by_name: bool = False,
    created: datetime | None = None,
    gateway: Gateway | None = None,
    only: Collection[str] | None = None,
) -> RunPlan:
    """A run of `scenario` against every profile. Raises InputError if the parts do not go together.

    With `seeds`, repeat n is the first (and only) repeat of a run with `seed` + n; without, the seeds of the repeats
    are derived from `seed`. Cells are in the order repeat, client, so that a run that is broken off has compared like
    with like. Where the clock is left open (`auto`) it is the virtual one, unless something `needs_real`
    time (why). A `gateway` does.
    """
    if repeats < 1:
        raise InputError("the run", path="repeats", found=str(repeats), expected="at least 1")
    seed = scenario.seed if seed is None else seed
    if seed < 0:
        raise InputError("the run", path="seed", found=str(seed), expected="a whole number of at least 0")
    if gateway is not None:
        refuse_tls(
            scenario, "behind a gateway, which does not know its authority", instead="no TLS, or no gateway"
        )
    asked = scenario.clock if clock is None else clock
    needs_real = needs_real or _needs_real(processes, profiles, gateway, scenario)
    reason = needs_real if asked == "auto" and seeds is None else ""
    clock = asked if asked != "auto" else "real" if reason else "virtual"
    if seeds is not None:
        _refuse_seeds(scenario, profiles, seeds, repeats, clock)
        repeats = seeds
    if clock == "virtual":
        _refuse_programs(profiles, asked)
        refuse_unrepeatable_tls(scenario)
        if gateway is not None:
            expected = (
                f"--clock real: the gateway {gateway.name} is a program of its own, whose time does not jump"
            )
            found = "seeds, which need the virtual clock," if seeds is not None else "the virtual clock"
            raise InputError("the run", path="clock", found=f"{found} with a gateway", expected=expected)
        if processes is not None and processes > 1:
            expected = "1: on the virtual clock a cell is one process; --jobs plays cells side by side"
            raise InputError("the run", path="processes", found=str(processes), expected=expected)
        processes = 1 if processes is None else processes
    processes = scenario.load.processes if processes is None else processes
    if not 1 <= processes <= scenario.load.instances:
        most = scenario.load.instances
        expected = f"1 to {most}: a load process carries whole instances, and load.instances is {most}"
        raise InputError(
            f"scenario {scenario.name}", path="processes", found=str(processes), expected=expected
        )
    _refuse_twins(profiles)
    variants = _variants(scenario, profiles, repeats, only)
    _refuse_choices(scenario, profiles, gateway)
    refuse_unspoken(scenario, [variant.profile for variant in variants])
    created = datetime.now(UTC) if created is None else created
    return RunPlan(
        run_id=f"{scenario.name}-{seed}-{created:%Y%m%dT%H%M%SZ}",
        created=created,
        scenario_name=scenario.name,
        scenario=_scenario_dump(scenario),
        seed=seed,
        time_scale=scenario.played_at,
        repeats=repeats,
        seeds=seeds,
        clock=clock,
        clock_asked=asked,
        clock_reason=reason,
        by_name=by_name,
        processes=processes,
        cells=tuple(
            _cell(variant, repeat, run_seed, derived, clock, gateway)
            for repeat, (run_seed, derived) in enumerate(
                _repeat_seeds(seed, repeats, apart=seeds is not None)
            )
            for variant in variants
        ),
        versions=versions(),
    )


def _repeat_seeds(seed: int, repeats: int, *, apart: bool) -> list[tuple[int | None, int]]:
    """Of each repeat the run's seed that has it as its first one (None: no run has), and its own seed.

    `apart`: each repeat is the first of a run of its own, whose seed is one more than the last one's.
    """
    if apart:
        return [(seed + n, derive(seed + n, "repeat", 0)) for n in range(repeats)]
    return [(None if n else seed, derive(seed, "repeat", n)) for n in range(repeats)]


def _needs_real(
    processes: int | None, profiles: Sequence[Profile], gateway: Gateway | None, scenario: Scenario
) -> str:
    """Why a run needs real time, as far as its options and clients tell; empty if it does not."""
    programs = _programs(profiles)
    if programs:
        many = len(programs) > 1
        return f"{', '.join(programs)}: {'programs of their own' if many else 'a program of its own'} (driver exec)"
    if gateway is not None:
        return f"the gateway {gateway.name} is a program of its own"
    if processes is not None and processes > 1:
        return f"--processes {processes}: on the virtual clock a cell is one process"
    region = unrepeatable_tls(scenario)
    return f"the region {region} has TLS over a link whose delays depend on sizes" if region else ""


def _programs(profiles: Sequence[Profile]) -> list[str]:
    """The clients that are programs: no clock but their own moves them."""
    return [profile.name for profile in profiles if profile.driver == "exec"]


def _refuse_programs(profiles: Sequence[Profile], asked: ClockChoice) -> None:
    programs = _programs(profiles)
    if programs:
        found = f"virtual, and {', '.join(programs)} with the driver exec"
        expected = "--clock real: a program of its own lives in real time"
        hint = (
            "" if asked == "virtual" else "--repeat plays it more than once; --seeds needs the virtual clock"
        )
        raise InputError("the run", path="clock", found=found, expected=expected, hint=hint)


def _refuse_seeds(
    scenario: Scenario, profiles: Sequence[Profile], seeds: int, repeats: int, clock: ClockName
) -> None:
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


def _refuse_twins(profiles: Sequence[Profile]) -> None:
    if not profiles:
        raise InputError("the run", path="clients", found="no client", expected="at least one")
    names = [profile.name for profile in profiles]
    for name in names:
        if names.count(name) > 1:
            raise InputError("the run", path="clients", found=f"'{name}' twice", expected="each name once")


class _Variant(NamedTuple):
    """What is played as one client of the run: a profile and the scenario, at one point of `vary` if it has any."""

    client: str
    scenario: Scenario
    profile: Profile
    varied: dict[str, Setting]


def _variants(
    scenario: Scenario, profiles: Sequence[Profile], repeats: int, only: Collection[str] | None
) -> list[_Variant]:
    """Every client at every point, client by client; without `vary`, every client as it is."""
    if not scenario.vary:
        return [_Variant(profile.name, scenario, profile, {}) for profile in profiles]
    check_count(scenario.vary, len(profiles), repeats, scenario.name)
    points = [(point, scenario_at(scenario, point)) for point in points_of(scenario.vary)]
    variants = [
        _Variant(point.name(profile.name), there, profile_at(profile, point, scenario.name), {**point.values})
        for profile in profiles
        for point, there in points
        if only is None or is_among(point.name(profile.name), only)
    ]
    known = {point.name(profile.name) for profile in profiles for point, _ in points}
    for name in sorted(only or ()):
        if is_cell(name) and name not in known:
            hint = nearest(name, sorted(known))
            raise InputError(
                "the run", path="clients", found=f"'{name}'", expected="a cell of this scenario", hint=hint
            )
    return variants


def _refuse_choices(scenario: Scenario, profiles: Sequence[Profile], gateway: Gateway | None) -> None:
    """Refuse a client's own choice of regions where something else has chosen already, and hosts that nobody can
    resolve for it."""
    for profile in profiles:
        if scenario.hosts and (gateway is not None or profile.driver == "exec"):
            what = (
                f"the gateway {gateway.name}"
                if gateway is not None
                else f"client {profile.name} (driver exec)"
            )
            found = f"names of hosts, and {what}, a program of its own"
            expected = "no hosts: they are resolved inside our load process, and no other program can be told of them"
            raise InputError(f"scenario {scenario.name}", path="hosts", found=found, expected=expected)
        if profile.region is None:
            continue
        if gateway is not None:
            found, expected = "a choice behind a gateway", f"null: {gateway.name} chooses the region"
        elif "region" in scenario.vary:
            found, expected = "a choice, in a scenario that varies the region", "null: `vary` chooses it"
        else:
            continue
        raise InputError(f"client {profile.name}", path="region", found=found, expected=expected)


def _scenario_dump(scenario: Scenario) -> dict[str, Any]:
    dump = scenario.model_dump(mode="json", by_alias=True)
    for key in (
        "vary",
        "grid",
        "hosts",
    ):  # left out where they say nothing: a baseline knows a scenario by what is in it
        if not dump[key]:
            del dump[key]
    for phase, data in zip(scenario.phases, dump["phases"], strict=True):
        data["faulty"] = phase.is_faulty
        if not data["hosts"]:
            del data["hosts"]
    return dump


def _cell(
    variant: _Variant,
    repeat: int,
    run_seed: int | None,
    seed: int,
    clock: ClockName,
    gateway: Gateway | None,
) -> CellPlan:
    scenario, profile = variant.scenario, variant.profile
    spans: list[PhaseSpan] = []
    for phase in scenario.phases:
        start = spans[-1].end if spans else 0.0
        spans.append(PhaseSpan(phase.name, start, start + phase.for_))
    tail_s = max(scenario.load.patience_s, MIN_TAIL_S)
    profile, region = settled(profile, scenario.provider, scenario.region)
    load, server_plan = scenario.load, scenario.plan(seed=seed).model_dump(mode="json", by_alias=True)
    if load.trace is not None:
        prompts, answers = traced_sizes(load, spans[-1].end, scenario.warmup, tail_s)
        without = load.trace.model_copy(update={"prompts": (), "answers": ()})
        load = load.model_copy(update={"prompt_sizes": prompts, "trace": without})
        server_plan["answer_tokens"] = answers
    return CellPlan(
        scenario=scenario.name,
        client=variant.client,
        varied=variant.varied,
        profile=profile.model_copy(update={"limiter": _limiter(scenario, profile.limiter, region)}),
        repeat=repeat,
        run_seed=run_seed,
        seed=seed,
        server_plan=server_plan,
        load=load,
        region=region,
        phases=tuple(spans),
        faulty=tuple(phase.name for phase in scenario.phases if phase.is_faulty),
        warmup_s=scenario.warmup,
        tail_s=tail_s,
        clock=clock,
        versions=versions_of(profile) if profile.python is None else ask(profile.python).versions,
        gateway=gateway,
        hosts=_hosts(scenario, spans),
        dir=f"cells/{variant.client}-{repeat}",
    )


def _hosts(scenario: Scenario, spans: Sequence[PhaseSpan]) -> tuple[tuple[float, dict[str, str]], ...]:
    """Where names lead from when on; a phase that moves some leaves the others, and holds until it ends."""
    if not scenario.hosts:
        return ()
    placed = zip(spans, scenario.phases, strict=True)
    return tuple((span.start, scenario.hosts | phase.hosts) for span, phase in placed)


def _limiter(scenario: Scenario, limiter: Limiter | None, region: str) -> Limiter | None:
    """The limiter in numbers: an instance's share of the quota that holds outside of any phase."""
    if limiter is None or "quota" not in (limiter.rpm, limiter.tpm):
        return limiter
    limits = scenario.provider.region(region).limits
    instances = scenario.load.instances
    numbers: dict[str, int | None] = {}
    if limiter.rpm == "quota":
        if limits.rpm is None:
            return None
        numbers["rpm"] = max(1, limits.rpm // instances)
    if limiter.tpm == "quota":
        numbers["tpm"] = None if limits.tpm is None else max(1, limits.tpm // instances)
    return limiter.model_copy(update=numbers)
