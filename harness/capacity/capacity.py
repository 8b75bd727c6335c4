"""`windtunnel capacity`: the largest rate that keeps an SLO, client by client.

SLO, scenario ─► search ─► a level each: cells with fresh providers ─► batches ─► verdict ─► bracket, needs
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.capacity.incident import RECOVERY_S, incident_of
from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.level import layout
from windtunnel.harness.capacity.loss import lost_region_of
from windtunnel.harness.capacity.player import LevelPlayer, MeasureLevel, Stage
from windtunnel.harness.capacity.search import SCOUT, Bracket, search
from windtunnel.harness.capacity.slo import COMMAND, fits, read_slo
from windtunnel.harness.capacity.sweep import SEEDS, at_rates, rates_around, sweep_of
from windtunnel.harness.capacity.verdict import LOOKS
from windtunnel.harness.capacity.wall import find_wall
from windtunnel.harness.contract.capacity import (
    CAPACITY_VERSION,
    SHOWN,
    CapacityFound,
    ClientCapacity,
    Level,
    LevelIncident,
    LevelState,
    Loss,
    LostRegion,
    Needs,
    Survival,
    Sweep,
    TokenPrice,
    Wall,
)
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.inputs.load import ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.virtual.cell_queue import Shards

START = 1.0
"""The first rate, in calls per second."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityOptions:
    """What `windtunnel capacity` was asked for. Rates are calls per second; `within` is a share of the safe rate."""

    scenario: str
    slo: str
    clients: Sequence[str] | None = None
    today: float | None = None
    target: float | None = None
    price: TokenPrice | None = None
    seed: int | None = None
    clock: ClockName = "virtual"
    within: float = 0.05
    most: float = 1000.0
    sweep: bool = False
    during: str | None = None
    trace: TrafficTrace | None = None
    recovery_s: float = RECOVERY_S
    lose: str | None = None


class CapacitySearch:
    """A search that is being played into `folder`, which keeps nothing of the single plays."""

    def __init__(self, options: CapacityOptions, measure: MeasureLevel, reporter: Reporter, say: Say) -> None:
        """Raises InputError with what is wrong with the options, before anything is made."""
        self._options = options
        self._measure = measure
        self._reporter = reporter
        self._say = say
        if not 0.005 <= options.within <= 0.5:
            raise InputError(
                COMMAND, path="--within", found=f"{options.within:g}", expected="a share from 0.005 to 0.5"
            )
        if options.most < START:
            raise InputError(
                COMMAND, path="--most", found=f"{options.most:g}/s", expected="at least 1/s, the first rate"
            )
        self.slo = read_slo(options.slo)
        self._judge = Judge(self.slo, options.within)
        self.scenario = load_scenario(options.scenario, trace=options.trace)
        self.scenario.require_no_vary("capacity is searched for one client as it is")
        fits(self.slo, self.scenario)
        if self.scenario.path is not None:
            raise InputError(
                COMMAND, path="path", found="a gateway", expected="a scenario without one: a level has none"
            )
        self._incident = (
            None if options.during is None else incident_of(self.scenario, options.during, options.recovery_s)
        )
        self._lost = None if options.lose is None else lost_region_of(self.scenario, options.lose)
        self.seed = self.scenario.seed if options.seed is None else options.seed
        self._profiles = [load_profile(name) for name in options.clients or self.scenario.clients]
        # Refuses what does not go together, such as a program on the virtual clock.
        resolve(self.scenario, self._profiles, seed=self.seed, clock=options.clock)
        check_installed(self._profiles)
        if self.scenario.load.trace is None:
            self.scenario.require_one_rate("capacity is one rate, which it changes itself")
        elif options.sweep:
            expected = "one of both: a sweep has steady rates, and a trace a course of its own"
            raise InputError(COMMAND, path="--sweep", found="a trace as well", expected=expected)

    def run(self, folder: Path) -> CapacityFound:
        """Play it. Raises MeasurementError if a level cannot be played."""
        if not any(term.metric == "goodput" or term.metric.startswith("wait_") for term in self.slo):
            self._say(
                "no goodput and no wait in the SLO: failed calls may not be in it at all, and the rate may be too high"
            )
        limits = self.scenario.provider.region(self.scenario.region)
        with Shards(folder) as shards:
            clients = tuple(self._client(profile, self._stage(folder, shards)) for profile in self._profiles)
        return CapacityFound(
            schema_version=CAPACITY_VERSION,
            scenario=self.scenario.name,
            slo=tuple(term.expect for term in self.slo),
            clock=self._options.clock,
            seed=self.seed,
            within=self._options.within,
            most=self._options.most,
            today=self._options.today,
            rpm=limits.limits.rpm,
            tpm=limits.limits.tpm,
            slots=limits.capacity.slots,
            clients=clients,
            target=self._options.target,
            price=self._price(),
        )

    def _price(self) -> TokenPrice | None:
        """The price that was named, else the scenario's."""
        prices = self.scenario.prices
        if self._options.price is not None or prices is None:
            return self._options.price
        return TokenPrice(prices.input_per_million, prices.output_per_million, "the scenario")

    def _client(self, profile: Profile, stage: Stage) -> ClientCapacity:
        player = LevelPlayer(self.scenario, profile, self._judge, stage)
        found, levels = self._search(player, profile.name, START, self._options.most)
        safe = None if found.low is None else levels[found.low]
        today = self._options.today
        return ClientCapacity(
            client=profile.name,
            status=found.status,
            safe=found.low,
            low=found.low,
            high=found.high,
            levels=tuple(levels[rate] for rate in sorted(levels)),
            headroom=None if today is None or found.low is None else found.low / today - 1,
            needs=() if safe is None else tuple(self._needs(safe)),
            wall=None
            if found.status != "found" or found.high is None
            else self._wall(profile, found.high, list(levels.values()), stage),
            sweep=None
            if not self._options.sweep or found.low is None
            else self._sweep(profile, found.low, stage),
            survival=None
            if self._incident is None or found.low is None
            else self._survival(profile, found.low, self._incident, stage),
            loss=None
            if self._lost is None or found.low is None
            else self._loss(profile, found.low, self._lost, stage),
        )

    def _search(
        self, player: LevelPlayer, name: str, start: float, most: float
    ) -> tuple[Bracket, dict[float, Level]]:
        """Search from a rate up to another; returns the bracket, and all levels by rate."""
        levels: dict[float, Level] = {}
        looks = 0

        def look(rate: float, plays: int) -> LevelState:
            nonlocal looks
            looks += 1
            levels[rate] = level = player.level(rate, plays)
            self._say(f"{name} at {rate:g}/s: {_verdict(level)} [look {looks}]")
            return level.state

        return search(look, start=start, most=most, within=self._options.within), levels

    def _survival(self, profile: Profile, safe: float, incident: LevelIncident, stage: Stage) -> Survival:
        """The same search up to the safe rate, where every level goes through the incident."""
        self._say(f"{profile.name}: the same through {incident.for_s:g} s of {incident.phase}")
        judge = Judge(self.slo, self._options.within, incident=True)
        player = LevelPlayer(self.scenario, profile, judge, stage, incident)
        found, levels = self._search(player, f"{profile.name}, {incident.phase}", START, safe)
        played = tuple(levels[rate] for rate in sorted(levels))
        return Survival(incident, found.status, found.low, found.high, played)

    def _loss(self, profile: Profile, safe: float, lost: LostRegion, stage: Stage) -> Loss:
        """The same search up to the safe rate, with a region gone."""
        self._say(f"{profile.name}: the same with {lost.region} gone ({lost.way})")
        player = LevelPlayer(self.scenario, profile, self._judge, stage, lost=lost)
        found, levels = self._search(player, f"{profile.name} without {lost.region}", START, safe)
        return Loss(lost, found.status, found.low, found.high, tuple(levels[rate] for rate in sorted(levels)))

    def _stage(self, folder: Path, shards: Shards) -> Stage:
        metrics = {*SHOWN, *(term.metric for term in self.slo)}
        return Stage(folder, self._options.clock, self.seed, self._measure, metrics, self._reporter, shards)

    def _wall(self, profile: Profile, rate: float, levels: Sequence[Level], stage: Stage) -> Wall:
        """What broke the lowest level that failed, which is the one at `rate`."""

        def again(scenario: Scenario, client: Profile) -> Level:
            return until_resolved(LevelPlayer(scenario, client, self._judge, stage), rate)

        self._say(f"{profile.name} at {rate:g}/s: looking for the wall, one limit after the other is doubled")
        return find_wall(self.scenario, profile, levels, again)

    def _sweep(self, profile: Profile, safe: float, stage: Stage) -> Sweep:
        """Rates around the safe one, up and down again in one play, with several seeds."""
        rates = rates_around(safe)
        lengths = layout(self.scenario, self.slo, rates[0], self._options.within, short=True)
        scenario = at_rates(self.scenario, rates, lengths)
        told = f"{profile.name} from {rates[0]:g}/s to {max(rates):g}/s and back"
        self._say(f"{told}: {SEEDS} plays, for hysteresis")
        return sweep_of(rates, [stage.play(scenario, profile, number, told) for number in range(SEEDS)])

    def _needs(self, level: Level) -> list[Needs]:
        """What the safe rate, today's and the target need, at what a call takes at the safe rate."""
        limits = self.scenario.provider.region(self.scenario.region).limits
        found = []
        for rate in (level.rate, self._options.today, self._options.target):
            if rate is None:
                continue
            requests = 60 * rate * level.attempts_per_call
            tokens = 60 * rate * level.tokens_per_call
            shares = [
                need / limit
                for need, limit in ((requests, limits.rpm), (tokens, limits.tpm))
                if limit is not None
            ]
            keys = max(1, math.ceil(max(shares) - 0.01)) if shares else None
            found.append(Needs(rate, requests, tokens, keys))
        return found


def until_resolved(player: LevelPlayer, rate: float) -> Level:
    """The level at a rate: a short play, then more and more full ones until it passes or fails."""
    level = player.level(rate, SCOUT)
    for plays in LOOKS:
        if level.state == "failed" or (level.state == "passed" and not level.scout):
            break
        level = player.level(rate, plays)
    return level


def _verdict(level: Level) -> str:
    """A level in a line, for who waits."""
    told = ", ".join(
        f"{one.term}: {'none' if one.mean is None else f'{one.mean:.4g}'}" for one in level.terms
    )
    plays = "a short play" if level.scout else f"{level.cells} play{'s' * (level.cells != 1)}"
    if not level.settled and level.growth is not None:
        told += f"; its waits still grow, by {level.growth:.2g} s each second"
    return f"{level.state} ({told}) in {plays}"
