"""What a run over seeds says, in words and figures: the section 'Over N seeds' of the page and of summary.md.

metrics.json (clients.<name>.seeds, cells, expectations) ──► SeedsText, and the Pictures that are drawn
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from windtunnel.harness.contract.metrics import Kind
from windtunnel.reports.charts.spread import Picture
from windtunnel.reports.figures.model import ClientFigures, NumberSpread, RunFigures, Spread, TruthSpread
from windtunnel.reports.figures.seeds import samples_of
from windtunnel.reports.page.commands import one_seed
from windtunnel.reports.page.labels import label, limit, say
from windtunnel.reports.read.run_dir import Run

SHOWN = (
    "goodput", "time_to_recover_s", "amplification", "peak_amplification", "wasted_work", "wait_p50_s", "wait_p99_s",
    "silent_corruption", "cost_usd",
)  # fmt: skip
TRUTHS = ("recovered", "metastable")
MOST_NAMED = 6
SCALE: Mapping[Kind, float] = {"share": 100.0}


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """A client's row of a metric: what its seeds say. The extremes carry their seed.

    `over` says over how many seeds it is, where not all of them have a value; else it is empty.
    """

    client: str
    over: str
    median: str
    low: str
    high: str
    least: tuple[str, int]
    most: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """One metric, with a line per client."""

    text: str
    lines: tuple[SpreadRow, ...]


@dataclass(frozen=True, slots=True)
class ExpectationSeeds:
    """Something that holds in some seeds: per client (None: not asked) `197 of 200`, whether in all, and exceptions."""

    text: str
    results: tuple[tuple[str, bool, str] | None, ...]


@dataclass(frozen=True, slots=True)
class SeedsText:
    """The section's content. `shown` is the seed that the charts over time are of."""

    asked: int
    played: int
    first: int
    shown: int
    left_out: int
    held: tuple[ExpectationSeeds, ...]
    groups: tuple[Group, ...]
    replay: str
    commands: tuple[tuple[str, str], ...]

    @property
    def last(self) -> int:
        return self.first + self.asked - 1


def seeds_text(run: Run, figures: RunFigures, repeat: int, left_out: int) -> SeedsText:
    """Put `figures` into words; `repeat` is the one that the charts show, `left_out` cells were not played."""
    seeds = {cell.repeat: cell.seed or 0 for cell in figures.cells}
    groups = tuple(_groups(figures))
    return SeedsText(
        asked=figures.seeds or 0,
        played=len(seeds),
        first=figures.seed,
        shown=seeds[repeat],
        left_out=left_out,
        held=(*_truths(figures.clients), *_expectations(figures)),
        groups=groups,
        replay=one_seed(run, "CLIENT", "SEED"),
        commands=tuple(_commands(run, groups)),
    )


def pictures(figures: RunFigures) -> tuple[Picture, ...]:
    """The metrics that differ from seed to seed, ready to be drawn."""
    found = []
    for name, text, kind, unit in _shown(figures):
        factor = SCALE.get(kind, 1.0)
        values = []
        for client in figures.clients:
            samples = samples_of(figures.cells_of(client), name)
            values.append((client, tuple(factor * float(v or 0) for v, _ in samples)))
        known = {value for _, sample in values for value in sample}
        if len(known) > 1:
            found.append(Picture(name.replace("@", "-in-"), text, unit, tuple(values)))
    return tuple(found)


def _shown(figures: RunFigures) -> Iterable[tuple[str, str, Kind, str]]:
    """(Name, text, kind, unit) of each metric of the section; the share of good calls also of the last phase."""
    clients = figures.clients.values()
    last = list(dict.fromkeys(phase for client in clients for phase in client.phases))[-1:]
    names = [*SHOWN[:1], *(f"goodput@{phase}" for phase in last), *SHOWN[1:]]
    for name in names:
        if any(client.spread(name) for client in clients):
            metric, _, phase = name.partition("@")
            known = label(metric)
            yield name, known.text + (f", in phase {phase}" if phase else ""), known.kind, known.unit


def _groups(figures: RunFigures) -> Iterable[Group]:
    for name, text, kind, _ in _shown(figures):
        spreads = {client: own.spread(name) for client, own in figures.clients.items()}
        lines = [
            _line(client, spread, kind, len(figures.cells_of(client)))
            for client, spread in spreads.items()
            if isinstance(spread, NumberSpread)
        ]
        yield Group(text, tuple(lines))


def _line(client: str, spread: NumberSpread, kind: Kind, seeds: int) -> SpreadRow:
    def written(value: float | None) -> str:
        return say(math.inf if value is None else value, kind)

    median, low, high = (written(spread.points[point]) for point in ("p50", "p5", "p95"))
    least, most = ((written(end.value), end.seed) for end in (spread.least, spread.most))
    over = "" if spread.count == seeds else f"known in {spread.count} of {seeds} seeds"
    return SpreadRow(client, over, median, low, high, least, most)


def _truths(clients: Mapping[str, ClientFigures]) -> Iterable[ExpectationSeeds]:
    for name in TRUTHS:
        spreads = [client.spread(name) for client in clients.values()]
        if any(spreads):
            yield ExpectationSeeds(
                label(name).text, tuple(_truth(spread, good=name == "recovered") for spread in spreads)
            )


def _truth(spread: Spread | None, *, good: bool) -> tuple[str, bool, str] | None:
    if not isinstance(spread, TruthSpread):
        return None
    count = spread.count
    yes = round(spread.share * count)
    rare = yes if 2 * yes <= count else count - yes
    named = spread.yes if 2 * yes <= count else spread.no
    fine = yes == (count if good else 0)
    word = "" if not rare else ("in " if 2 * yes <= count else "not in ") + _named(named, rare)
    return f"{yes} of {count}", fine, word


def _expectations(figures: RunFigures) -> Iterable[ExpectationSeeds]:
    texts: dict[str, dict[str, tuple[str, bool, str]]] = {}
    for one in figures.judgements:
        if one.seeds is None:
            continue
        metric = label(one.metric)
        where = f" in phase {one.phase}" if one.phase else ""
        text = f"{metric.text}{where}: {limit(one.limit, metric.kind)}"
        held, count = one.seeds.held, one.seeds.count
        word = "not in " + _named(one.seeds.failed, count - held) if 0 < count - held <= count / 2 else ""
        texts.setdefault(text, {})[one.client] = (f"{held} of {count}", held == count, word)
    for text, by in texts.items():
        yield ExpectationSeeds(text, tuple(by.get(client) for client in figures.clients))


def _named(seeds: Sequence[int], of: int) -> str:
    shown = ", ".join(str(seed) for seed in seeds[:MOST_NAMED])
    return shown + (", …" if of > len(seeds[:MOST_NAMED]) else "")


def _commands(run: Run, groups: Sequence[Group]) -> Iterable[tuple[str, str]]:
    """A command for each (client, seed) that is an extreme, with what it is the extreme of."""
    why: dict[tuple[str, int], list[str]] = {}
    for group in groups:
        for line in group.lines:
            if line.least[0] == line.most[0]:
                continue
            for word, (value, seed) in (("least", line.least), ("most", line.most)):
                why.setdefault((line.client, seed), []).append(f"{group.text}: {word}, {value}")
    for (client, seed), reasons in why.items():
        yield one_seed(run, client, str(seed)), "; ".join(reasons)
