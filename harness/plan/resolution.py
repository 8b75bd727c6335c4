"""A scenario with its clients, resolved to a run: the parts are checked against each other, then made into cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.load import ClockChoice, ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.protocols import refuse_unspoken
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.secured import refuse_tls
from windtunnel.harness.plan.cells import cell_of
from windtunnel.harness.plan.clock import choose_clock, refuse_on_virtual_clock, why_real
from windtunnel.harness.plan.regions import refuse_choices
from windtunnel.harness.plan.repeats import refuse_seeds, repeats_of
from windtunnel.harness.plan.run import RunPlan
from windtunnel.harness.plan.varied import refuse_twins, varied_clients


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
    seed = scenario.seed if seed is None else seed
    _refuse_numbers(repeats, seed)
    if gateway is not None:
        without = "no TLS, or no gateway"
        refuse_tls(scenario, "behind a gateway, which does not know its authority", instead=without)
    asked, seeded = scenario.clock if clock is None else clock, seeds is not None
    needs_real = needs_real or why_real(scenario, profiles, gateway, processes)
    chosen = choose_clock(asked, needs_real, seeded=seeded)
    if seeds is not None:
        refuse_seeds(scenario, profiles, seeds, repeats, chosen.name)
        repeats = seeds
    if chosen.name == "virtual":
        refuse_on_virtual_clock(scenario, profiles, gateway, processes, asked=asked, seeded=seeded)
    processes = _processes(scenario, processes, chosen.name)
    refuse_twins(profiles)
    clients = varied_clients(scenario, profiles, repeats, only)
    refuse_choices(scenario, profiles, gateway)
    refuse_unspoken(scenario, [client.profile for client in clients])
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
        clock=chosen.name,
        clock_asked=asked,
        clock_reason=chosen.reason,
        by_name=by_name,
        processes=processes,
        cells=tuple(
            cell_of(client, repeat, chosen.name, gateway)
            for repeat in repeats_of(seed, repeats, apart=seeded)
            for client in clients
        ),
        versions=versions(),
    )


def _refuse_numbers(repeats: int, seed: int) -> None:
    if repeats < 1:
        raise InputError("the run", path="repeats", found=str(repeats), expected="at least 1")
    if seed < 0:
        raise InputError("the run", path="seed", found=str(seed), expected="a whole number of at least 0")


def _processes(scenario: Scenario, asked: int | None, clock: ClockName) -> int:
    """Load processes per cell; if none are asked for, one on the virtual clock, else as the scenario says."""
    usual = 1 if clock == "virtual" else scenario.load.processes
    processes = usual if asked is None else asked
    most = scenario.load.instances
    if not 1 <= processes <= most:
        expected = f"1 to {most}: a load process carries whole instances, and load.instances is {most}"
        raise InputError(
            f"scenario {scenario.name}", path="processes", found=str(processes), expected=expected
        )
    return processes


def _scenario_dump(scenario: Scenario) -> dict[str, Any]:
    dump = scenario.model_dump(mode="json", by_alias=True)
    for key in ("vary", "grid", "hosts"):
        # Left out where they say nothing: a baseline knows a scenario by what is in it.
        if not dump[key]:
            del dump[key]
    for phase, data in zip(scenario.phases, dump["phases"], strict=True):
        data["faulty"] = phase.is_faulty
        if not data["hosts"]:
            del data["hosts"]
    return dump
