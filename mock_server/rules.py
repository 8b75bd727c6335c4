"""Who gets a fault, and when: the rules of a plan, applied to one request after the other.

    request ──► rules that match it (cached) ──► burst window ──► trigger ──► Chosen(edge, answer)

Every rule decides for itself: what another one does moves neither its draws nor its counters. Of several
edge faults the first in the plan's order stands, alone; answer faults are applied one after the other, layer by
layer (`faults.base.LAYERS`), within a layer in the plan's order. Faults of the listener meet no request: they
are in `outages.py`. Counting rules are the only state here.
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
"""Where rules have an id: a fault that the request itself asked for."""


class MatchedRequest(Protocol):
    """What a rule looks at in a request."""

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
    """What happens to one attempt: an edge fault in place of the answer, or faults on the healthy answer."""

    edge: FaultUse | None = None
    answer: tuple[FaultUse, ...] = ()


NO_FAULTS = Chosen()


def layered(uses: Iterable[FaultUse]) -> tuple[FaultUse, ...]:
    """Answer faults in the order in which they act: by layer, otherwise as they come."""
    return tuple(sorted(uses, key=lambda use: RANK[use.kind.layer]))


@dataclass(frozen=True, slots=True)
class _AttemptFacts:
    """One attempt, as triggers see it; `elapsed` is seconds since the rule's phase began."""

    seed: int
    rule_id: str
    call_id: str
    call_index: int
    attempt: int
    elapsed: float

    def draw(self) -> float:
        return uniform(self.seed, "rule", self.rule_id, self.call_id, self.attempt)


_Trigger: TypeAlias = Callable[[_AttemptFacts], int | None]
"""Which entry of the rule acts (0 for the only one), or None."""


class _CallNumbers:
    """Calls without an index of their own, numbered in order of their first request."""

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
    """What `first` and `sequence` count by: the attempt of the call, or the rule's matching requests."""
    if per == "call":
        return lambda facts: facts.attempt
    seen = 0

    def count(facts: _AttemptFacts) -> int:
        nonlocal seen
        seen += 1
        return seen - 1

    return count


def _trigger(rule: Rule, per: str, length: float) -> _Trigger:
    """The rule's trigger, with a counter of its own; `length` is that of its phase in seconds."""
    if rule.rate is not None:
        rate = rule.rate
        return lambda facts: 0 if facts.draw() < rate else None
    if rule.ramp is not None:
        start, end, over = rule.ramp.from_, rule.ramp.to, rule.ramp.over or length

        def climb(facts: _AttemptFacts) -> int | None:
            share = min(1.0, max(0.0, facts.elapsed / over))
            return 0 if facts.draw() < start + (end - start) * share else None

        return climb
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

        def play(facts: _AttemptFacts) -> int | None:
            place = count(facts)
            return place if place < entries else None

        return play
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
            and self.rule.acts_on(request.api, request.stream)
        )

    def decide(self, seed: int, call_id: str, call_index: int, attempt: int, now: float) -> FaultUse | None:
        elapsed = now - self._start
        if self._burst is not None and elapsed % self._burst[0] >= self._burst[1]:
            return None
        place = self._trigger(_AttemptFacts(seed, self.rule_id, call_id, call_index, attempt, elapsed))
        return None if place is None else self._uses[place]


class RuleBook:
    """The rules of a plan with their counters. Order-independent, but for rules that count `per: rule`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.reset()

    def reset(self) -> None:
        """Forget everything that was counted."""
        plan = self._plan
        always = len(plan.rules)
        self._phases: list[tuple[_ActiveRule, ...]] = []
        shared = [
            _ActiveRule(rule_id, rule, plan, 0.0, plan.length) for rule_id, rule in plan.rules_at(0)[:always]
        ]
        for p in range(max(1, len(plan.phases))):
            own = plan.rules_at(p)[always:]
            length = plan.phases[p].for_ if plan.phases else 0.0
            live = [_ActiveRule(rule_id, rule, plan, plan.phase_start(p), length) for rule_id, rule in own]
            self._phases.append((*shared, *live))
        self._matching: dict[tuple[int, int, str, str, str, bool, str], tuple[_ActiveRule, ...]] = {}
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
        """What happens to attempt `attempt` of a call at `now` (seconds from t0) in phase `phase`.

        `call_id` is what draws depend on; `call_index` is the call's place in the schedule, None where
        nobody knows it (then calls are numbered in order of arrival).
        """
        live = self._live(request, phase, attempt)
        if call_index is None and (live or self._attempts):
            call_index = self._numbers.of(
                call_id
            )  # also at an attempt that no rule asks for: calls are counted
        if not live:
            return NO_FAULTS
        edge: FaultUse | None = None
        answer: list[FaultUse] = []
        for rule in live:
            use = rule.decide(self._plan.seed, call_id, call_index or 0, attempt, now)
            if use is None or not use.kind.acts_on(request.api, request.stream):
                continue
            if use.kind.stage == "answer":
                answer.append(use)
            elif edge is None:
                edge = use
        if edge is not None:
            return Chosen(edge)
        if len(answer) > 1:
            return Chosen(None, layered(answer))
        return Chosen(None, tuple(answer)) if answer else NO_FAULTS

    def _live(self, request: MatchedRequest, phase: int, attempt: int) -> tuple[_ActiveRule, ...]:
        # Attempts that no rule asks for are alike: -1 stands for them.
        asked = attempt if attempt in self._attempts else -1
        key = (phase, asked, request.api, request.model, request.region, request.stream, request.key_hash)
        live = self._matching.get(key)
        if live is None:
            if len(self._matching) >= CACHED_MATCHES:
                self._matching.clear()
            live = tuple(rule for rule in self._phases[phase] if rule.matches(request, attempt))
            self._matching[key] = live
        return live


@lru_cache(maxsize=256)
def requested_fault(header: str) -> FaultUse:
    """The fault that an `x-windtunnel-fault` header asks for. Raises `FaultHeaderError`."""
    kind, params = parse_fault_header(header)
    return FaultUse(kind, params, REQUESTED)
