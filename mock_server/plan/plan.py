"""A plan: what the mock server does, and when. Plain data, checked when it is loaded.

    Plan
    ├── provider   the closed loop: regions, capacity, answers, limits
    ├── rules      faults that are always on
    └── phases     one after the other: a length, rules of their own, overrides of the provider

Before t0 the first phase's conditions hold, after the end the last one's. Without phases there is one
endless phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import filter as filter_names
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, PrivateAttr, model_validator

from windtunnel.mock_server.errors import PlanError, nearest
from windtunnel.mock_server.plan.distributions import MOST_TOKENS
from windtunnel.mock_server.plan.model import Loc, Problem, Strict, raise_located
from windtunnel.mock_server.plan.provider import (
    AnswerModel,
    Capacity,
    Growth,
    Limits,
    PartOf,
    Provider,
    Region,
    RegionSettings,
    overridden,
)
from windtunnel.mock_server.plan.rule import Burst, Match, Ramp, Rule, SequenceEntry
from windtunnel.mock_server.plan.units import PositiveSeconds

MOST_PHASES = 500
MOST_RULES = 1_000
MOST_SETTINGS = 2_000
"""Phases times regions: the settings of each region in each phase are worked out when a plan is put in force, while
requests are under way."""

MOST_NAMED = 2_000_000
"""Calls whose answers' lengths a plan tells: those of a trace, with its warm-up."""

MOST_PROBLEMS = 20
"""Contradictions of a plan, after which no further ones are looked for: finding the nearest name takes a while."""

PLAN_VERSIONS = (1,)
"""What `plan_version` of a plan may be; a plan need not have one."""


class Phase(Strict):
    """A stretch of time with conditions of its own."""

    name: str = Field(min_length=1, description="What reports call it; metrics are narrowed with @name.")
    for_: PositiveSeconds = Field(alias="for", description="How long it lasts.")
    rules: list[Rule] = Field(
        default=[],
        max_length=MOST_RULES,
        description="Faults while it lasts, after those that are always on."
        " At most 1,000: each is looked at for every request.",
    )
    provider: Annotated[dict[str, Any], PartOf(Provider)] = Field(
        default={}, description="What differs from the provider while it lasts."
    )


class Plan(Strict):
    """Everything that the mock server has to know."""

    name: str = Field(default="", description="The name of the plan.")
    seed: int = Field(
        default=0,
        le=2**63 - 1,
        description="Where every draw comes from. At most 9,223,372,036,854,775,807: it is kept in 64 bits.",
    )
    provider: Provider = Field(default=Provider(), description="The provider itself.")
    rules: list[Rule] = Field(
        default=[],
        max_length=MOST_RULES,
        description="Faults that are always on. At most 1,000: each is looked at for every request.",
    )
    phases: list[Phase] = Field(
        default=[],
        max_length=MOST_PHASES,
        description="What changes, and when; none: one endless phase. At most 500, and phases times regions at most"
        " 2,000: all of it is worked out when a plan is put in force.",
    )
    per_default: Literal["call", "rule"] = Field(
        default="call", description="What first, sequence and every count in rules that do not say."
    )
    answer_tokens: dict[str, Annotated[int, Field(ge=1, le=MOST_TOKENS)]] = Field(
        default={},
        max_length=MOST_NAMED,
        description="How long the answers of calls are that name themselves (x-windtunnel-call), by that name; every"
        " other answer is as long as the provider's `answer.tokens` says. At most 2,000,000 names: they are in memory.",
    )
    _settings: tuple[Provider, ...] = PrivateAttr(default=())
    _implied: tuple[tuple[tuple[str, Rule], ...], ...] = PrivateAttr(default=())
    _starts: tuple[float, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _of_a_known_version(cls, data: Any) -> Any:
        """Take the version off a plan that has one. Of another version nothing else can be relied on."""
        if not isinstance(data, dict) or "plan_version" not in data:
            return data
        version = data["plan_version"]
        if version not in PLAN_VERSIONS or isinstance(version, bool):
            known = " or ".join(map(str, PLAN_VERSIONS))
            error = PlanError("", repr(version), f"{known}, the only version that there is")
            raise_located(cls.__name__, [(("plan_version",), error)])
        return {key: value for key, value in data.items() if key != "plan_version"}

    @model_validator(mode="after")
    def _settle(self) -> Self:
        raise_located("Plan", too_many(self.provider, self.phases))
        self._settings = settle_phases(self.provider, self.phases)
        raise_located("Plan", problems(self.provider, self._settings, self.rules, self.phases))
        self._implied = tuple([implied_rules(settings) for settings in self._settings or (self.provider,)])
        starts = [0.0]
        for phase in self.phases:
            starts.append(starts[-1] + phase.for_)
        self._starts = tuple(starts)
        return self

    def settings_at(self, phase: int | None) -> Provider:
        """Return the provider in a phase, overrides applied; the plain one for None or without phases."""
        return self.provider if phase is None or not self._settings else self._settings[phase]

    def phase_at(self, now: float) -> int:
        """Return the index of the phase that holds at `now` (seconds from t0); 0 without phases."""
        index = 0
        for i in range(1, len(self.phases)):
            if now >= self._starts[i]:
                index = i
        return index

    def phase_start(self, phase: int) -> float:
        """Return when a phase begins, in seconds from t0."""
        return self._starts[phase]

    def next_start(self, now: float) -> float | None:
        """Return when the next phase begins after `now`, or None if there is none."""
        return next((start for start in self._starts[1 : len(self.phases)] if start > now), None)

    @property
    def length(self) -> float:
        """The length of all phases together, in seconds; 0 without phases."""
        return self._starts[-1]

    def rules_at(self, phase: int) -> tuple[tuple[str, Rule], ...]:
        """Return the rules of a phase with their ids: those that are always on, those of the phase, and what stands in
        the middle of each region's way."""
        named = [(rule.id or f"rules[{i}]", rule) for i, rule in enumerate(self.rules)]
        if self.phases:
            here = self.phases[phase]
            named += [(rule.id or f"{here.name}[{i}]", rule) for i, rule in enumerate(here.rules)]
        named += self._implied[phase]
        return tuple(named)


def implied_rules(provider: Provider) -> tuple[tuple[str, Rule], ...]:
    """Return the rules that what stands in the middle amounts to, with their ids: `middle.REGION[0].timeout`."""
    found = []
    for region in provider.regions:
        for i, one in enumerate(provider.region(region).middle):
            for part, fault, params in one.faults():
                rule = {"fault": fault, "with": params, "match": {"region": region}}
                found.append((f"middle.{region}[{i}].{part}", Rule.model_validate(rule)))
    return tuple(found)


def settle_phases(provider: Provider, phases: Sequence[Phase]) -> tuple[Provider, ...]:
    """Return the provider of each phase. Raises a ValidationError located at `phases.<i>.provider`."""
    return tuple(
        overridden(provider, phase.provider, ("phases", i, "provider")) if phase.provider else provider
        for i, phase in enumerate(phases)
    )


def too_many(provider: Provider, phases: Sequence[Phase]) -> list[Problem]:
    """Return the problem of more settings or rules than a plan may have in all; looked for before they are worked
    out."""
    settings, rules = len(phases) * len(provider.regions), sum([len(phase.rules) for phase in phases])
    problems: list[Problem] = []
    if settings > MOST_SETTINGS:
        found = f"{len(phases)} phases times {len(provider.regions)} regions"
        problems.append((("phases",), PlanError("", found, f"at most {MOST_SETTINGS:,} together")))
    if rules > MOST_RULES:
        found = f"{rules:,} rules in all phases together"
        problems.append((("phases",), PlanError("", found, f"at most {MOST_RULES:,}")))
    return problems


def problems(
    provider: Provider, settings: Sequence[Provider], rules: Sequence[Rule], phases: Sequence[Phase]
) -> list[Problem]:
    """Return the contradictions of a plan, each with its key path. `settings` are the providers of the phases."""
    placed: list[_Placed] = [(("rules", i), rule, settings or (provider,)) for i, rule in enumerate(rules)]
    for p, phase in enumerate(phases):
        placed += [
            (("phases", p, "rules", i), rule, settings[p : p + 1]) for i, rule in enumerate(phase.rules)
        ]
    found = [*_phase_problems(provider, settings, phases), *_second_ids(placed)]
    for at, rule, here in placed:
        if len(found) >= MOST_PROBLEMS:
            break
        found += _impossible(rule, at, here)
        if rule.ramp is not None and rule.ramp.over is None and not phases:
            endless = PlanError("", "a ramp without a length in a plan without phases", "`over`, such as 30s")
            found.append(((*at, "ramp"), endless))
    return found


_Placed: TypeAlias = tuple[Loc, Rule, Sequence[Provider]]
"""A rule, where it stands, and the providers that it meets."""


def _phase_problems(
    provider: Provider, settings: Sequence[Provider], phases: Sequence[Phase]
) -> Iterator[Problem]:
    names: set[str] = set()
    for p, phase in enumerate(phases):
        if phase.name in names:
            twice = PlanError("", f"a second phase {phase.name!r}", "a name of its own")
            yield ("phases", p, "name"), twice
        names.add(phase.name)
        for name in settings[p].regions.keys() - provider.regions.keys():
            yield ("phases", p, "provider", "regions", name), _unknown_region(name, provider)
        for name, region in provider.regions.items():
            here = settings[p].regions.get(name, region)
            if (here.tls is None) != (region.tls is None):
                found = "TLS in this phase alone" if region.tls is None else "no TLS in this phase"
                expected = "TLS in all phases or in none: a base URL begins with https or with http"
                yield ("phases", p, "provider", "regions", name, "tls"), PlanError("", found, expected)


def _second_ids(placed: Sequence[_Placed]) -> Iterator[Problem]:
    ids: set[str] = set()
    for at, rule, _ in placed:
        if rule.id is not None and rule.id in ids:
            yield (*at, "id"), PlanError("", f"a second rule {rule.id!r}", "an id of its own")
        ids.update({rule.id} if rule.id else ())


def _unknown_region(name: str, provider: Provider) -> PlanError:
    return PlanError("", f"the unknown region {name!r}", nearest(name, provider.regions, what="region"))


def _impossible(rule: Rule, at: Loc, providers: Sequence[Provider]) -> Iterator[Problem]:
    """Return the matches of a rule that never hold with the providers of its phases."""
    match = rule.match
    if match.region is not None and match.region not in providers[0].regions:
        yield (*at, "match", "region"), _unknown_region(match.region, providers[0])
    shaking = next(
        (use.kind.name for use in rule.uses if use is not None and use.kind.stage == "handshake"), None
    )
    if shaking is not None:
        regions = providers[0].regions if match.region is None else {match.region}
        if not set(regions) & set(providers[0].secured):
            where = (
                "where no region has TLS"
                if match.region is None
                else f"in {match.region!r}, which has no TLS"
            )
            yield (
                (*at, "fault"),
                PlanError("", f"{shaking} {where}", "`tls: true` of a region that it is for"),
            )
    if match.model is None or any(provider.models is None for provider in providers):
        return
    served = sorted({name for provider in providers for name in provider.models or ()})
    if not filter_names(served, match.model):
        found = f"the model {match.model!r}, which the provider does not serve"
        yield (*at, "match", "model"), PlanError("", found, nearest(match.model, served, what="model"))


__all__ = [
    "AnswerModel",
    "Burst",
    "Capacity",
    "Growth",
    "Limits",
    "Match",
    "Phase",
    "Plan",
    "Provider",
    "Ramp",
    "Region",
    "RegionSettings",
    "Rule",
    "SequenceEntry",
]
