"""Plays levels: a client at a rate, in a short play or in as many full ones as the verdict needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.level import Layout, at_rate, layout
from windtunnel.harness.capacity.loss import without
from windtunnel.harness.capacity.search import SCOUT
from windtunnel.harness.contract.capacity import Level, LevelCell, LevelIncident, LostRegion
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.load import ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.run import RunOptions, play_plan
from windtunnel.harness.virtual.cell_queue import Shards

MeasureLevel = Callable[[Path, Collection[str]], LevelCell]
"""From the run directory of one cell, and the metrics that are wanted, to what a level is judged by."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how cells are played: below `folder`, which keeps nothing of them; which `metrics` are measured."""

    folder: Path
    clock: ClockName
    seed: int
    measure: MeasureLevel
    metrics: Collection[str]
    reporter: Reporter
    shards: Shards

    def play(self, scenario: Scenario, profile: Profile, number: int, told: str) -> LevelCell:
        """One play, with the seed of its number. Raises MeasurementError if it cannot be played or measured."""
        where = self.folder / "playing"
        plan = resolve(scenario, [profile], seed=self.seed + number, clock=self.clock)
        options = RunOptions(
            scenario.name, out=where, clock=self.clock, jobs=1, verify=False, shards=self.shards
        )
        records = play_plan(plan, options, self.reporter)
        if records.interrupted:
            raise KeyboardInterrupt
        if records.failures:
            raise MeasurementError(f"{told} cannot be played: {records.failures[0]}")
        cell = self.measure(where, self.metrics)
        if cell.trouble:
            raise MeasurementError(f"{told} cannot be measured: {cell.trouble}")
        shutil.rmtree(where)
        return cell


class LevelPlayer:
    """Plays one client at any rate. What was played of a rate is kept, and added to."""

    def __init__(
        self,
        scenario: Scenario,
        profile: Profile,
        judge: Judge,
        stage: Stage,
        incident: LevelIncident | None = None,
        lost: LostRegion | None = None,
    ) -> None:
        self._scenario = scenario
        self._profile = profile
        self._judge = judge
        self._stage = stage
        self._incident = incident
        self._lost = lost
        self._cells: dict[float, list[LevelCell]] = {}

    def level(self, rate: float, plays: int) -> Level:
        """The level, judged by one short play (SCOUT) or by so many full ones.

        Raises MeasurementError if one of them cannot be played.
        """
        scout = plays == SCOUT
        lengths = layout(self._scenario, self._judge.slo, rate, self._judge.within, short=scout)
        cells = [] if scout else self._cells.setdefault(rate, [])
        while len(cells) < max(1, plays):
            cells.append(self._cell(rate, lengths, len(cells)))
        return self._judge.level(rate, cells, scout=scout)

    def _cell(self, rate: float, lengths: Layout, number: int) -> LevelCell:
        scenario = at_rate(self._scenario, rate, lengths, self._incident, number)
        if self._lost is not None:
            scenario = without(scenario, self._lost)
        return self._stage.play(scenario, self._profile, number, f"{self._profile.name} at {rate:g}/s")
