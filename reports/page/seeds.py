"""What a run over seeds says, in words and figures: the section 'Over N seeds' of the page and of summary.md.

metrics.json (clients.<name>.seeds, cells, expectations) ──► SeedsText, and the Pictures that are drawn
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from windtunnel.harness.contract.metrics import Kind
from windtunnel.reports.charts.spread import Picture
from windtunnel.reports.figures.seeds import samples_of
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
    """A client's row of a metric: what its seeds say. The extremes carry their seed."""

    client: str
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


def seeds_text(run: Run, metrics: Mapping[str, Any], repeat: int, left_out: int) -> SeedsText:
    """Put `metrics` into words; `repeat` is the one that the charts show, `left_out` cells were not played."""
    clients: Mapping[str, Any] = metrics["clients"]
    seeds = {cell["repeat"]: cell["seed"] for cell in metrics["cells"]}
    groups = tuple(_groups(metrics))
    return SeedsText(
        asked=int(metrics["seeds"]),
        played=len(seeds),
        first=int(metrics["seed"]),
        shown=seeds[repeat],
        left_out=left_out,
        held=(*_truths(clients), *_expectations(metrics)),
        groups=groups,
        replay=_command(run, "CLIENT", "SEED"),
        commands=tuple(_commands(run, groups)),
    )


def pictures(metrics: Mapping[str, Any]) -> tuple[Picture, ...]:
    """The metrics that differ from seed to seed, ready to be drawn."""
    found = []
    for name, text, kind, unit in _shown(metrics):
        factor = SCALE.get(kind, 1.0)
        values = []
        for client in metrics["clients"]:
            own = [cell for cell in metrics["cells"] if cell["client"] == client]
            values.append((client, tuple(factor * float(v or 0) for v, _ in samples_of(own, name))))
        known = {value for _, sample in values for value in sample}
        if len(known) > 1:
            found.append(Picture(name.replace("@", "-in-"), text, unit, tuple(values)))
    return tuple(found)


def _shown(metrics: Mapping[str, Any]) -> Iterable[tuple[str, str, Kind, str]]:
    """(Name, text, kind, unit) of each metric of the section; the share of good calls also of the last phase."""
    clients = metrics["clients"].values()
    last = list(dict.fromkeys(phase for client in clients for phase in client["phases"]))[-1:]
    names = [*SHOWN[:1], *(f"goodput@{phase}" for phase in last), *SHOWN[1:]]
    for name in names:
        if any(name in client["seeds"] for client in clients):
            metric, _, phase = name.partition("@")
            said = label(metric)
            yield name, said.text + (f", in phase {phase}" if phase else ""), said.kind, said.unit


def _groups(metrics: Mapping[str, Any]) -> Iterable[Group]:
    for name, text, kind, _ in _shown(metrics):
        lines = [
            _line(client, measured["seeds"][name], kind, name)
            for client, measured in metrics["clients"].items()
            if name in measured["seeds"]
        ]
        yield Group(text, tuple(lines))


def _line(client: str, spread: Mapping[str, Any], kind: Kind, name: str) -> SpreadRow:
    def told(value: float | None) -> str:
        return say(math.inf if value is None else value, kind)

    ends = [(told(spread[end]["value"]), int(spread[end]["seed"])) for end in ("min", "max")]
    return SpreadRow(client, told(spread["p50"]), told(spread["p5"]), told(spread["p95"]), ends[0], ends[1])


def _truths(clients: Mapping[str, Any]) -> Iterable[ExpectationSeeds]:
    for name in TRUTHS:
        spreads = [client["seeds"].get(name) for client in clients.values()]
        if any(spreads):
            yield ExpectationSeeds(
                label(name).text, tuple(_truth(spread, good=name == "recovered") for spread in spreads)
            )


def _truth(spread: Mapping[str, Any] | None, *, good: bool) -> tuple[str, bool, str] | None:
    if spread is None:
        return None
    count = int(spread["count"])
    yes = round(spread["share"] * count)
    rare = yes if 2 * yes <= count else count - yes
    named = spread["yes"] if 2 * yes <= count else spread["no"]
    fine = yes == (count if good else 0)
    word = "" if not rare else ("in " if 2 * yes <= count else "not in ") + _named(named, rare)
    return f"{yes} of {count}", fine, word


def _expectations(metrics: Mapping[str, Any]) -> Iterable[ExpectationSeeds]:
    texts: dict[str, dict[str, tuple[str, bool, str]]] = {}
    for one in metrics["expectations"]:
        said = label(one["metric"])
        where = f" in phase {one['phase']}" if one.get("phase") else ""
        text = f"{said.text}{where}: {limit(str(one['limit']), said.kind)}"
        held, count = one["seeds"]["held"], one["seeds"]["count"]
        word = (
            "not in " + _named(one["seeds"]["failed"], count - held) if 0 < count - held <= count / 2 else ""
        )
        texts.setdefault(text, {})[one["client"]] = (f"{held} of {count}", held == count, word)
    for text, by in texts.items():
        yield ExpectationSeeds(text, tuple(by.get(client) for client in metrics["clients"]))


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
        yield _command(run, client, str(seed)), "; ".join(reasons)


def _command(run: Run, client: str, seed: str) -> str:
    words = ["windtunnel", "run", str(run.scenario.get("name", "")), "--clock", "virtual"]
    words += ["--clients", client, "--seed", seed]
    if run.plan.get("time_scale", 1) != 1:
        words += ["--time-scale", str(Fraction(run.plan["time_scale"]).limit_denominator(10**6))]
    return shlex.join(words)
