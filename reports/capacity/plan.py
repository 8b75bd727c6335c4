"""What a planner wants to know of what a search found: computed from its levels, without playing anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from windtunnel.harness.contract.capacity import CapacityFound, ClientCapacity, Needs
from windtunnel.reports.capacity.cost import Cost, cost_of_level
from windtunnel.reports.capacity.knee import Knee, find_knee
from windtunnel.reports.capacity.little import Little, little
from windtunnel.reports.capacity.pool import PoolNeed, pool_need
from windtunnel.reports.capacity.usl import Usl, fit_usl


@dataclass(frozen=True, slots=True)
class RatePlan:
    """What a rate needs of the provider (`needs`) and of the client (`pool`; None: no level that fast passed).

    `name` says which rate it is. `copies`: how many times the client and the provider that were measured here carry it;
    `pool` is what one of them needs, at its share of the rate.
    """

    name: Literal["safe", "today", "target"]
    needs: Needs
    pool: PoolNeed | None
    copies: int


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """What follows for one client: Little's law and the cost at each level, what rates need, and the fits.

    A fit that is not accepted says why. `costs` are by rate, where a call was good.
    """

    client: str
    little: tuple[Little, ...]
    usl: Usl
    knee: Knee
    rates: tuple[RatePlan, ...]
    costs: tuple[Cost, ...]

    def cost_at(self, rate: float | None) -> Cost | None:
        """The cost at the level of this rate; None if it has none."""
        return next((cost for cost in self.costs if cost.rate == rate), None)


@dataclass(frozen=True, slots=True)
class CapacityReport(CapacityFound):
    """All that capacity.json holds: what was found, and what follows for each client, in the same order."""

    plans: tuple[ClientPlan, ...] = ()

    def plan_of(self, client: ClientCapacity) -> ClientPlan:
        """What follows for this client."""
        return next(plan for plan in self.plans if plan.client == client.client)


def planned(found: CapacityFound) -> CapacityReport:
    """What was found, with what follows from it."""
    return CapacityReport(
        **{one.name: getattr(found, one.name) for one in fields(found)},
        plans=tuple(_plan(found, client) for client in found.clients),
    )


def _plan(found: CapacityFound, client: ClientCapacity) -> ClientPlan:
    costs = [cost_of_level(level, found.price) for level in client.levels]
    laws = [little(level) for level in client.levels]
    return ClientPlan(
        client=client.client,
        little=tuple(law for law in laws if law is not None),
        usl=fit_usl(client.levels),
        knee=find_knee(client.levels),
        rates=tuple(_rates(found, client)),
        costs=tuple(cost for cost in costs if cost is not None),
    )


def _rates(found: CapacityFound, client: ClientCapacity) -> Iterator[RatePlan]:
    """The safe rate, today's and the target, as far as they are known."""
    if client.safe is None:
        return
    asked: tuple[tuple[Literal["safe", "today", "target"], float | None], ...] = (
        ("safe", client.safe),
        ("today", found.today),
        ("target", found.target),
    )
    for name, rate in asked:
        needs = next((one for one in client.needs if one.rate == rate), None)
        if rate is not None and needs is not None:
            copies = max(1, math.ceil(rate / client.safe - 1e-9))
            yield RatePlan(name, needs, pool_need(client.levels, rate / copies), copies)
