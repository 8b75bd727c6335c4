"""What `windtunnel capacity` found, as data: the search writes it, the reports show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

LevelState = Literal["passed", "failed", "unresolved"]
CapacityStatus = Literal["found", "unattainable", "out of reach", "unresolved"]

CAPACITY_VERSION: Final = 1
"""The form of capacity.json."""

SETTLE: Final = "settle"
"""The phase of a level in which a queue grows as far as it will and the buckets' bursts are used up."""
BATCH: Final = "batch-"
"""How the names of the phases begin that a level is judged by."""
INCIDENT: Final = "incident"
"""The phase that a level goes through, whatever the scenario calls it."""
RECOVERY: Final = "recovery"
"""The phase after an incident that does not count yet."""

SHOWN: Final = (
    "goodput",
    "latency_p50_s",
    "latency_p95_s",
    "latency_p99_s",
    "ttft_p95_s",
    "wait_p95_s",
    "amplification",
    "held_by_pool",
    "held_by_limiter",
    "held_by_workers",
    "slots_used",
)
"""What is kept of every level, besides the metrics of the SLO."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What passed through the client and the provider in one batch of `length_s` seconds.

    `calls` were intended in it, of which `good` were good; `waited_s` is the sum of their waits. By the clock of the
    batch: `in_flight` is how many calls were under way in the mean over time (from their intended time on), `spread`
    the variance of that number over time; `open` and `open_spread` are the same of requests at the provider.
    """

    length_s: float
    calls: int
    good: int
    waited_s: float
    in_flight: float
    spread: float
    open: float
    open_spread: float


@dataclass(frozen=True, slots=True)
class BilledTokens:
    """Billed tokens: of prompts, and of answers."""

    prompt: int = 0
    answer: int = 0


@dataclass(frozen=True, slots=True)
class Bill:
    """What the provider billed for the calls of one batch, of which `good` were good.

    `useful` tokens are those of the answers that good calls took, `abandoned` those of requests that the client left
    before their end, `late` all others: answers that came too late, were broken, or belong to a call that failed.
    The three add up. `retried` are those of second and later requests of a call: a part of all three.
    """

    good: int
    useful: BilledTokens
    abandoned: BilledTokens
    late: BilledTokens
    retried: BilledTokens


@dataclass(frozen=True, slots=True)
class LevelCell:
    """What was measured in one play of a level.

    `batches` are the figures of its batches, in order, and `starts_s` when each begins; `waits` is what each call
    waited, with its intended time. Counts are over the batches. `trouble`: why it does not count. `flows` are what
    passed in each batch, `bills` what was billed for it.
    """

    batches: tuple[Mapping[str, float | None], ...]
    starts_s: tuple[float, ...]
    waits: tuple[tuple[float, float], ...]
    calls: int
    attempts: int
    tokens: int
    refused_429: int
    length_s: float
    trouble: str = ""
    flows: tuple[Flow, ...] = ()
    bills: tuple[Bill, ...] = ()
    refused_503: int = 0


@dataclass(frozen=True, slots=True)
class TermFound:
    """A term of the SLO at a level: the mean over batches, with its interval, and what follows.

    A bound is None where it is infinite: in some batch no call gave the metric a value. `beyond`: the mean is beyond
    the limit, certain or not.
    """

    term: str
    mean: float | None
    low: float | None
    high: float | None
    state: LevelState
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """An offered rate that was played. Rates are calls per second; `achieved` are good calls.

    `cells` is how many plays it took, each with a seed of its own, `batches` how many batches were kept and `cut` how
    many were left out as warm-up. `shown` are means over the batches. `scout`: it was played short, which shows that it
    fails, but not that it passes for good. `growth` is by how many seconds the wait of calls grew in each second, and
    `settled` is False where it grew as it does beyond capacity, so that in the long run every limit breaks.
    `flows` has what passed in each batch that was kept, `bills` what was billed for it. `refused_429` and
    `refused_503` are shares of the requests.
    """

    rate: float
    state: LevelState
    terms: tuple[TermFound, ...]
    cells: int
    batches: int
    cut: int
    offered: float
    achieved: float | None
    tokens_per_call: float
    attempts_per_call: float
    refused_429: float
    shown: Mapping[str, float | None] = field(default_factory=dict)
    scout: bool = False
    growth: float | None = None
    settled: bool = True
    flows: tuple[Flow, ...] = ()
    bills: tuple[Bill, ...] = ()
    refused_503: float = 0.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a rate needs of the provider: per minute, and in keys (None where the provider sets no limit)."""

    rate: float
    requests_per_minute: float
    tokens_per_minute: float
    keys: int | None


@dataclass(frozen=True, slots=True)
class WallTrial:
    """The level that failed, played again with this limit raised (several, with `+` between them)."""

    limit: str
    state: LevelState
    terms: tuple[TermFound, ...]


@dataclass(frozen=True, slots=True)
class Wall:
    """What stands in the way at `rate`, the lowest that failed.

    `limit` is rpm, tpm, slots, queue, pool, limiter or workers, if doubling it alone made the level pass; `client`, if
    it fails even with all of those doubled, and passes with twice the instances; else None. `sign` is what was seen of
    it; `tried` are the limits in order. `moved` is the lowest rate at which there was such a sign; None: at none.
    `trials` are the plays of the proof, in order.
    """

    limit: str | None
    rate: float
    sign: str
    proven: bool
    tried: tuple[str, ...]
    trials: tuple[WallTrial, ...] = ()
    moved: float | None = None


@dataclass(frozen=True, slots=True)
class SweepStep:
    """A rate (calls per second) of a sweep, on the way `up` or `down`: means over the seeds, of the step's second half.

    `achieved` are good calls per second. None: no call gave a value.
    """

    way: Literal["up", "down"]
    rate: float
    offered: float
    achieved: float | None
    goodput: float | None
    latency_p95_s: float | None


@dataclass(frozen=True, slots=True)
class SweepGap:
    """How much worse a rate fares on the way down: goodput upwards - goodput downwards, seed by seed.

    `low` and `high` are the t interval of that mean at 95 %; both None with fewer than two seeds.
    """

    rate: float
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Rates up and down again in one play with one provider, with several `seeds`.

    `steps` are in the order in which they are played, each of `step_s` seconds; `gaps` are by rate, without the
    highest, which has one way only. `hysteresis`: at some rate the whole interval is above `least`.
    """

    seeds: int
    step_s: float
    steps: tuple[SweepStep, ...]
    gaps: tuple[SweepGap, ...]
    least: float
    hysteresis: bool


@dataclass(frozen=True, slots=True)
class LevelIncident:
    """A phase of the scenario that every level goes through, for `for_s` seconds, with `recovery_s` to recover in."""

    phase: str
    for_s: float
    recovery_s: float


@dataclass(frozen=True, slots=True)
class Survival:
    """The largest rate at which the SLO holds again after an incident: at least `low`, below `high`.

    `status` is "out of reach" where the rate that is safe without an incident survives it as well. `levels` are by
    rate.
    """

    incident: LevelIncident
    status: CapacityStatus
    low: float | None
    high: float | None
    levels: tuple[Level, ...]


WayOfLoss: TypeAlias = Literal["refused", "silent"]


@dataclass(frozen=True, slots=True)
class LostRegion:
    """A region that is gone in all of a level: connecting is refused, or nobody answers."""

    region: str
    way: WayOfLoss


@dataclass(frozen=True, slots=True)
class Loss:
    """The safe rate with a region gone (N - 1): at least `low`, below `high`.

    `status` is "out of reach" where the rate that is safe with all regions is safe without that one as well. `levels`
    are by rate.
    """

    lost: LostRegion
    status: CapacityStatus
    low: float | None
    high: float | None
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class ClientCapacity:
    """A client's safe rate: the highest level that kept the SLO; the truth lies from `low` to `high`.

    `headroom` is the safe rate ÷ today's rate - 1. `levels` are by rate. `sweep`, `survival`, `loss`: None if none
    was played.
    """

    client: str
    status: CapacityStatus
    safe: float | None
    low: float | None
    high: float | None
    levels: tuple[Level, ...]
    headroom: float | None = None
    needs: tuple[Needs, ...] = ()
    wall: Wall | None = None
    sweep: Sweep | None = None
    survival: Survival | None = None
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """What a million tokens of prompts and of answers cost, in US dollars, and who said so."""

    input_per_million: float
    output_per_million: float
    source: Literal["--price", "the scenario"]


@dataclass(frozen=True, slots=True)
class CapacityFound:
    """All that a search found. `rpm`, `tpm` and `slots` are those of the region that is called.

    `today` and `target` are rates that were asked about, in calls per second. `price`: None if nobody named one.
    """

    schema_version: int
    scenario: str
    slo: tuple[str, ...]
    clock: str
    seed: int
    within: float
    most: float
    today: float | None
    rpm: int | None
    tpm: int | None
    slots: int
    clients: tuple[ClientCapacity, ...]
    target: float | None = None
    price: TokenPrice | None = None
