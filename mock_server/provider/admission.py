"""Stages 1 to 5 of a request: checks, edge faults, rate limits, growth, queue. What is refused has taken no slot.

check ─► look_up ─► find_repeated ─► edge ─► limits, with growth ─► queue ─► accepted: its effect, once
                        └─ a replay ───┴─────────────────────────────────► accepted, without a slot
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from windtunnel.mock_server.api import errors
from windtunnel.mock_server.api.azure.paths import dress
from windtunnel.mock_server.api.endpoint import Answer, Preparation, World
from windtunnel.mock_server.api.headers import RequestStamp, request_stamp
from windtunnel.mock_server.api.made_up import answer_anyway, make_references
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.plan.distributions import MOST_TOKENS
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider import service
from windtunnel.mock_server.provider.apply_faults import edge_fault_script, record_promise
from windtunnel.mock_server.provider.batch_line import line_answer
from windtunnel.mock_server.provider.idempotency import Idempotency, IdempotencyEntry
from windtunnel.mock_server.provider.rate_limiter import Quota, Refusal
from windtunnel.mock_server.provider.refusals import limited, penalty, quota_headers, whole_milliseconds
from windtunnel.mock_server.provider.requested_faults import MAGIC, add_requested_faults
from windtunnel.mock_server.provider.schedule import Schedule
from windtunnel.mock_server.provider.slots import QueuePlace
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.provider.work_handle import TicketHandle
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.rules import RuleBook
from windtunnel.mock_server.script import Script

MakeAnswer: TypeAlias = Callable[[Request, World], Answer]
"""`api.routes.healthy_answer`, or a function that a test puts in its place."""

DEFAULT_UNIX_T0 = 1_767_225_600
"""The Unix time that answers state at t0 unless they are told another: 1 January 2026. Equal runs have equal bytes."""

EARLY_S = 0.001
"""Seconds: a client that comes back this much before the promised time has a coarse timer, and is not early."""

_REFUSING = {endpoint.name: endpoint.refuse for endpoint in ENDPOINTS.values() if endpoint.refuse is not None}

_PREPARING = {
    endpoint.name: endpoint.prepare for endpoint in ENDPOINTS.values() if endpoint.prepare is not None
}
_OUTGOING = {
    endpoint.name: endpoint.outgoing for endpoint in ENDPOINTS.values() if endpoint.outgoing is not None
}


@dataclass(slots=True)
class Admission:
    """The decisions under one plan. `unix_t0` is the Unix time of t0, `origin` when the plan's phases begin."""

    plan: Plan
    rules: RuleBook
    answer: MakeAnswer
    store: Store
    idempotency: Idempotency
    schedule: Schedule
    unix_t0: float = DEFAULT_UNIX_T0
    origin: float = 0.0

    def decide(self, ticket: Ticket, now: float) -> None:
        """Refuse, queue or grant a request: sets the ticket's state and the fields that go with it."""
        request, slots = ticket.request, ticket.region.slots
        ticket.queue_depth = slots.waiting
        ticket.in_flight = slots.busy
        promise = ticket.call.promise
        if promise is not None:
            ticket.came_back_early = promise.until - now > EARLY_S and promise.concerns(request)
        for stage in STAGES:
            script = stage(self, ticket, now)
            if script is not None:
                ticket.state = "refused"
                ticket.script = dress(script, request)
                ticket.status = ticket.script.status
                return
        if ticket.idempotency is not None:
            _replay(ticket, ticket.idempotency)
        elif not ticket.takes_slot:
            self.planned(ticket, now)
            ticket.state = "granted"
        self._accepted(ticket, now)

    def preparation(self, ticket: Ticket, now: float) -> Generator[None, None, None] | None:
        """Return work that the answer needs and that takes long, to be done step by step; None if there is little."""
        prepare = _PREPARING.get(ticket.request.endpoint)
        if prepare is None or ticket.request.problem is not None:
            return None
        steps = prepare(ticket.request, self._world(ticket, now))
        if steps is None:
            return None
        ticket.world = None  # the answer's own has what is prepared now
        return _prepared(ticket, steps)

    def outgoing(self, ticket: Ticket, now: float) -> int:
        """Estimate the bytes of an answer that may be large; 0 for any other."""
        estimate = _OUTGOING.get(ticket.request.endpoint)
        if estimate is None or ticket.request.problem is not None:
            return 0
        return estimate(ticket.request, self._world(ticket, now))

    def refusal(self, ticket: Ticket, now: float) -> Script | None:
        """Return the script of a stage before the limits that refuses the request; None if none does."""
        for stage in STAGES[:_FREE]:
            script = stage(self, ticket, now)
            if script is not None:
                return script
        return None

    def check(self, ticket: Ticket, _now: float) -> Script | None:
        """The request itself: its key, its body, a model that is served."""
        request = ticket.request
        if request.problem is not None:
            return request.problem
        if not self._serves(ticket):
            return errors.model_not_found(request.model).script(self._stamp(ticket))
        return None

    def look_up(self, ticket: Ticket, now: float) -> Script | None:
        """The objects that the request names."""
        request = ticket.request
        if request.unknown_ids:
            make_references(request, self._world(ticket, now), self.answer)
        refuse = _REFUSING.get(request.endpoint)
        error = None if refuse is None else refuse(request, self._world(ticket, now))
        return None if error is None else error.script(self._stamp(ticket))

    def find_repeated(self, ticket: Ticket, _now: float) -> Script | None:
        """An earlier request with the same idempotency key: its answer is repeated, unless it was another one."""
        if ticket.request.idempotency_key is None:
            return None
        found = self.idempotency.find(ticket.request)
        if isinstance(found, errors.ApiError):
            return found.script(self._stamp(ticket))
        ticket.idempotency = found
        return None

    def _serves(self, ticket: Ticket) -> bool:
        """Whether the provider serves the model, or the model is no real one (a fault's name, none, not needed)."""
        models, model = ticket.region.settings.models, ticket.request.model
        return (
            models is None or not model or model in models or not ticket.takes_slot or model.startswith(MAGIC)
        )

    def edge(self, ticket: Ticket, now: float) -> Script | None:
        """Choose the faults; return the script of an edge fault that takes neither quota nor slot, else None."""
        request, call = ticket.request, ticket.call
        elapsed = now - self.origin
        chosen = self.rules.choose(request, call.key, call.index, ticket.attempt, elapsed, ticket.phase)
        if request.fault_header is not None or (ticket.takes_slot and request.model.startswith(MAGIC)):
            with_requested = add_requested_faults(chosen, request)
            if isinstance(with_requested, errors.ApiError):
                return with_requested.script(self._stamp(ticket))
            chosen = with_requested
        ticket.chosen = chosen
        # An edge fault with `charge` takes quota and slot like an answer, so it goes on and is played by the service.
        if chosen.edge is None or chosen.edge.charge:
            return None
        quota = ticket.region.limiter.quota(request.key_hash, request.model, now)
        return edge_fault_script(ticket, chosen.edge, quota, self.plan.seed, self.unix_t0, now)

    def limits(self, ticket: Ticket, now: float) -> Script | None:
        """RPM, TPM and growth. A replay takes neither quota nor slot, so no limit applies; nor without a slot."""
        if not ticket.takes_slot or ticket.idempotency is not None:
            return None
        request = ticket.request
        quota = ticket.quota = ticket.region.limiter.quota(request.key_hash, request.model, now)
        if quota is None:
            return None
        tokens = 0 if quota.tokens is None else self._tokens_charged(ticket, now)
        refusal = quota.check(tokens, now)
        prolonged = penalty(ticket, quota, now)
        # A penalty refuses also where there is room again, for the reason of the refusal that promised the time.
        if prolonged > 0.0 and refusal is None and ticket.call.promise is not None:
            refusal = Refusal(ticket.call.promise.by)
        if refusal is not None:
            return self._limited(ticket, quota, refusal, tokens, prolonged, now)
        ticket.charged_tokens = tokens
        return None

    def queue(self, ticket: Ticket, now: float) -> Script | None:
        """A slot, a place in the queue, or no room. What is let in is charged to its quota."""
        if not ticket.takes_slot or ticket.idempotency is not None:
            return None
        region, quota = ticket.region, ticket.quota
        place = region.slots.place_for_next()
        if place is QueuePlace.NOWHERE:
            ticket.charged_tokens = 0
            if quota is not None:
                quota.charge_refused(now)
            return errors.overloaded().script(self._stamp(ticket), quota_headers(quota, now))
        self.planned(ticket, now)
        if quota is not None:
            quota.charge(ticket.charged_tokens, now)
        if place is QueuePlace.SLOT:
            ticket.state = "granted"
            region.take_slot(now)
        else:
            ticket.state = "queued"
            region.slots.wait(ticket)
        return None

    def _limited(
        self, ticket: Ticket, quota: Quota, refusal: Refusal, tokens: int, prolonged: float, now: float
    ) -> Script:
        """Return the 429. Its wait is exact: computed after the charge for the refusal itself."""
        quota.charge_refused(now)
        wait = 0.0 if refusal is Refusal.TOO_LARGE else max(quota.wait(tokens, now), prolonged)
        request = ticket.request
        script = limited(
            refusal,
            quota,
            model=request.model,
            tokens=tokens,
            wait_s=wait,
            stamp=self._stamp(ticket),
            now=now,
        )
        if quota.settings.says_when and refusal is not Refusal.TOO_LARGE:
            record_promise(ticket, whole_milliseconds(wait) / 1000.0, refusal.value, now)
        return script

    def _tokens_charged(self, ticket: Ticket, now: float) -> int:
        """Return what the TPM limit is charged: the prompt, and max_tokens of every choice or else what is planned."""
        request = ticket.request
        if not ticket.generates:
            return ticket.prompt_tokens
        if (
            request.max_tokens is None or request.api == "responses"
        ):  # its context is known once it is planned
            planned = self.planned(ticket, now).tokens
            return ticket.prompt_tokens + (request.max_tokens or planned)
        return ticket.prompt_tokens + request.max_tokens * (request.body.get("n") or 1)

    def _accepted(self, ticket: Ticket, now: float) -> None:
        """Complete an accepted request: idempotency entry, effect, and the script that it gets at once, if any."""
        answer = self.planned(ticket, now)
        if not ticket.replay:  # the first request had its effect, and is remembered
            if ticket.request.idempotency_key is not None:
                ticket.idempotency = self.idempotency.remember(ticket, answer)
            if answer.effect is not None:
                ticket.executed = True
                ticket.handle = TicketHandle(ticket, self.schedule, service.cancel)
                answer.effect(ticket.handle)
        if answer.early is not None:
            ticket.early = service.early_answer(ticket, answer.early, self.plan.seed, self.unix_t0, now)

    def planned(self, ticket: Ticket, now: float) -> Answer:
        """Return the ticket's healthy answer, made once. It is drawn per call, so every attempt says the same."""
        answer = ticket.answer
        if answer is None:
            request, world = ticket.request, self._world(ticket, now)
            made = answer_anyway(request, world, self.answer) if request.unknown_ids else None
            answer = ticket.answer = made or self.answer(request, world)
            ticket.truth_digest = answer.truth_digest
            ticket.tokens_planned = answer.tokens
            ticket.prompt_tokens += answer.context_tokens
        return answer

    def _world(self, ticket: Ticket, now: float) -> World:
        if ticket.world is not None and ticket.world.now == now:
            return ticket.world
        settings, seed = ticket.region.settings, self.plan.seed
        call_id = ticket.call.key
        length = settings.tokens
        told = self.plan.answer_tokens.get(ticket.request.call_id or "")
        if told is not None:
            drawn: float = told
        else:
            drawn = length.median if length.constant else length.at(uniform(seed, "tokens", call_id))
        world = World(
            seed=seed,
            call_key=call_id,
            store=self.store,
            attempt=ticket.attempt,
            tokens=max(1, min(MOST_TOKENS, round(drawn))),
            tokens_per_chunk=settings.tokens_per_chunk,
            tool_calls=settings.tool_calls,
            now=now,
            unix_t0=self.unix_t0,
            models=settings.models,
            batches=settings.batches,
            prepared=ticket.prepared,
            line=None if ticket.takes_slot else partial(line_answer, self, ticket.region, ticket.phase, now),
        )
        # Requests without a slot need a world once.
        if ticket.takes_slot:
            ticket.world = world
        return world

    def _stamp(self, ticket: Ticket) -> RequestStamp:
        return request_stamp(self.plan.seed, ticket.call.key, ticket.attempt)


def _prepared(ticket: Ticket, steps: Preparation) -> Generator[None, None, None]:
    ticket.prepared = yield from steps


STAGES = (
    Admission.check,
    Admission.look_up,
    Admission.find_repeated,
    Admission.edge,
    Admission.limits,
    Admission.queue,
)
"""What decides on a request, in this order. The first that returns a script refuses with it.

Growth is checked with the limits, whose buckets it shares.
"""

_FREE = STAGES.index(Admission.limits)
"""The stages before this one take neither quota nor slot; a line of a batch passes those alone."""


def _replay(ticket: Ticket, remembered: IdempotencyEntry) -> None:
    """Repeat an earlier request's answer, at that one's pace while its work goes on. Takes no quota and no slot."""
    first, answer = remembered.ticket, remembered.answer
    ticket.replay = True
    ticket.idempotency = None
    ticket.takes_slot = ticket.generates = False
    ticket.answer = answer
    ticket.truth_digest = answer.truth_digest
    ticket.tokens_planned = answer.tokens
    ticket.state = "granted"
    if first is None:
        return
    first.awaited = True
    # What was sent early does not depend on the first request's pace: the replay need not wait for its slot.
    if answer.early is not None:
        return
    if first.state == "running":
        service.follow(ticket, first)
    else:
        ticket.state = "queued"
        ticket.follows = first
        first.followers = (*first.followers, ticket)
