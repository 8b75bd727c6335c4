"""A run against its baseline: whether they can be compared, and what became better or worse, paired by seed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.behaviour import BEHAVIOURS
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.check.base import CheckOptions, RunBase
from windtunnel.reports.check.baseline import (
    ABSENT,
    Baseline,
    ClientBaseline,
    NamedBaseline,
    rounded,
    scenario_hash,
    seed_name,
    seed_names,
)
from windtunnel.reports.check.model import CheckedRun, ComparedMetric, Example
from windtunnel.reports.figures.metrics_json import SCHEMA_VERSION
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.gate.compare import Comparison, Pairs, State, compare
from windtunnel.reports.metrics.figure import Figure

ORDER: Final[tuple[State, ...]] = ("worse", "inconclusive", "better", "not_compared", "no_difference", "same")
MOST_LOOKS: Final = 5
"""Calls that are looked up for a client: each may need the records of another seed."""
CHANGELOG: Final = ".github/CHANGELOG.md, 'Behaviour numbers'"


def against_baselines(
    runs: Sequence[CheckedRun], bases: Sequence[RunBase | CheckedRun], options: CheckOptions
) -> list[CheckedRun]:
    """Compare each run with the baseline of its scenario, all of it as one family."""
    unused = {one.path for one in options.baselines}
    found: list[CheckedRun] = []
    families: list[list[tuple[str, Pairs]]] = []
    for run, base in zip(runs, bases, strict=True):
        family: list[tuple[str, Pairs]] = []
        if not isinstance(base, CheckedRun):
            chosen = next(
                (one for one in options.baselines if one.content.scenario == base.figures.scenario),
                options.baselines[0],
            )
            unused.discard(chosen.path)
            run, family = _with_baseline(
                run, base, chosen, force=options.force, narrowed=options.clients is not None
            )
        found.append(run)
        families.append(family)
    compared = iter(compare([pairs for family in families for _, pairs in family], options.floors))
    for at, family in enumerate(families):
        own = [(client, next(compared)) for client, _ in family]
        base = bases[at]
        if not isinstance(base, CheckedRun) and base.figures.state != "invalid":
            found[at] = replace(found[at], compared=tuple(_compared(own, base)))
    if unused and found:
        names = ", ".join(sorted(map(str, unused)))
        last = replace(found[-1], wrong=(*found[-1].wrong, f"--baseline {names}: no run is of its scenario"))
        found[-1] = last
    return found


def _with_baseline(
    run: CheckedRun, base: RunBase, baseline: NamedBaseline, *, force: bool, narrowed: bool
) -> tuple[CheckedRun, list[tuple[str, Pairs]]]:
    """The run with what is to be said of its baseline, and the pairs of each client that both have."""
    content, path = baseline.content, baseline.path
    run = replace(run, baseline=path)
    differs = list(mismatches(content, base.figures, base.measured.run.plan))
    seeds = common_seeds(content, base.figures)
    again = f"write it again: {write_again(base.folder, path)}"
    if differs and not (force and seeds):
        more = "" if seeds else "; --force cannot help, as no seed is in both"
        wrong = [f"{path}: {one}" for one in differs]
        wrong[-1] += f"; {again}" + (more or " (or judge all the same, with --force)")
        return replace(run, wrong=(*run.wrong, *wrong)), []
    notes = [f"--force: compared although they differ: {path}: {one}" for one in differs]
    absent = [client for client in base.clients if client not in content.clients]
    gone = [] if narrowed else [client for client in content.clients if client not in base.figures.clients]
    notes += [f"{client} is not in {path}: not compared" for client in absent]
    notes += _versions(content.versions, run.versions)
    wrong = [f"{path}: clients.{client}: this client is not in the run; {again}" for client in gone]
    if len(absent) == len(base.clients):
        wrong.append(f"{path}: clients: has none of {', '.join(absent)}; {again}")
    elif force:
        notes, wrong = [*notes, *wrong], []
    run = replace(run, notes=(*run.notes, *notes), wrong=(*run.wrong, *wrong))
    return run, [
        (client, pairs)
        for client in base.clients
        if client in content.clients
        for pairs in pairs_of_client(content, base.figures, client, seeds)
    ]


def _versions(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is of another version than it was for the baseline: a difference may come from there."""
    changed = [
        f"{name} {then[name]} → {now[name]}"
        for name in sorted(set(then) & set(now))
        if then[name] != now[name]
    ]
    return [f"other versions than in the baseline: {', '.join(changed)}"] if changed else []


def _compared(comparisons: Sequence[tuple[str, Comparison]], base: RunBase) -> Iterator[ComparedMetric]:
    """Worse ones first, each by how many floors it differs; the first of a client have a call to look at."""
    looked: Counter[str] = Counter()
    for client, one in sorted(comparisons, key=lambda both: _rank(both[1])):
        shown = one.state in ("worse", "inconclusive") and looked[client] < MOST_LOOKS
        looked[client] += shown
        yield ComparedMetric(client=client, comparison=one, look=_look(client, one, base) if shown else None)


def _rank(one: Comparison) -> tuple[int, float]:
    size = abs(one.difference or 0.0) / one.floor if one.floor else abs(one.difference or 0.0)
    return ORDER.index(one.state), -size


def _look(client: str, one: Comparison, base: RunBase) -> Example | None:
    """A call of the seed in which the metric is worst."""
    cells = base.figures.cells_of(client)
    upwards = METRICS[one.metric].better == "lower"
    values = [(cell.number(one.metric, one.phase), cell) for cell in cells]
    known = [(value if upwards else -value, at) for at, (value, _) in enumerate(values) if value is not None]
    cell = cells[max(known)[1]] if known else cells[0]
    return base.examples.look(one.metric, one.phase, client, cell, base.figures.clock)


def write_again(run: Path, file: Path) -> str:
    """The command that replaces a baseline by a run."""
    return shlex.join(["windtunnel", "baseline", "write", str(run), "-o", str(file)])


def mismatches(baseline: Baseline, figures: RunFigures, plan: Mapping[str, Any]) -> Iterator[str]:
    """Why a run cannot be compared with a baseline: what was found in the file, and what the run has."""
    if baseline.schema_version != SCHEMA_VERSION:
        yield f"schema_version: found {baseline.schema_version}, and the run's figures are of {SCHEMA_VERSION}"
    if baseline.behaviour != figures.behaviour:
        yield (
            f"behaviour: found {baseline.behaviour}, and the run has {figures.behaviour}: windtunnel itself behaves "
            f"differently since then ({_changes(baseline.behaviour, figures.behaviour)})"
        )
    if baseline.scenario != figures.scenario:
        yield f"scenario: found '{baseline.scenario}', and the run played '{figures.scenario}'"
    elif baseline.scenario_hash != scenario_hash(plan):
        then, now = baseline.versions.get("windtunnel"), (plan.get("versions") or {}).get("windtunnel")
        version = f", or windtunnel {now} fills in other defaults than {then} did" if then != now else ""
        yield f"scenario_hash: '{figures.scenario}' was another scenario then: its file has changed{version}"
    if baseline.clock != figures.clock:
        yield f"clock: found {baseline.clock}, and the run was on the {figures.clock} clock"
    played = seed_names(figures)
    if set(baseline.seeds) != set(played):
        yield f"seeds: found {_listed(baseline.seeds)}, and the run has {_listed(played)}"


def _changes(then: int, now: int) -> str:
    """What the behaviours between two numbers changed, by the changelog's sentences."""
    between = range(min(then, now) + 1, max(then, now) + 1)
    sentences = [f"{number}: {BEHAVIOURS[number]}" for number in between if number in BEHAVIOURS]
    return f"{CHANGELOG}: " + (" ".join(sentences) or f"{max(then, now)} is of a later version")


def _listed(seeds: Sequence[str]) -> str:
    shown = ", ".join(seeds) if len(seeds) <= 4 else f"{seeds[0]}, {seeds[1]}, … {seeds[-1]}"
    return f"{len(seeds)} ({shown})"


def common_seeds(baseline: Baseline, figures: RunFigures) -> tuple[str, ...]:
    """The seeds that both have played, in the baseline's order."""
    played = set(seed_names(figures))
    return tuple(seed for seed in baseline.seeds if seed in played)


def pairs_of_client(
    baseline: Baseline, figures: RunFigures, client: str, seeds: Sequence[str]
) -> list[Pairs]:
    """Every metric that baseline or run has of a client, a pair a seed."""
    own = baseline.clients[client]
    cells = {seed_name(figures, cell): cell for cell in figures.cells_of(client)}
    chosen = [seed for seed in seeds if seed in own.digests and seed in cells]
    where = {seed: at for at, seed in enumerate(own.digests)}
    same = all(own.digests[seed] is not None and own.digests[seed] == cells[seed].digest for seed in chosen)
    found = []
    for name in _names(own, list(cells.values())):
        metric, _, phase = name.partition("@")
        line = own.metrics.get(name)
        then = line.figures() if line else ()
        a = tuple(then[where[seed]] if then else Figure(None, reason=ABSENT) for seed in chosen)
        b = tuple(_now(cells[seed], metric, phase or None) for seed in chosen)
        found.append(
            Pairs(
                metric=metric,
                phase=phase or None,
                a=a,
                b=b,
                scenario=figures.scenario,
                same=same and bool(chosen),
            )
        )
    return found


def _names(own: ClientBaseline, cells: Sequence[CellFigures]) -> list[str]:
    """The metrics of either, those of the whole run first."""
    phases: list[str | None] = [None, *dict.fromkeys(phase for cell in cells for phase in cell.phases)]
    now = [
        metric if phase is None else f"{metric}@{phase}"
        for phase in phases
        for metric in METRICS
        if METRICS[metric].better is not None and any(metric in cell.of(phase) for cell in cells)
    ]
    then = [name for name in own.metrics if name.partition("@")[0] in METRICS]
    return list(dict.fromkeys([*now, *then]))


def _now(cell: CellFigures, metric: str, phase: str | None) -> Figure:
    figure = cell.of(phase).get(metric, Figure(None, reason=ABSENT))
    return Figure(rounded(figure.value), censored=figure.censored, reason=figure.reason)
