"""The one place where identity, rules, limits, capacity and answers meet. No I/O, no clock.

    identify ──► admit ─┬─► refused: a problem, an edge fault, a limit, no room
    (numbering,         ├─► queued ──(left, finished, advance)──► granted
     round trip)        └─► granted ──► start ──► running ──► finished
                                          └─ a script, faults applied

`now` is an argument everywhere: seconds from t0, negative during warm-up, never running backwards. The caller (the
shell) keeps these promises:

- it calls `start` at once for every ticket that is granted, by `admit` or in what `left`, `finished`, `advance` and
  `set_plan` return: the slot is already kept for it;
- it calls `advance` when `next_change` says, and `finished` when `slot_free_at` says;
- `due` and `slot_free_at` hold as long as the speed does. When `speed_version` has changed (after a phase change, or
  whenever a slot changes hands while `slowdown` is in force), it asks again;
- it calls `left` when a client goes, once, unless the answer was `done`.
"""

from __future__ import annotations

import math
from typing import Any

from mock_server.api.answer import answer as healthy_answer
from mock_server.chance import uniform
from mock_server.identity import Registry
from mock_server.plan import Plan
from mock_server.provider import service
from mock_server.provider.admission import EPOCH, Admission, Answering
from mock_server.provider.conditions import Conditions
from mock_server.provider.regions import RegionState
from mock_server.provider.ticket import Ticket
from mock_server.request import Request
from mock_server.rules import RuleBook
from mock_server.script import Script


class Engine:
    """The mock's provider, as a pure machine: the same calls in the same order give the same results."""

    def __init__(self, plan: Plan, *, answer: Answering = healthy_answer) -> None:
        self._answering = answer
        self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        self._plan = plan
        self._admission = Admission(plan, RuleBook(plan), self._answering)
        self._registry = Registry()
        self._startable: list[Ticket] = []
        self._settle_phases(plan)
        self._phase = 0
        self._boundary = self._starts[1] if len(self._starts) > 1 else math.inf
        self._regions = {
            name: RegionState(name, conditions) for name, conditions in self._conditions[0].items()
        }

    def _settle_phases(self, plan: Plan) -> None:
        """Compile every phase: when it starts, and what holds in each region."""
        phases = range(max(1, len(plan.phases)))
        self._starts = [plan.phase_start(p) for p in phases]
        self._conditions: list[dict[str, Conditions]] = []
        for p in phases:
            provider = plan.settings_at(p)
            self._conditions.append({name: Conditions.of(provider, name) for name in provider.regions})

    # ---- a request's way

    def identify(self, request: Request, now: float) -> Ticket:
        """Number the request and draw its round trip (`rtt_s`, 0.0 without one).

        Raises KeyError for a region that the provider does not have.
        """
        if now >= self._boundary:
            self._roll(now)
        call = self._registry.call_of(request)
        attempt = call.next_attempt()
        region = self._regions[request.region]
        rtt = region.conditions.rtt
        rtt_s = 0.0
        if rtt is not None:
            u = uniform(self._plan.seed, "rtt", request.region, call.call_id, attempt)
            rtt_s = round(rtt.at(u), 6)
        return Ticket(request, call, attempt, region, self._phase, rtt_s, now)

    def admit(self, ticket: Ticket, now: float) -> None:
        """The request is at the provider: decide. Sets `state`, and for a refusal `script` and `status`."""
        if now >= self._boundary:
            self._roll(now)
        if ticket.state != "identified" or not ticket.place.open:
            return
        ticket.phase = self._phase
        self._admission.decide(ticket, now)

    def start(self, ticket: Ticket, now: float) -> Script:
        """A granted request takes its slot: the script to play, faults applied."""
        if now >= self._boundary:
            self._roll(now)
        return service.start(ticket, now, self._plan.seed, EPOCH)

    def left(self, ticket: Ticket, now: float) -> list[Ticket]:
        """The client is gone; returns the tickets that may start now.

        What follows is up to the region (`abandoned`). Ask `slot_free_at` again: a slot that an endless fault
        held is freed with the work's end, and `state` is `ended` if that is now.
        """
        if now >= self._boundary:
            self._roll(now)
        return self._started_by(service.left(ticket, now) if ticket.place.open else [])

    def finished(self, ticket: Ticket, now: float) -> list[Ticket]:
        """The slot's time is over: bill, and return the tickets that may start now."""
        if now >= self._boundary:
            self._roll(now)
        return self._started_by(service.finish(ticket, now) if ticket.place.open else [])

    # ---- time on the provider's clock

    def due(self, ticket: Ticket, tokens: int) -> float:
        """When token number `tokens` of a started ticket is ready at the present speed; 0 is the first."""
        if ticket.progress is None:
            return ticket.place.healthy_end(ticket)
        return ticket.place.clock.due(ticket.progress, tokens)

    def slot_free_at(self, ticket: Ticket) -> float:
        """When the slot of a started ticket is free at the present speed: the end of the *healthy* answer, and
        of what faults with `holds_slot` add. May be infinite; then only `left` frees it."""
        return ticket.place.healthy_end(ticket) + ticket.held_s

    @property
    def speed_version(self) -> int:
        """Changes whenever the answers of `due` and `slot_free_at` may have."""
        return sum([region.speed_version for region in self._regions.values()])

    def settle(self, ticket: Ticket, now: float) -> None:
        """Bring the bill of a running ticket up to date, where it is recorded before it has ended."""
        if ticket.state == "running":
            service.bill(ticket, now)

    # ---- conditions

    def advance(self, now: float) -> list[Ticket]:
        """Phase changes due by `now`; returns the tickets that may start."""
        if now >= self._boundary:
            self._roll(now)
        return self._started_by([])

    def next_change(self, now: float) -> float | None:
        """When `advance` must be called next, or None."""
        return None if math.isinf(self._boundary) else max(now, self._boundary)

    def set_plan(self, plan: Plan, now: float) -> list[Ticket]:
        """Go on under another plan: levels, queue and numbering stay, counting rules begin anew.

        A region that the plan no longer has stays as it was. Returns the tickets that may start.
        """
        self._plan = plan
        self._admission = Admission(plan, RuleBook(plan), self._answering)
        self._settle_phases(plan)
        self._enter(plan.phase_at(now), now)
        return self._started_by([])

    def reset(self) -> None:
        """Begin anew. Tickets from before are no longer part of anything: nothing that they do has an effect."""
        for region in self._regions.values():
            region.open = False
        self._begin(self._plan)

    def snapshot(self, now: float) -> dict[str, Any]:
        """Phase, slots, queue and limits, in numbers for people and gauges."""
        if now >= self._boundary:
            self._roll(now)
        regions = {name: region.snapshot(now) for name, region in self._regions.items()}
        phases = self._plan.phases
        return {
            "phase": phases[self._phase].name if phases else None,
            "phase_index": self._phase,
            "in_flight": sum(region["in_flight"] for region in regions.values()),
            "queue_depth": sum(region["queue_depth"] for region in regions.values()),
            "regions": regions,
        }

    def _roll(self, now: float) -> None:
        """Enter the phases that have begun by `now`, each at its own time."""
        while now >= self._boundary:
            self._enter(self._phase + 1, self._boundary)

    def _enter(self, phase: int, at: float) -> None:
        self._phase = phase
        self._boundary = self._starts[phase + 1] if phase + 1 < len(self._starts) else math.inf
        for name, conditions in self._conditions[phase].items():
            region = self._regions.get(name)
            if region is None:
                self._regions[name] = RegionState(name, conditions)
            else:
                region.change(conditions, at)
                self._startable += region.grant(at)

    def _started_by(self, tickets: list[Ticket]) -> list[Ticket]:
        """`tickets` behind those that a change of phase let out meanwhile."""
        if self._startable:
            tickets = self._startable + tickets
            self._startable = []
        return tickets


__all__ = ["Engine", "Ticket"]
