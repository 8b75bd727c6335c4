"""Which region of the provider a client calls: its part of a profile, and what that comes to in a scenario.

one, nearest      the region that it calls                      (nothing else)
failover          the first of its order, and a `fallback` to the others
hedged            the first of its order, and a `hedge` in the second
latency_aware     all of its order; a policy chooses for each call
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from windtunnel.harness.errors import InputError, listing
from windtunnel.harness.inputs.policies import BREAKER_CAUSES, Fallback, FallbackStep, Hedge, RetryCause
from windtunnel.harness.inputs.validation import InputPart, complaint
from windtunnel.mock_server.plan.distributions import Duration
from windtunnel.mock_server.plan.provider import Provider
from windtunnel.mock_server.plan.units import PositiveSeconds

if TYPE_CHECKING:
    from windtunnel.harness.inputs.profile import Profile

Choice: TypeAlias = Literal["one", "nearest", "failover", "latency_aware", "hedged"]

MATTER_TO: dict[str, tuple[Choice, ...]] = {
    "spread": ("one", "failover", "latency_aware", "hedged"),
    "leave_after": ("failover",),
    "probe": ("failover", "latency_aware"),
    "on": ("failover", "latency_aware"),
    "explore": ("latency_aware",),
    "decay": ("latency_aware",),
    "failure_costs": ("latency_aware",),
}
"""Which key is read by which choices; another choice refuses it."""


class RegionChoice(InputPart):
    """Which regions the client calls."""

    choose: Choice = Field(
        description="one: always the first of `order`; nearest: that with the shortest declared round trip; failover: "
        "the first, and the others in order where it fails; latency_aware: for each call that which has answered "
        "fastest lately; hedged: the first, and hedges in the second."
    )
    order: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        max_length=100,
        description="Names of regions; one that the scenario does not have is left out. None: all of the scenario's, "
        "that which the load calls first. At most 100: a provider has no more.",
    )
    spread: Literal["none", "homes", "evenly"] = Field(
        default="none",
        description="none: the order is the same for all instances; homes: each instance begins at another region of "
        "it, in turn, and goes on round it; evenly: so do they, and those of one region go on to different ones.",
    )
    leave_after: int | None = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="failover: failed tries in a row after which calls do not ask a region first any more; null: every "
        "call asks it first. At most 1,000,000: as good as null.",
    )
    probe: PositiveSeconds = Field(
        default=10.0,
        validate_default=False,
        description="failover, latency_aware: how often one call asks a region again that was left, or whose last try "
        "failed.",
    )
    on: tuple[RetryCause, ...] = Field(
        default=BREAKER_CAUSES,
        min_length=1,
        description="failover, latency_aware: after which last failure of a region the call goes to another one.",
    )
    explore: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="latency_aware: the share of calls that go to another region than the fastest, in turn; not to "
        "one whose last try failed.",
    )
    decay: PositiveSeconds = Field(
        default=10.0,
        validate_default=False,
        description="latency_aware: what was measured this long ago counts 37 % (1/e) of what is measured now.",
    )
    failure_costs: PositiveSeconds = Field(
        default=10.0,
        validate_default=False,
        description="latency_aware: a region whose last try failed counts as one whose answers take at least this "
        "long, until one of them comes: a region that refuses at once is not fast.",
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> RegionChoice:
        for key in sorted(self.model_fields_set & MATTER_TO.keys()):
            if (
                self.choose not in MATTER_TO[key]
                and getattr(self, key) != type(self).model_fields[key].default
            ):
                readers = " or ".join(MATTER_TO[key])
                raise complaint(
                    key, f"it beside choose: {self.choose}", f"this key left out: {readers} reads it"
                )
        if self.choose == "one" and self.spread == "none" and len(self.order) > 1:
            raise complaint(
                "order", f"{len(self.order)} regions beside choose: one", "one region, or spread: homes"
            )
        twice = [name for i, name in enumerate(self.order) if name in self.order[:i]]
        if twice:
            raise complaint("order", f"'{twice[0]}' twice", "each region once")
        return self


def _by_name(value: Any) -> Any:
    return {"choose": "one", "order": [value]} if isinstance(value, str) else value


RegionPart: TypeAlias = Annotated[RegionChoice, BeforeValidator(_by_name)]
"""A region's name alone is that region, always."""


def settled(profile: Profile, provider: Provider, called: str) -> tuple[Profile, str]:
    """The profile with its choice as `provider` lets it be, and the region that its calls go to first.

    `called` is the region that the load calls, where the profile has no say. In `region.order` are then regions that
    exist, the one that is called first at its head. Raises InputError for a choice among none.
    """
    choice = profile.region
    if choice is None:
        return profile, called
    known = list(provider.regions)
    order = [name for name in choice.order if name in known]
    if not choice.order:
        order = [called, *(name for name in known if name != called)]
    if not order:
        found = f"only regions that the scenario does not have: {', '.join(choice.order)}"
        raise InputError(
            f"client {profile.name}", path="region.order", found=found, expected=f"one of {listing(known)}"
        )
    if choice.choose == "one" and choice.spread == "none":
        order = order[:1]
    elif choice.choose == "nearest":
        order = [min(order, key=lambda name: declared_rtt(provider, name))]
    return profile.model_copy(update={"region": choice.model_copy(update={"order": tuple(order)})}), order[0]


def of_instance(profile: Profile, number: int) -> Profile:
    """The settled profile as instance `number` (from 0) has it: with the order of regions that begins at its own."""
    choice = profile.region
    if choice is None or choice.spread == "none":
        return profile
    regions = len(choice.order)
    home = number % regions
    order = choice.order[home:] + choice.order[:home]
    if choice.spread == "evenly" and regions > 2:
        turn = number // regions % (regions - 1)
        others = order[1:]
        order = (order[0], *others[turn:], *others[:turn])
    return profile.model_copy(update={"region": choice.model_copy(update={"order": order})})


def home_of(profile: Profile, called: str) -> str:
    """The region that a settled profile calls first; `called` where it has no say."""
    return called if profile.region is None else profile.region.order[0]


def fallback_of(profile: Profile) -> Fallback | None:
    """Where calls go that the first target does not serve: the profile's fallback, or its settled order of regions."""
    choice = profile.region
    if choice is None or choice.choose != "failover" or len(choice.order) < 2:
        return profile.fallback
    steps = tuple(FallbackStep(region=name) for name in choice.order[1:])
    fallback = Fallback(to=steps, on=choice.on, leave_after=choice.leave_after)
    return fallback.model_copy(update={"probe": choice.probe})


def hedge_of(profile: Profile) -> Hedge | None:
    """The profile's hedges; those of the choice `hedged` go to the second region of its settled order."""
    choice = profile.region
    if choice is None or choice.choose != "hedged" or len(choice.order) < 2:
        return profile.hedge
    return (profile.hedge or Hedge()).model_copy(update={"region": choice.order[1]})


def declared_rtt(provider: Provider, region: str) -> float:
    """The median round trip to a region in seconds, as the scenario states it; 0 where it states none."""
    here = provider.region(region)
    rtt: Duration | None = here.rtt if here.link is None else here.link.rtt
    return 0.0 if rtt is None else rtt.quantile(0.5)


def refuse_beside(profile: Profile) -> None:
    """Refuse another part of the profile that also says where calls go. Raises a complaint for pydantic."""
    choice = profile.region
    if choice is None:
        return
    if choice.choose in ("failover", "latency_aware") and profile.fallback is not None:
        raise complaint(
            "region.choose", f"{choice.choose} beside a fallback", "one of them: both say where calls go"
        )
    if choice.choose == "latency_aware" and profile.hedge is not None and profile.hedge.region is not None:
        raise complaint("hedge.region", "it beside choose: latency_aware", "null: that chooses the region")
    if choice.choose == "hedged" and profile.hedge is not None and profile.hedge.region is not None:
        raise complaint("hedge.region", "it beside choose: hedged", "null: region.order says where hedges go")


def chosen_among(profile: Profile) -> Sequence[str]:
    """The regions among which a policy chooses for each call, besides the first; none where nothing chooses."""
    choice = profile.region
    return () if choice is None or choice.choose != "latency_aware" else choice.order[1:]
