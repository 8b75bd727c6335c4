"""The rules of a plan: they choose the faults of each attempt.

    request ──► rules that match it (cached) ──► burst window ──► trigger ──► Chosen(edge, answer)

Every rule decides for itself: what another one does moves neither its draws nor its counters. Of several
edge faults the first in the plan's order stands, alone but for what makes errors late as well (`on_errors`); answer
faults are applied one after the other, layer by layer (`faults.base.LAYERS`), within a layer in the plan's order.
Faults of the listener meet no request: they are in `outages.py`. Counting rules are the only state here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.faults import parse_fault_header
from windtunnel.mock_server.faults.base import RANK, FaultKind, Params
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.rule import Rule, Use

CACHED_MATCHES = 4096
NUMBERED_CALLS = 50_000

REQUESTED = "header"
"""The rule id of a fault that the request itself asked for."""


class MatchedRequest(Protocol):
    """The properties of a request that rules match."""

    @property
    def api(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def stream(self) -> bool: ...
    @property
    def key_hash(self) -> str: ...
    @property
    def http2(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FaultUse:
    """One fault that acts on one attempt. `charge`: it takes quota though it never reaches the limits;
    `holds_slot`: the slot is held for as long as the changed answer lasts."""

    kind: FaultKind
    params: Params
    rule_id: str
    charge: bool = False
    holds_slot: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The faults of one attempt: an edge fault in place of the answer, or faults on the healthy answer."""

    edge: FaultUse | None = None
    answer: tuple[FaultUse, ...] = ()


NO_FAULTS = Chosen()


def edge_with(edge: FaultUse, answer: Iterable[FaultUse]) -> Chosen:
    """Return an edge fault and those of the answer faults that act on its answer: a status error has a head."""
    if edge.kind.family != "status":
        return Chosen(edge)
    return Chosen(edge, layered([use for use in answer if use.kind.on_errors]))


def layered(uses: Iterable[FaultUse]) -> tuple[FaultUse, ...]:
    """Sort answer faults into the order in which they act: by layer, within a layer as given."""
    return tuple(sorted(uses, key=lambda use: RANK[use.kind.layer]))


@dataclass(frozen=True, slots=True)
class _AttemptFacts:
    """The facts of one attempt that triggers use; `elapsed` is seconds since the rule's phase began."""

    seed: int
    rule_id: str
    call_id: str
    call_index: int
    attempt: int
    elapsed: float

    def draw(self) -> float:
        return uniform(self.seed, "rule", self.rule_id, self.call_id, self.attempt)


_Trigger: TypeAlias = Callable[[_AttemptFacts], int | None]
"""Returns which entry of the rule acts (0 for the only one), or None."""


class _CallNumbers:
    """Numbers for calls without an index of their own, in order of their first request."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._next = 0

    def of(self, call_id: str) -> int:
        number = self._numbers.get(call_id)
        if number is None:
            number = self._next
            self._next += 1
            self._numbers[call_id] = number
            if len(self._numbers) > NUMBERED_CALLS:
                self._numbers.popitem(last=False)
        else:
            self._numbers.move_to_end(call_id)
        return number


def _counted(rule: Rule, per: str) -> Callable[[_AttemptFacts], int]:
    """Return the counter of `first` and `sequence`: the attempt of the call, or the rule's matching requests."""
    if per == "call":
        return lambda facts: facts.attempt
    seen = 0

    def count(facts: _AttemptFacts) -> int:
        nonlocal seen
        seen += 1
        return seen - 1

    return count


def _trigger(rule: Rule, per: str, length: float) -> _Trigger:
    """Return the rule's trigger, with a counter of its own; `length` is that of its phase in seconds."""
    if rule.rate is not None:
        rate = rule.rate
        return lambda facts: 0 if facts.draw() < rate else None
    if rule.ramp is not None:
        start, end, over = rule.ramp.from_, rule.ramp.to, rule.ramp.over or length

        def ramp(facts: _AttemptFacts) -> int | None:
            share = min(1.0, max(0.0, facts.elapsed / over))
            return 0 if facts.draw() < start + (end - start) * share else None

        return ramp
    count = _counted(rule, per)
    if rule.first is not None:
        first = rule.first
        return lambda facts: 0 if count(facts) < first else None
    if rule.every is not None:
        every = rule.every
        number = (lambda facts: facts.call_index) if per == "call" else count
        return lambda facts: 0 if (number(facts) + 1) % every == 0 else None
    if rule.sequence is not None:
        entries = len(rule.sequence)

        def next_entry(facts: _AttemptFacts) -> int | None:
            entry = count(facts)
            return entry if entry < entries else None

        return next_entry
    return lambda facts: 0


class _ActiveRule:
    """One rule of one phase, with its counters."""

    __slots__ = ("_burst", "_start", "_trigger", "_uses", "rule", "rule_id")

    def __init__(self, rule_id: str, rule: Rule, plan: Plan, start: float, length: float) -> None:
        self.rule_id = rule_id
        self.rule = rule
        self._start = start
        self._burst = None if rule.burst is None else (rule.burst.every, rule.burst.for_)
        self._trigger = _trigger(rule, rule.per or plan.per_default, length)
        self._uses = tuple(None if use is None else self._use(use) for use in rule.uses)

    def _use(self, use: Use) -> FaultUse:
        return FaultUse(use.kind, use.params, self.rule_id, self.rule.charge, self.rule.holds_slot)

    def matches(self, request: MatchedRequest, attempt: int) -> bool:
        match = self.rule.match
        return (
            (match.attempt is None or match.attempt == attempt)
            and match.holds(request.api, request.model, request.region, request.stream, request.key_hash)
            and self.rule.acts_on(request.api, request.stream, request.http2)
        )

    def decide(self, seed: int, call_id: str, call_index: int, attempt: int, now: float) -> FaultUse | None:
        elapsed = now - self._start
        if self._burst is not None and elapsed % self._burst[0] >= self._burst[1]:
            return None
        # Outside its burst a rule does not count either: the trigger is not asked.
        entry = self._trigger(_AttemptFacts(seed, self.rule_id, call_id, call_index, attempt, elapsed))
        return None if entry is None else self._uses[entry]


class RuleBook:
    """The rules of a plan with their counters. Order-independent, but for rules that count `per: rule`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.reset()

    def reset(self) -> None:
        """Set all counters to zero."""
        plan = self._plan
        always = len(plan.rules)
        self._phases: list[tuple[_ActiveRule, ...]] = []
        # One object for all phases: a rule that is always on goes on counting when a phase begins.
        shared = [
            _ActiveRule(rule_id, rule, plan, 0.0, plan.length) for rule_id, rule in plan.rules_at(0)[:always]
        ]
        for p in range(max(1, len(plan.phases))):
            own = plan.rules_at(p)[always:]
            length = plan.phases[p].for_ if plan.phases else 0.0
            own_rules = [
                _ActiveRule(rule_id, rule, plan, plan.phase_start(p), length) for rule_id, rule in own
            ]
            self._phases.append((*shared, *own_rules))
        self._matching: dict[tuple[int, int, str, str, str, bool, str, bool], tuple[_ActiveRule, ...]] = {}
        self._attempts = {rule.rule.match.attempt for rules in self._phases for rule in rules} - {None}
        self._numbers = _CallNumbers()

    def choose(
        self,
        request: MatchedRequest,
        call_id: str,
        call_index: int | None,
        attempt: int,
        now: float,
        phase: int,
    ) -> Chosen:
        """Choose the faults of attempt `attempt` of a call at `now` (seconds from t0) in phase `phase`.

        Draws depend on `call_id`. `call_index` is the call's position in the schedule, None where that is unknown
        (then calls are numbered in order of arrival).
        """
        rules = self._matching_rules(request, phase, attempt)
        # A rule may match only a later attempt of the call, so calls are numbered even where no rule matches now.
        if call_index is None and (rules or self._attempts):
            call_index = self._numbers.of(call_id)
        if not rules:
            return NO_FAULTS
        edge: FaultUse | None = None
        answer: list[FaultUse] = []
        # Every rule decides, even behind an edge fault that stands already: its counter must not depend on others.
        for rule in rules:
            use = rule.decide(self._plan.seed, call_id, call_index or 0, attempt, now)
            if use is None or not use.kind.acts_on(request.api, request.stream, request.http2):
                continue
            if use.kind.stage == "answer":
                answer.append(use)
            elif edge is None:
                edge = use
        if edge is not None:
            return edge_with(edge, answer)
        if len(answer) > 1:
            return Chosen(None, layered(answer))
        return Chosen(None, tuple(answer)) if answer else NO_FAULTS

    def _matching_rules(self, request: MatchedRequest, phase: int, attempt: int) -> tuple[_ActiveRule, ...]:
        # Attempts that no rule names match the same rules: -1 stands for all of them.
        named_attempt = attempt if attempt in self._attempts else -1
        key = (
            phase,
            named_attempt,
            request.api,
            request.model,
            request.region,
            request.stream,
            request.key_hash,
            request.http2,
        )
        rules = self._matching.get(key)
        if rules is None:
            if len(self._matching) >= CACHED_MATCHES:
                self._matching.clear()
            rules = tuple(rule for rule in self._phases[phase] if rule.matches(request, attempt))
            self._matching[key] = rules
        return rules


@lru_cache(maxsize=256)
def requested_fault(header: str) -> FaultUse:
    """Parse the fault of an `x-windtunnel-fault` header. Raises `FaultHeaderError`."""
    kind, params = parse_fault_header(header)
    return FaultUse(kind, params, REQUESTED)
