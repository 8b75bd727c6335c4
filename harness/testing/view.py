"""A test's view of the mock: what it shall do, what it has served, and assertions about the client.

fault, sequence, limits, scenario ──► a plan ──► the mock, wherever it runs (a subclass knows)
                                                   │
served, calls, assert_… ◄── the rows of this test ◄┘
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Self

from windtunnel.harness.errors import InputError
from windtunnel.harness.testing import rules
from windtunnel.harness.testing.assertions import Assertions
from windtunnel.harness.testing.served import ServedCall, ServedRequest, calls_of
from windtunnel.harness.testing.timeline import timeline
from windtunnel.mock_server.control.named_plans import LATE
from windtunnel.mock_server.errors import nearest
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.provider import Provider, merge

NAME = "mock_openai"


class MockOpenAI(Assertions, ABC):
    """The mock as one test sees it. Point a client at `base_url` with `api_key`, ask for faults, look at `calls`.

    Whatever is asked for holds from that moment on, until the test is over or `clear` is called.
    """

    base_url: str
    api_key: str

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self._rules: list[dict[str, Any]] = []
        self._provider: dict[str, Any] = {}
        self._scenario: dict[str, Any] | None = None
        self._checked: Plan

    # ---- what the mock shall do

    def fault(self, name: str, **keywords: Any) -> Self:
        """Let a fault act, with its own parameters and those of a rule: `fault("stall", after_chunks=3, rate=0.5)`.

        Without `rate`, `first`, `every`, `ramp` or `burst` it acts on every request. Raises `InputError` for a
        fault or a parameter that does not exist.
        """
        __tracebackhide__ = True
        where = f"{NAME}.fault({name!r})"
        return self._add(where, rules.fault_rule(where, name, keywords))

    def sequence(self, entries: Iterable[Any], **keywords: Any) -> Self:
        """Let faults follow each other: `sequence(["overloaded", "overloaded", "ok"])` by the attempts of each call.

        With `per="rule"` they go by the requests of the whole test. After the last entry everything is well.
        """
        __tracebackhide__ = True
        where = f"{NAME}.sequence"
        return self._add(where, rules.sequence_rule(where, entries, keywords))

    def limits(self, **limits: Any) -> Self:
        """Set rate limits, as in a scenario's `provider.limits`: `limits(rpm=3)` refuses the fourth request."""
        __tracebackhide__ = True
        return self._set_provider(f"{NAME}.limits", {"limits": limits})

    def provider(self, **parts: Any) -> Self:
        """Set any part of a scenario's `provider`: `provider(capacity={"slots": 1}, answer={"tokens": 500})`."""
        __tracebackhide__ = True
        return self._set_provider(f"{NAME}.provider", parts)

    def scenario(self, name: str) -> Self:
        """Play a scenario of the gallery, or of a file, from its first phase, in place of what held before.

        The mock begins anew. Raises `InputError` for a scenario that does not exist or is wrong.
        """
        __tracebackhide__ = True
        self._rules, self._provider = [], {}
        self._scenario = rules.plan_of_scenario(name)
        self._begin(self._plan(f"{NAME}.scenario({name!r})"))
        return self

    def clear(self) -> Self:
        """Take every fault, limit and scenario away."""
        self._rules, self._provider, self._scenario = [], {}, None
        self._change(self._plan(NAME))
        return self

    def begin(self) -> Self:
        """Begin anew, as at the beginning of a test: no fault, no limit, nothing served."""
        self._rules, self._provider, self._scenario = [], {}, None
        self._begin(self._plan(NAME))
        return self

    def apply(self, where: str, asked: Mapping[str, Any]) -> None:
        """Do what a marker asks for: `faults`, `sequence`, `limits`, `provider`, `scenario`. Raises `InputError`."""
        known = ("faults", "sequence", "limits", "provider", "scenario")
        for key in asked:
            if key not in known:
                expected = nearest(key, known, what="keyword")
                raise InputError(where, found=f"the unknown keyword {key!r}", expected=expected)
        if "scenario" in asked:
            self.scenario(asked["scenario"])
        if "limits" in asked:
            self.limits(**asked["limits"])
        if "provider" in asked:
            self.provider(**asked["provider"])
        faults = asked.get("faults", ())
        for one in [faults] if isinstance(faults, str) else faults:
            self._add(where, rules.rule_of(where, one))
        if "sequence" in asked:
            self.sequence(asked["sequence"])

    def _add(self, where: str, rule: dict[str, Any]) -> Self:
        __tracebackhide__ = True
        self._rules.append(rule)
        try:
            self._change(self._plan(where))
        except InputError:
            self._rules.pop()  # the mistake is not repeated by whatever is asked for next
            raise
        return self

    def _set_provider(self, where: str, parts: Mapping[str, Any]) -> Self:
        __tracebackhide__ = True
        known = Provider.model_fields
        for key in parts:
            if key not in known or key == "regions":
                expected = nearest(key, [name for name in known if name != "regions"], what="part")
                raise InputError(where, found=f"the unknown part {key!r}", expected=expected)
        before = self._provider
        self._provider = merge(before, parts)
        try:
            self._change(self._plan(where))
        except InputError:
            self._provider = before
            raise
        return self

    def _plan(self, where: str) -> dict[str, Any]:
        """The plan of everything that was asked for, checked. Raises `InputError`."""
        __tracebackhide__ = True
        plan: dict[str, Any] = {"provider": dict(rules.FAST)} if self._scenario is None else self._scenario
        plan = {
            **plan,
            "name": plan.get("name", "") or NAME,
            "seed": plan.get("seed", self.seed),
            "provider": merge(plan.get("provider", {}), self._provider),
            "rules": [*plan.get("rules", []), *self._rules],
        }
        self._checked = rules.check(where, plan)
        return plan

    # ---- what it has served

    @property
    def served(self) -> list[ServedRequest]:
        """The requests of this test so far, in order; those under way as they stand."""
        return [ServedRequest.of(row) for row in self._rows() if row["plan"] != LATE]

    @property
    def calls(self) -> list[ServedCall]:
        """The same by call: the requests that a client has made for one intention, one after the other."""
        return calls_of(self.served)

    @property
    def late(self) -> list[ServedRequest]:
        """Requests that came with the key of an earlier test, and were refused."""
        return [ServedRequest.of(row) for row in self._rows() if row["plan"] == LATE]

    def timeline(self) -> str:
        """What was served, as text."""
        rows = self._rows()
        text = timeline(calls_of([ServedRequest.of(row) for row in rows if row["plan"] != LATE]))
        if late := sum(row["plan"] == LATE for row in rows):
            text += f"\n{late} more came with the key of an earlier test, and were refused with a 401"
        return text

    # ---- where the mock runs

    @abstractmethod
    def _begin(self, plan: dict[str, Any]) -> None:
        """Begin anew under a plan: what was served before is forgotten."""

    @abstractmethod
    def _change(self, plan: dict[str, Any]) -> None:
        """Put another plan in force; requests under way go on."""

    @abstractmethod
    def _rows(self) -> list[dict[str, Any]]:
        """The served rows of this test, in order of arrival; `ended_s` is None for a request under way."""

    @abstractmethod
    def _now_s(self) -> float:
        """Seconds since the test began."""


class PlanOnly(MockOpenAI):
    """A view without a mock: what it is asked for is checked, and that is all."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = self.api_key = ""

    def _begin(self, plan: dict[str, Any]) -> None:
        """Nothing runs."""

    def _change(self, plan: dict[str, Any]) -> None:
        """Nothing runs."""

    def _rows(self) -> list[dict[str, Any]]:
        return []

    def _now_s(self) -> float:
        return 0.0
