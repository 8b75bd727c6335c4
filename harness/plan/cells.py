"""A client and a repeat, resolved to a cell: what the client plays, what the mock is told, and for how long."""

from __future__ import annotations

from typing import Any

from windtunnel.harness.arrivals import traced_sizes
from windtunnel.harness.environments.interpreter import ask
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.load import ClockName, Load
from windtunnel.harness.inputs.policies import Limiter
from windtunnel.harness.inputs.program import versions_of
from windtunnel.harness.inputs.region_choice import settled
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan.cell import CellPlan, PhaseSpan
from windtunnel.harness.plan.regions import hosts_of
from windtunnel.harness.plan.repeats import Repeat
from windtunnel.harness.plan.varied import VariedClient

MIN_TAIL_S = 10.0


def cell_of(client: VariedClient, repeat: Repeat, clock: ClockName, gateway: Gateway | None) -> CellPlan:
    """What is played as `client` in a repeat."""
    scenario = client.scenario
    profile, region = settled(client.profile, scenario.provider, scenario.region)
    spans = _spans(scenario)
    tail_s = max(scenario.load.patience_s, MIN_TAIL_S)
    load, server_plan = _load_and_server_plan(scenario, repeat.seed, spans[-1].end, tail_s)
    return CellPlan(
        scenario=scenario.name,
        client=client.name,
        varied=client.varied,
        profile=profile.model_copy(update={"limiter": _limiter(scenario, profile.limiter, region)}),
        repeat=repeat.number,
        run_seed=repeat.run_seed,
        seed=repeat.seed,
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
        hosts=hosts_of(scenario, spans),
        dir=f"cells/{client.name}-{repeat.number}",
    )


def _spans(scenario: Scenario) -> list[PhaseSpan]:
    """The phases one after the other, from t0."""
    spans: list[PhaseSpan] = []
    for phase in scenario.phases:
        start = spans[-1].end if spans else 0.0
        spans.append(PhaseSpan(phase.name, start, start + phase.for_))
    return spans


def _load_and_server_plan(
    scenario: Scenario, seed: int, phases_total_s: float, tail_s: float
) -> tuple[Load, dict[str, Any]]:
    """The load, and the mock's part as JSON; of a trace each has its half, and the sizes stand in the load no more."""
    load, server_plan = scenario.load, scenario.plan(seed=seed).model_dump(mode="json", by_alias=True)
    if load.trace is not None:
        prompts, answers = traced_sizes(load, phases_total_s, scenario.warmup, tail_s)
        without = load.trace.model_copy(update={"prompts": (), "answers": ()})
        load = load.model_copy(update={"prompt_sizes": prompts, "trace": without})
        server_plan["answer_tokens"] = answers
    return load, server_plan


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
