"""The one place where identity, rules, limits, capacity and answers meet. No I/O, no clock.

    identify ──► admit ─┬─► refused: a problem, an edge fault, a limit, no room
    (numbering,         ├─► queued ──(a slot comes free)──► granted
     round trip)        └─► granted ──► start ──► running ──► ended, when its slot's time is over
                                          └─ a script, faults applied

`now` is an argument everywhere: seconds from t0, negative during warm-up, never running backwards. The engine knows
by itself when slots end, at whatever speed. The caller (the server, or a client in process) keeps these promises:

- it calls `advance` when `next_change` says; it asks that after every call of `admit`, `start`, `left`, `given_up`,
  `give_up` and `set_plan`, and then at the time that it was told;
- it plays what `Happened.started` holds, and what `admit` has granted, with `start`: the slot is already kept for
  it. It ends the answers that are `cancelled`, and asks `due` again after `new_speed`;
- where `admit` has set `early` it plays that at once, and nothing of what `start` gives later; while a request is
  queued it plays what `waiting` gives, if anything;
- it calls `left` when a client goes, once; `given_up` when a time limit ends an answer; `answered` when nothing more
  is sent to a client and `disconnected` when a connection is over, so that retries without a call id can be told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

from windtunnel.mock_server.api.routes import healthy_answer
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider import service
from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0, Admission, MakeAnswer
from windtunnel.mock_server.provider.calls import Registry, Via
from windtunnel.mock_server.provider.compiled_settings import CompiledSettings
from windtunnel.mock_server.provider.handshakes import HandshakeFaults
from windtunnel.mock_server.provider.idempotency import Idempotency
from windtunnel.mock_server.provider.outages import Outages, is_silent
from windtunnel.mock_server.provider.regions import RegionState
from windtunnel.mock_server.provider.schedule import Happened, Schedule
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.rules import REQUESTED, FaultUse, RuleBook
from windtunnel.mock_server.script import Script, TimeLimit

_BREAKING = ("content", "events", "ending")
"""Layers of faults behind which a client may retry an answer that came to its end."""


class Engine:
    """The mock's provider as a state machine: the same calls in the same order give the same results.

    `unix_t0` is the Unix time of t0, which answers state; `origin` is when the plan's first phase begins, seconds from
    t0. `store` holds the objects of the API.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        answer: MakeAnswer = healthy_answer,
        unix_t0: float = DEFAULT_UNIX_T0,
        origin: float = 0.0,
    ) -> None:
        self._answer = answer
        self._begin(plan, unix_t0, origin)

    def _begin(self, plan: Plan, unix_t0: float, origin: float) -> None:
        self._plan = plan
        self._unix_t0 = unix_t0
        self._origin = origin
        self.store = Store()
        self._schedule = Schedule()
        self._idempotency = Idempotency()
        self._admission = self._admission_under(plan)
        self._registry = Registry()
        self._compile_phases(plan)
        self._phase = 0
        self._boundary = self._starts[1] if len(self._starts) > 1 else math.inf
        # When ports open or close next: at once, if they ever do, since the time is not known here.
        self._ports_change = math.inf if math.isinf(self._outages.next_change(origin, 0)) else -math.inf
        self._regions = {
            name: RegionState(name, settings, self._schedule) for name, settings in self._settings[0].items()
        }

    def _admission_under(self, plan: Plan) -> Admission:
        """Make the admission under a plan. Its rules begin to count at zero."""
        return Admission(
            plan,
            RuleBook(plan),
            self._answer,
            self.store,
            self._idempotency,
            self._schedule,
            self._unix_t0,
            self._origin,
        )

    def _compile_phases(self, plan: Plan) -> None:
        """Compile every phase: its start, the settings of each region, and the rules that close ports."""
        self._outages = Outages(plan)
        self._handshakes = HandshakeFaults(plan)
        phases = range(max(1, len(plan.phases)))
        self._starts = [self._origin + plan.phase_start(p) for p in phases]
        self._settings: list[dict[str, CompiledSettings]] = []
        for p in phases:
            provider = plan.settings_at(p)
            self._settings.append({name: CompiledSettings.of(provider, name) for name in provider.regions})

    def remember_calls(self, most: int) -> None:
        """Until the next reset, remember so many ids of named calls; of one that is forgotten attempts count anew."""
        self._registry.most_named = most

    # ---- a request's way

    def identify(self, request: Request, now: float, via: Via | None = None) -> Ticket:
        """Return the ticket of a request, with its attempt number and its drawn round trip (`rtt_s`, 0.0 without one).

        `via` is the connection that it came on, which helps to tell the retries of unnamed calls.

        Raises KeyError for a region that the provider does not have.
        """
        if now >= self._boundary:
            self._enter_due_phases(now)
        call, certainty = self._registry.call_of(request, now, via)
        attempt = call.next_attempt()
        region = self._regions[request.region]
        rtt = region.settings.rtt
        rtt_s = 0.0
        if rtt is not None:
            u = uniform(self._plan.seed, "rtt", request.region, call.key, attempt)
            rtt_s = round(rtt.at(u), 6)  # microseconds: libm's last digits differ between machines
        return Ticket(request, call, attempt, region, self._phase, rtt_s, now, self._plan.name, certainty)

    def outgoing(self, ticket: Ticket, now: float) -> int:
        """Estimate the bytes of the answer, where it may be large; 0 for any other."""
        return self._admission.outgoing(ticket, now)

    def preparation(self, ticket: Ticket, now: float) -> Generator[None, None, None] | None:
        """Return work to be done before `admit`, step by step so that others are served meanwhile; None for none.

        `admit` does by itself what was not prepared.
        """
        return self._admission.preparation(ticket, now) if ticket.region.open else None

    def admit(self, ticket: Ticket, now: float) -> None:
        """Decide on a request that has reached the provider. Sets `state`, and for a refusal `script` and `status`."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        # The client may have left during the round trip, or the engine may have been reset.
        if ticket.state != "identified" or not ticket.region.open:
            return
        # A phase may have begun, or another plan, since `identify`: what counts is the moment of the decision.
        ticket.phase = self._phase
        ticket.plan = self._plan.name
        ticket.admitted_s = now
        self._admission.decide(ticket, now)

    def start(self, ticket: Ticket, now: float) -> Script:
        """Start a granted request in its slot; returns the script to play, faults applied."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        script = service.start(ticket, now, self._plan.seed, self._unix_t0)
        self._schedule.add(ticket)
        # Replays go at the pace of the first request, so they can start only now that it has one.
        if ticket.followers:
            self._schedule.may_start(list(ticket.followers))
            ticket.followers = ()
        return script

    def answered(self, ticket: Ticket, now: float, *, complete: bool) -> None:
        """Note that nothing more is sent to the client; `complete` if the answer was sent to its proper end.

        A like request that follows is a retry only where this one failed, as far as the server can tell.
        """
        good = complete and ticket.status is not None and ticket.status < 400
        changed = any(use.kind.layer in _BREAKING for use in ticket.chosen.answer)
        self._registry.answered(
            ticket.request, ticket.call, now, failed=not good or changed, whole=good and changed
        )

    def disconnected(self, connection: int) -> None:
        """Note that a connection is over which requests may have come on."""
        self._registry.disconnected(connection)

    def waiting(self, ticket: Ticket, now: float) -> Script | None:
        """Return the script of a queued request whose answer has a time limit, or None: play it until the request is
        started or the limit reached."""
        return service.waiting(ticket, now, self._plan.seed, self._unix_t0)

    def given_up(self, ticket: Ticket, limit: TimeLimit, now: float) -> None:
        """Note that a time limit has ended a request's answer. Its `state` is that of the work, which may go on."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        if ticket.region.open:
            self._worked(ticket, service.given_up(ticket, limit, now, self._unix_t0))

    def left(self, ticket: Ticket, now: float) -> None:
        """Note that the client has left. Its `state` is that of the work, which may go on.

        Whether it does is a setting of the region (`abandoned`). A slot that an endless fault held ends with the work.
        """
        if now >= self._boundary:
            self._enter_due_phases(now)
        if ticket.region.open:
            self._worked(ticket, service.left(ticket, now))

    def give_up(self, ticket: Ticket, now: float) -> None:
        """End the work of a request that a bug has made impossible to answer, and that of the replays behind it.

        The region's setting for abandoned requests does not matter.
        """
        if ticket.region.open:
            self._schedule.cancelled(*ticket.followers)
            self._worked(ticket, service.cancel(ticket, now))

    def _worked(self, ticket: Ticket, granted: list[Ticket]) -> None:
        """Note how a ticket's work stands after what was done to it, and the tickets that it has let start."""
        if ticket.state == "running":
            self._schedule.add(ticket)
        else:
            self._schedule.remove(ticket)
        self._schedule.may_start(granted)

    # ---- time on the provider's clock

    def due(self, ticket: Ticket, tokens: int) -> float:
        """Return when token number `tokens` of a started ticket is ready at the present speed; 0 is the first."""
        return ticket.region.due(ticket, tokens)

    def settle(self, ticket: Ticket, now: float) -> None:
        """Bill a running ticket for what it has generated so far, to be recorded before its end."""
        if ticket.state == "running":
            service.bill(ticket, now)

    # ---- phases, ports and plans

    def has_region(self, name: str) -> bool:
        """Whether the plan has, or had, a region of this name."""
        return name in self._regions

    def advance(self, now: float) -> Happened:
        """Enter the phases that are due by `now`, end the slots that are, and return what has happened since the last
        call."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        if now >= self._ports_change:
            self._conditions_changed(now)
        schedule = self._schedule
        while (ticket := schedule.take_due(now)) is not None:
            try:
                schedule.may_start(self._finish(ticket, now))
            except Exception as error:  # noqa: BLE001 - a bug ends this request alone
                schedule.happened.failed.append((ticket, error))
            else:
                schedule.happened.ended.append(ticket)
        return schedule.take()

    def _finish(self, ticket: Ticket, now: float) -> list[Ticket]:
        """Bill a ticket whose slot's time is over and free the slot; returns the tickets that may start now."""
        return service.finish(ticket, now) if ticket.region.open else []

    def next_change(self, now: float) -> float:
        """Return when `advance` must be called next: `now` if something has happened already, `inf` for never."""
        if self._schedule.unheard:
            return now
        return max(now, min(self._boundary, self._ports_change, self._schedule.next_end()))

    def listening(self, region: str, now: float) -> FaultUse | None:
        """Return the fault that keeps a region's port closed (`refuse` or `blackhole`); None while it is open."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        return self._outages.listening(region, now, self._phase)

    def silent_regions(self, now: float) -> frozenset[str]:
        """Return the regions on whose open connections nothing passes now."""
        regions = self._plan.provider.regions
        return frozenset(region for region in regions if is_silent(self.listening(region, now)))

    def falls_silent(self, region: str) -> bool:
        """Whether nothing passes on a region's open connections in any phase."""
        return self._outages.silences(region)

    def settings(self, region: str, now: float) -> CompiledSettings:
        """Return what holds in a region now."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        return self._regions[region].settings

    def ever(self, region: str, holds: Callable[[CompiledSettings], object]) -> bool:
        """Whether something holds in a region in any phase: what a new connection must be ready for."""
        return any(holds(phase[region]) for phase in self._settings if region in phase)

    def handshake_fault(self, region: str, now: float, connection: int) -> FaultUse | None:
        """Return what acts on the TLS handshake of a new connection, and count it; None: nothing does."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        use = self._handshakes.acting(region, now, self._phase, connection)
        if use is not None:
            self._regions[region].fault_counts[use.rule_id] += 1
        return use

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    @property
    def seed(self) -> int:
        """The seed of the plan in force."""
        return self._plan.seed

    def set_plan(self, plan: Plan, now: float) -> None:
        """Switch to another plan: limiter levels, queue and numbering stay, counting rules begin anew.

        A region that the plan no longer has stays as it was.
        """
        self._plan = plan
        for region in self._regions.values():
            region.fault_counts.clear()
        self._admission = self._admission_under(plan)
        self._compile_phases(plan)
        self._enter(plan.phase_at(now - self._origin), now)

    def reset(self, *, unix_t0: float | None = None) -> None:
        """Begin anew, from another t0 whose Unix time is `unix_t0` (None: as before).

        Tickets from before have no effect any more, whatever is called with them.
        """
        self.close()
        self._begin(self._plan, self._unix_t0 if unix_t0 is None else unix_t0, 0.0)

    def close(self) -> None:
        """Detach all tickets: whatever is called with them has no effect any more."""
        for region in self._regions.values():
            region.open = False

    def load(self) -> tuple[int, int]:
        """Return the busy slots and the queued requests of all regions."""
        pools = [region.slots for region in self._regions.values()]
        return sum([one.busy for one in pools]), sum([one.waiting for one in pools])

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return phase, slots, queue, limits and the rules in force, for the admin API and the metrics."""
        if now >= self._boundary:
            self._enter_due_phases(now)
        regions = {name: region.snapshot(now) for name, region in self._regions.items()}
        for name, region in regions.items():
            closed = self._outages.listening(name, now, self._phase)
            region["closed_by"] = None if closed is None else closed.kind.name
        acted = sum([region.fault_counts for region in self._regions.values()], Counter())
        plan, phase = self._plan, self._phase
        return {
            "plan": plan.name,
            "phase": plan.phases[phase].name if plan.phases else None,
            "phase_index": phase,
            "phases": [
                {"name": one.name, "start_s": at} for one, at in zip(plan.phases, self._starts, strict=False)
            ],
            "end_s": self._origin + plan.length if plan.phases else None,
            "rules": [
                {
                    "id": rule_id,
                    **rule.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                    "acted": acted[rule_id],
                }
                for rule_id, rule in plan.rules_at(phase)
            ],
            "acted_as_asked": acted[REQUESTED],
            "in_flight": sum(region["in_flight"] for region in regions.values()),
            "queue_depth": sum(region["queue_depth"] for region in regions.values()),
            "regions": regions,
        }

    def _enter_due_phases(self, now: float) -> None:
        """Enter the phases that have begun by `now`, each at its own time.

        Callers test `now >= self._boundary` themselves: a call for every request would cost more than the test.
        """
        while now >= self._boundary:
            self._enter(self._phase + 1, self._boundary)

    def _enter(self, phase: int, at: float) -> None:
        self._phase = phase
        self._boundary = self._starts[phase + 1] if phase + 1 < len(self._starts) else math.inf
        for name, settings in self._settings[phase].items():
            region = self._regions.get(name)
            if region is None:  # a plan that was put in force later may have further regions
                self._regions[name] = RegionState(name, settings, self._schedule)
            else:
                region.change(settings, at)
                self._schedule.may_start(region.grant(at))
        self._conditions_changed(at)

    def _conditions_changed(self, now: float) -> None:
        """Note that a phase, or a burst that opens or closes a port, has begun."""
        self._ports_change = self._outages.next_change(now, self._phase)
        self._schedule.conditions_changed()


__all__ = ["Engine", "Happened", "Ticket"]
