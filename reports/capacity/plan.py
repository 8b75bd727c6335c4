"""What a planner wants to know of what a search found: computed from its levels, without playing anything."""

from __future__ import annotations

from dataclasses import dataclass, fields

from windtunnel.harness.contract.capacity import CapacityFound, ClientCapacity
from windtunnel.reports.capacity.knee import Knee, find_knee
from windtunnel.reports.capacity.little import Little, little
from windtunnel.reports.capacity.usl import Usl, fit_usl


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """What follows for one client: Little's law at each level, and the fits with why they are not accepted."""

    client: str
    little: tuple[Little, ...]
    usl: Usl
    knee: Knee


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
        plans=tuple(_plan(client) for client in found.clients),
    )


def _plan(client: ClientCapacity) -> ClientPlan:
    laws = [little(level) for level in client.levels]
    return ClientPlan(
        client=client.client,
        little=tuple(law for law in laws if law is not None),
        usl=fit_usl(client.levels),
        knee=find_knee(client.levels),
    )
