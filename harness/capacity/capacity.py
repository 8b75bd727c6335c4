"""`windtunnel capacity`: the largest rate that keeps an SLO, client by client.

SLO, scenario ─► search ─► a level each: cells with fresh providers ─► batches ─► verdict ─► bracket, needs
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from windtunnel.harness.capacity.level import Layout, at_rate, layout
from windtunnel.harness.capacity.search import search
from windtunnel.harness.capacity.slo import COMMAND, fits, read_slo
from windtunnel.harness.capacity.verdict import LOOKS, judge_term, together
from windtunnel.harness.capacity.wall import find_wall
from windtunnel.harness.capacity.warm_up import mser5
from windtunnel.harness.contract.capacity import (
    CAPACITY_VERSION,
    SHOWN,
    CapacityFound,
    ClientCapacity,
    Level,
    LevelCell,
    LevelState,
    Needs,
    TokenPrice,
    Wall,
)
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.inputs.load import ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.run import RunOptions, play_plan

START = 1.0
"""The first rate, in calls per second."""
MeasureLevel = Callable[[Path], LevelCell]
"""From the run directory of one cell to what a level is judged by."""
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
    within: float = 0.04
    most: float = 1000.0


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
        self.scenario = load_scenario(options.scenario)
        fits(self.slo, self.scenario)
        if self.scenario.path is not None:
            raise InputError(
                COMMAND, path="path", found="a gateway", expected="a scenario without one: a level has none"
            )
        self.seed = self.scenario.seed if options.seed is None else options.seed
        self._profiles = [load_profile(name) for name in options.clients or self.scenario.clients]
        check_installed(self._profiles)
        # Refuses what does not go together, such as a program on the virtual clock.
        resolve(self.scenario, self._profiles, seed=self.seed, clock=options.clock)
        self.scenario.require_one_rate("capacity is one rate, which it changes itself")

    def run(self, folder: Path) -> CapacityFound:
        """Play it. Raises MeasurementError if a level cannot be played."""
        if not any(term.metric == "goodput" or term.metric.startswith("wait_") for term in self.slo):
            self._say(
                "no goodput and no wait in the SLO: failed calls may not be in it at all, and the rate may be too high"
            )
        limits = self.scenario.provider.region(self.scenario.region)
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
            clients=tuple(self._client(profile, folder) for profile in self._profiles),
            target=self._options.target,
            price=self._price(),
        )

    def _price(self) -> TokenPrice | None:
        """The price that was named, else the scenario's."""
        prices = self.scenario.prices
        if self._options.price is not None or prices is None:
            return self._options.price
        return TokenPrice(prices.input_per_million, prices.output_per_million, "the scenario")

    def _client(self, profile: Profile, folder: Path) -> ClientCapacity:
        levels: dict[float, Level] = {}

        def look(rate: float) -> LevelState:
            player = LevelPlayer(self.scenario, profile, self._options, self.seed, self.slo)
            levels[rate] = level = player.play(rate, folder, self._measure, self._reporter)
            told = ", ".join(f"{one.term}: {_value(one.mean)}" for one in level.terms)
            self._say(f"{profile.name} at {rate:g}/s: {level.state} ({told})")
            return level.state

        found = search(look, start=START, most=self._options.most, within=self._options.within)
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
            else self._wall(profile, levels[found.high], folder),
        )

    def _wall(self, profile: Profile, failed: Level, folder: Path) -> Wall:
        """What broke the lowest level that failed."""

        def again(scenario: Scenario, client: Profile) -> LevelState:
            player = LevelPlayer(scenario, client, self._options, self.seed, self.slo)
            return player.play(failed.rate, folder, self._measure, self._reporter).state

        self._say(
            f"{profile.name} at {failed.rate:g}/s: looking for the wall, one limit after the other is doubled"
        )
        return find_wall(self.scenario, profile, failed, again)

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


@dataclass(frozen=True, slots=True)
class LevelPlayer:
    """Plays one client at any rate: as many cells as the verdict needs."""

    scenario: Scenario
    profile: Profile
    options: CapacityOptions
    seed: int
    slo: tuple[Expectation, ...]

    def play(self, rate: float, folder: Path, measure: MeasureLevel, reporter: Reporter) -> Level:
        """The level, judged. Raises MeasurementError if a cell of it cannot be played."""
        lengths = layout(self.scenario, self.slo, rate, self.options.within)
        cells: list[LevelCell] = []
        for count in LOOKS:
            while len(cells) < count:
                cells.append(self._cell(rate, lengths, len(cells), folder, measure, reporter))
            level = judged(rate, self.slo, cells)
            if level.state != "unresolved":
                break
        return level

    def _cell(
        self,
        rate: float,
        lengths: Layout,
        number: int,
        folder: Path,
        measure: MeasureLevel,
        reporter: Reporter,
    ) -> LevelCell:
        scenario = at_rate(self.scenario, rate, lengths)
        where = folder / "playing"
        plan = resolve(scenario, [self.profile], seed=self.seed + number, clock=self.options.clock)
        records = play_plan(
            plan,
            RunOptions(scenario.name, out=where, clock=self.options.clock, jobs=1, verify=False),
            reporter,
        )
        if records.interrupted:
            raise KeyboardInterrupt
        told = f"{self.profile.name} at {rate:g}/s"
        if records.failures:
            raise MeasurementError(f"{told} cannot be played: {records.failures[0]}")
        cell = measure(where)
        if cell.trouble:
            raise MeasurementError(f"{told} cannot be measured: {cell.trouble}")
        shutil.rmtree(where)
        return cell


def judged(rate: float, slo: Sequence[Expectation], cells: Sequence[LevelCell]) -> Level:
    """A level from its cells: the warm-up of each is cut, its batches are judged."""
    first = [first_batch(cell) for cell in cells]
    kept = [cell.batches[start:] for cell, start in zip(cells, first, strict=True)]
    terms = tuple(
        judge_term(term, [[batch.get(term.metric) for batch in batches] for batches in kept]) for term in slo
    )
    flat = [batch for batches in kept for batch in batches]
    shown = {name: _mean([batch.get(name) for batch in flat]) for name in SHOWN}
    shown |= {term.metric: _mean([batch.get(term.metric) for batch in flat]) for term in slo}
    calls = sum(cell.calls for cell in cells)
    offered = calls / sum(cell.length_s for cell in cells)
    goodput = shown["goodput"]
    return Level(
        rate=rate,
        state=together([term.state for term in terms]),
        terms=terms,
        cells=len(cells),
        batches=len(flat),
        cut=sum(first),
        offered=offered,
        achieved=None if goodput is None else goodput * offered,
        tokens_per_call=sum(cell.tokens for cell in cells) / max(1, calls),
        attempts_per_call=sum(cell.attempts for cell in cells) / max(1, calls),
        refused_429=sum(cell.refused_429 for cell in cells) / max(1, sum(cell.attempts for cell in cells)),
        shown={name: value for name, value in shown.items() if value is not None},
        flows=tuple(flow for cell, start in zip(cells, first, strict=True) for flow in cell.flows[start:]),
        bills=tuple(bill for cell, start in zip(cells, first, strict=True) for bill in cell.bills[start:]),
    )


def first_batch(cell: LevelCell) -> int:
    """The number of the first batch after the warm-up, by MSER-5 over the waits; half of them always stay."""
    cut = mser5([wait for _, wait in cell.waits])
    steady_s = cell.waits[cut][0] if cut else -math.inf
    warm = sum(start < steady_s for start in cell.starts_s)
    return min(warm, len(cell.batches) // 2)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _value(mean: float | None) -> str:
    return "none" if mean is None else f"{mean:.4g}"
