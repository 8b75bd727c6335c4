"""Two clients over the same incidents, compared: what ab.json holds, as objects.

a run of each scenario ─► pairs, a seed each ─► one family, `gate/compare.py` ─► TwoClients ─► ab.json, ab.html, …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from windtunnel.harness.contract.metrics import METRICS, Floor
from windtunnel.reports.figures.differing_call import DifferingCall, TwoCells
from windtunnel.reports.figures.first_difference import FirstDifference, first_difference
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.gate.compare import Comparison, Pairs, Verdict, compare, overall, pairs_of
from windtunnel.reports.read.run_dir import open_run

Standing: TypeAlias = Verdict | Literal["invalid"]
"""What a comparison came to; `invalid`: of this measurement nothing can be said."""

MOST_OF_ONE: Final = 10.0
"""Mean differences that a single metric may add to what a pair shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedRun:
    """A run of A and B that was played. `figures` is None if no report could be made of it; `troubles` says why."""

    scenario: str
    folder: Path
    figures: RunFigures | None
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What shows a difference best: a call, in the pair of cells (`repeat`, `seed`) that differs most."""

    repeat: int
    seed: int | None
    call: DifferingCall


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDiffers:
    """Where A and B first did otherwise, in the first pair of cells that is not alike."""

    repeat: int
    seed: int | None
    at: FirstDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioComparison:
    """A and B in one scenario: in `alike` of `pairs` incidents they behaved the same, by their digests.

    `first` is where they first did otherwise, on the virtual clock. `errors`: how many calls of A and of B ended with
    each type of error, where these are not alike. `seeds` are the seeds of the pairs, None in real time. `shown` has,
    by `metric@phase`, the call that shows it. Of an invalid one `troubles` say why, and there are no comparisons.
    """

    scenario: str
    folder: Path
    clock: str
    standing: Standing
    pairs: int
    alike: int
    seeds: tuple[int, ...] | None
    noisy: bool = False
    troubles: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    shown: Mapping[str, Shown] = field(default_factory=dict)
    first: FirstDiffers | None = None
    errors: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, *states: str) -> tuple[Comparison, ...]:
        """The comparisons that came to one of these."""
        return tuple(one for one in self.comparisons if one.state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoClients:
    """The whole comparison of `a` and `b`. `versions`: of what A and B are played with, where these are not alike."""

    a: str
    b: str
    behaviour: int
    standing: Standing
    floors: Mapping[str, Floor]
    scenarios: tuple[ScenarioComparison, ...]
    versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def compare_runs(
    runs: Sequence[PlayedRun], a: str, b: str, floors: Mapping[str, Floor] | None = None
) -> TwoClients:
    """Compare A and B over all runs, as one family. `floors` replace those of metrics."""
    troubles = {run.scenario: _troubles(run) for run in runs}
    sound = {
        run.scenario: _Pairing(run.figures, a, b)
        for run in runs
        if run.figures is not None and not troubles[run.scenario]
    }
    family = [pair for name, one in sound.items() for pair in one.pairs(name)]
    found = compare(family, floors)
    scenarios = tuple(
        _scenario(run, sound.get(run.scenario), troubles[run.scenario], found, (a, b)) for run in runs
    )
    invalid = any(one.standing == "invalid" for one in scenarios)
    return TwoClients(
        a=a,
        b=b,
        behaviour=max((run.figures.behaviour for run in runs if run.figures is not None), default=1),
        standing="invalid" if invalid else overall(found),
        floors=dict(floors or {}),
        scenarios=scenarios,
        versions=_versions(runs, a, b),
    )


def _versions(runs: Sequence[PlayedRun], a: str, b: str) -> dict[str, tuple[str, str]]:
    """Of each program that A and B are not played with in one version, both versions."""
    run = next((run for run in runs if run.figures is not None and not run.troubles), None)
    if run is None or run.figures is None:
        return {}
    clients, own = run.figures.clients, open_run(run.folder).get("versions") or {}
    one, other = (clients[name].versions or own if name in clients else own for name in (a, b))
    return {
        name: (str(one[name]), str(other[name])) for name in one if one[name] != other.get(name, one[name])
    }


class _Pairing:
    """The cells of A and B that have played the same incident."""

    def __init__(self, figures: RunFigures, a: str, b: str) -> None:
        of_b = {cell.repeat: cell for cell in figures.cells_of(b)}
        both = [(cell, of_b[cell.repeat]) for cell in figures.cells_of(a) if cell.repeat in of_b]
        self.a = [one for one, _ in both]
        self.b = [other for _, other in both]
        self.alike = sum(one.digest is not None and one.digest == other.digest for one, other in both)
        self.same = 0 < len(both) == self.alike

    def pairs(self, scenario: str) -> list[Pairs]:
        return pairs_of(self.a, self.b, scenario=scenario, same=self.same)

    def telling(self, worse: Sequence[Comparison]) -> CellFigures:
        """The cell of B in the pair that shows best what is worse: each difference beside the mean one, in sum."""

        def shown(place: int) -> float:
            return sum(
                min(_between(self.a[place], self.b[place], one) / one.difference, MOST_OF_ONE)
                for one in worse
                if one.difference
            )

        return self.b[max(range(len(self.b)), key=shown)]


def _between(a: CellFigures, b: CellFigures, one: Comparison) -> float:
    value_a, value_b = a.number(one.metric, one.phase), b.number(one.metric, one.phase)
    return 0.0 if value_a is None or value_b is None else value_b - value_a


def _scenario(
    run: PlayedRun,
    pairing: _Pairing | None,
    troubles: tuple[str, ...],
    found: Sequence[Comparison],
    clients: tuple[str, str],
) -> ScenarioComparison:
    figures = run.figures
    if figures is None or pairing is None:
        clock = "" if figures is None else figures.clock
        return ScenarioComparison(
            scenario=run.scenario, folder=run.folder, clock=clock, standing="invalid", pairs=0, alike=0,
            seeds=None, troubles=troubles,
        )  # fmt: skip
    own = tuple(one for one in found if one.scenario == run.scenario)
    seeds = tuple(cell.seed for cell in pairing.a if cell.seed is not None)
    return ScenarioComparison(
        scenario=run.scenario,
        folder=run.folder,
        clock=figures.clock,
        standing=overall(own),
        pairs=len(pairing.a),
        alike=pairing.alike,
        seeds=seeds if len(seeds) == len(pairing.a) else None,
        noisy=figures.state == "noisy",
        comparisons=own,
        first=_first(run.folder, pairing) if figures.clock == "virtual" else None,
        errors=_errors(figures, clients),
        shown=_shown(run.folder, pairing, [one for one in own if one.state == "worse"], clients),
    )


def _shown(
    folder: Path, pairing: _Pairing, worse: Sequence[Comparison], clients: tuple[str, str]
) -> dict[str, Shown]:
    """For each `worse` the call that differs most, all of one seed."""
    if not worse:
        return {}
    cell = pairing.telling(worse)
    cells = TwoCells(folder, *clients, cell.repeat)
    found = {}
    for one in worse:
        call = cells.most(one.metric, one.phase, sign=1.0 if METRICS[one.metric].better == "lower" else -1.0)
        if call is not None:
            found[one.name] = Shown(repeat=cell.repeat, seed=cell.seed, call=call)
    return found


def _first(folder: Path, pairing: _Pairing) -> FirstDiffers | None:
    """Where the first pair with other digests differs first."""
    for a, b in zip(pairing.a, pairing.b, strict=True):
        if a.digest != b.digest:
            at = first_difference(*(folder / "cells" / f"{cell.client}-{cell.repeat}" for cell in (a, b)))
            return None if at is None else FirstDiffers(repeat=b.repeat, seed=b.seed, at=at)
    return None


def _errors(figures: RunFigures, clients: tuple[str, str]) -> dict[str, tuple[int, int]]:
    """Calls that ended with each type of error, of A and of B; empty where they are alike."""
    counts = []
    for client in clients:
        found: Counter[str] = Counter()
        for error in figures.clients[client].errors:
            found[error.type] += error.count
        counts.append(found)
    types = dict.fromkeys(name for found in counts for name in found)
    return {name: (counts[0][name], counts[1][name]) for name in types} if counts[0] != counts[1] else {}


def _troubles(run: PlayedRun) -> tuple[str, ...]:
    """Why nothing can be said of a run; empty if it is sound."""
    figures = run.figures
    if run.troubles or figures is None:
        return run.troubles or ("no report could be made of it",)
    found = [check.sentence for check in figures.checks if check.state == "invalid"]
    for name, client in figures.clients.items():
        if not client.measured:
            why = f": {client.errors[0].type}: {client.errors[0].message}" if client.errors else ""
            found.append(f"none of the requests of {name} reached the mock{why}")
    found += [damage for cell in figures.cells for damage in cell.damages]
    if figures.partial and not found:
        found.append("the run was cut off before its end")
    return tuple(found)
