"""Stages 1 to 5 of a request: checks, edge faults, rate limits, growth, queue. What is refused has taken no slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mock_server.api import errors
from mock_server.api.answer import Answer
from mock_server.api.headers import RequestStamp, request_stamp
from mock_server.chance import uniform
from mock_server.errors import FaultHeaderError
from mock_server.identity import BY_FAULT
from mock_server.plan import Plan
from mock_server.provider.capacity import Place
from mock_server.provider.faulty import edge_answer, keep_promise
from mock_server.provider.limits import Quota, Refusal
from mock_server.provider.refusals import limited, quota_headers, whole_milliseconds
from mock_server.provider.ticket import Ticket
from mock_server.rules import Chosen, RuleBook, asked_for
from mock_server.script import Script

Answering: TypeAlias = Callable[..., Answer]
"""`api.answer.answer`, or what a test puts in its place."""

EPOCH = 1_767_225_600
"""The Unix time that answers state at t0: 1 January 2026. No clock is read, so equal runs have equal bytes."""

EARLY_S = 0.001
"""Coming back this much before the promised time is the granularity of timers, not impatience."""


@dataclass(slots=True)
class Admission:
    """Decides on requests under one plan."""

    plan: Plan
    rules: RuleBook
    answering: Answering

    def decide(self, ticket: Ticket, now: float) -> None:
        """Set the ticket's state to refused, queued or granted, and what goes with it."""
        request, capacity = ticket.request, ticket.place.capacity
        ticket.queue_depth = capacity.waiting
        ticket.in_flight = capacity.busy
        promise = ticket.call.promise
        if promise is not None:
            ticket.came_back_early = promise.until - now > EARLY_S and promise.concerns(request)
        script = request.problem or self._unserved(ticket) or self._edge(ticket, now)
        if script is not None:
            _refuse(ticket, script)
        elif request.api == "models":
            self._plan_answer(ticket, now)
            ticket.state = "granted"
        else:
            self._limit(ticket, now)

    def _unserved(self, ticket: Ticket) -> Script | None:
        """404 for a model that the provider does not have."""
        models, request = ticket.place.conditions.models, ticket.request
        if models is None or request.model in models or request.api == "models":
            return None
        return errors.model_not_found(request.model).script(self._stamp(ticket))

    def _edge(self, ticket: Ticket, now: float) -> Script | None:
        """Choose the faults; the script of an edge fault that takes neither quota nor slot."""
        request, call = ticket.request, ticket.call
        chosen = self.rules.choose(request, call.call_id, call.index, ticket.attempt, now, ticket.phase)
        if request.fault_header is not None:
            try:
                chosen = _with_asked_for(chosen, request.fault_header, request.api, request.stream)
            except FaultHeaderError as error:
                return errors.ApiError(400, str(error)).script(self._stamp(ticket))
        ticket.chosen = chosen
        if chosen.edge is None or chosen.edge.charge:
            return None
        quota = ticket.place.limits.quota(request.key_hash, request.model, now)
        return edge_answer(ticket, chosen.edge, quota, self.plan.seed, EPOCH, now)

    def _limit(self, ticket: Ticket, now: float) -> None:
        """Rate limits, growth, and the way into the queue or a slot."""
        request, region = ticket.request, ticket.place
        quota = region.limits.quota(request.key_hash, request.model, now)
        tokens = 0
        if quota is not None:
            if quota.tokens is not None:
                tokens = self._tokens_asked_for(ticket, now)
            refusal = quota.check(tokens, now)
            penalty = _penalty(ticket, quota, now)
            if penalty > 0.0 and refusal is None and ticket.call.promise is not None:
                refusal = Refusal(ticket.call.promise.by)
            if refusal is not None:
                self._refuse_limited(ticket, quota, refusal, tokens, penalty, now)
                return
        place = region.capacity.offers()
        if place is Place.NOWHERE:
            if quota is not None:
                quota.charge_refused(now)
            _refuse(ticket, errors.overloaded().script(self._stamp(ticket), quota_headers(quota, now)))
            return
        self._plan_answer(ticket, now)
        if quota is not None:
            quota.charge(tokens, now)
            ticket.quota = quota
            ticket.charged_tokens = tokens
        if place is Place.SLOT:
            ticket.state = "granted"
            region.take_slot(now)
        else:
            ticket.state = "queued"
            region.capacity.wait(ticket)

    def _refuse_limited(
        self, ticket: Ticket, quota: Quota, refusal: Refusal, tokens: int, penalty: float, now: float
    ) -> None:
        """A 429, with the exact wait after what the refusal itself took."""
        quota.charge_refused(now)
        wait = 0.0 if refusal is Refusal.TOO_LARGE else max(quota.wait(tokens, now), penalty)
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
            keep_promise(ticket, whole_milliseconds(wait) / 1000.0, refusal.value, now)
        _refuse(ticket, script)

    def _tokens_asked_for(self, ticket: Ticket, now: float) -> int:
        """What the TPM limit is charged: the prompt, and max_tokens of every choice or else what is planned."""
        request = ticket.request
        if request.api == "embeddings":
            return ticket.prompt_tokens
        if request.max_tokens is None:
            return ticket.prompt_tokens + self._plan_answer(ticket, now).tokens
        choices = request.body.get("n") if request.api == "chat" else None
        return ticket.prompt_tokens + request.max_tokens * (choices or 1)

    def _plan_answer(self, ticket: Ticket, now: float) -> Answer:
        """What the ticket's healthy answer will be: drawn per call, so every attempt means the same."""
        if ticket.answer is None:
            request, conditions, seed = ticket.request, ticket.place.conditions, self.plan.seed
            call_id = ticket.call.call_id
            length = conditions.tokens
            drawn = length.median if length.constant else length.at(uniform(seed, "tokens", call_id))
            ticket.answer = self.answering(
                request,
                seed=seed,
                call_key=call_id,
                attempt=ticket.attempt,
                tokens=max(1, round(drawn)),
                tokens_per_chunk=conditions.tokens_per_chunk,
                tool_calls=conditions.tool_calls,
                created=EPOCH + int(now),
                models=conditions.models,
            )
            ticket.truth_digest = ticket.answer.truth_digest
            ticket.tokens_planned = ticket.answer.tokens
        return ticket.answer

    def _stamp(self, ticket: Ticket) -> RequestStamp:
        return request_stamp(self.plan.seed, ticket.call.call_id, ticket.attempt)


def _refuse(ticket: Ticket, script: Script) -> None:
    ticket.state = "refused"
    ticket.script = script
    ticket.status = script.status


def _penalty(ticket: Ticket, quota: Quota, now: float) -> float:
    """The wait of a request that came back before the limiter's promised time: prolonged. Else 0."""
    promise, penalty = ticket.call.promise, quota.settings.early_return_penalty
    if penalty is None or promise is None or not ticket.came_back_early or promise.by == BY_FAULT:
        return 0.0
    return promise.until + penalty - now


def _with_asked_for(chosen: Chosen, header: str, api: str, stream: bool) -> Chosen:
    """What the rules chose, and the fault that the request itself asks for. Raises `FaultHeaderError`."""
    use = asked_for(header)
    if not use.kind.acts_on(api, stream):
        form = "streamed" if stream else "not streamed"
        where = f"{', '.join(use.kind.apis)} ({' or '.join(use.kind.forms)})"
        raise FaultHeaderError("x-windtunnel-fault", f"{use.kind.name} for {api}, {form}", where)
    if use.kind.stage == "edge":
        return Chosen(use)
    return Chosen(chosen.edge, (*chosen.answer, use))
