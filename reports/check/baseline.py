"""A baseline: what a run came to, as a small file that is committed beside the code and read by people in a diff.

run directory ─► baseline_of ─► Baseline ─► as_text ─► a JSON file with a line a metric ─► read_baseline ─► Baseline
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.errors import ReportsError
from windtunnel.reports.figures.metrics_json import SCHEMA_VERSION
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.metrics.figure import NO_FIGURE, Figure, FiguresByPhase

BASELINE_VERSION: Final = 1
ABOUT: Final = "A baseline of windtunnel: `windtunnel check RUN_DIR --baseline FILE` compares a run with it."
NOT_PLAYED: Final = ("expect", "clients", "about", "seed", "clock", "vary", "grid")
"""Keys of a scenario that change nothing of what one client meets."""
OF_THE_MACHINE: Final = ("system", "cores")
DIGITS: Final = 6
ABSENT: Final = "does not apply"


class BaselineError(ReportsError):
    """A baseline file that cannot be read: says where, what was found and what was expected."""


class MetricLine(BaseModel):
    """One metric: its mean and interval for people, and for the comparison its value for each seed.

    `bounds` are the positions of values that are lower bounds; `reason` is why a value is null.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | bool | None
    low: float | None = None
    high: float | None = None
    seeds: tuple[bool | float | None, ...]
    bounds: tuple[int, ...] = ()
    reason: str = ""

    def figures(self) -> tuple[Figure, ...]:
        """A figure a seed."""
        return tuple(
            Figure(value, censored=at in self.bounds, reason=self.reason if value is None else "")
            for at, value in enumerate(self.seeds)
        )


class ClientBaseline(BaseModel):
    """One client: by seed the digest of what it did (null in real time), and by metric or metric@phase its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digests: dict[str, str | None]
    metrics: dict[str, MetricLine]


class Baseline(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ABOUT
    baseline: Literal[1] = BASELINE_VERSION
    schema_version: int
    behaviour: int
    scenario: str
    scenario_hash: str
    clock: str
    seeds: tuple[str, ...] = Field(min_length=1)
    versions: dict[str, str]
    clients: dict[str, ClientBaseline] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class NamedBaseline:
    """A baseline and the file that it stands in."""

    path: Path
    content: Baseline


def baseline_of(figures: RunFigures, plan: Mapping[str, Any], clients: Iterable[str]) -> Baseline:
    """What `clients` came to in a run."""
    names = sorted(clients)
    return Baseline(
        schema_version=SCHEMA_VERSION,
        behaviour=figures.behaviour,
        scenario=figures.scenario,
        scenario_hash=scenario_hash(plan),
        clock=figures.clock,
        seeds=seed_names(figures),
        versions=versions_of(plan),
        clients={client: _client(figures, client) for client in names},
    )


def versions_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """The versions of everything that a run used, but for the machine."""
    found = sorted((plan.get("versions") or {}).items())
    return {name: str(version) for name, version in found if name not in OF_THE_MACHINE}


def seed_names(figures: RunFigures) -> tuple[str, ...]:
    """What was played, in order: seeds, and for the further repeats of one seed `7#1`, `7#2`."""
    return tuple(dict.fromkeys(seed_name(figures, cell) for cell in figures.cells))


def seed_name(figures: RunFigures, cell: CellFigures) -> str:
    """The seed of a cell, by which it is paired with another one."""
    return f"{figures.seed}#{cell.repeat}" if cell.seed is None else str(cell.seed)


def scenario_hash(plan: Mapping[str, Any]) -> str:
    """A hash over everything of a scenario that decides what a client meets."""
    played = {key: value for key, value in plan["scenario"].items() if key not in NOT_PLAYED}
    text = json.dumps([played, plan.get("time_scale", 1.0)], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def rounded(value: float | bool | None) -> float | bool | None:
    """To six digits: what is lost is far below any floor, and a diff shows what has changed."""
    if value is None or isinstance(value, bool):
        return value
    number = float(f"{value:.{DIGITS}g}")
    return int(number) if number.is_integer() and abs(number) < 10**DIGITS else number


def _client(figures: RunFigures, client: str) -> ClientBaseline:
    cells = figures.cells_of(client)
    whole = figures.clients[client]
    digests = {seed_name(figures, cell): cell.digest for cell in cells}
    names = [*_names(cells, None), *(name for phase in whole.phases for name in _names(cells, phase))]
    return ClientBaseline(digests=digests, metrics={name: _line(name, cells, whole) for name in names})


def _names(cells: Sequence[CellFigures], phase: str | None) -> list[str]:
    """Metrics that have a direction: only those can become better or worse."""
    here = {name for cell in cells for name in cell.of(phase)}
    known = sorted(name for name in here if name in METRICS and METRICS[name].better is not None)
    return known if phase is None else [f"{name}@{phase}" for name in known]


def _line(name: str, cells: Sequence[CellFigures], whole: FiguresByPhase) -> MetricLine:
    metric, _, phase = name.partition("@")
    own = [cell.of(phase or None).get(metric, Figure(None, reason=ABSENT)) for cell in cells]
    mean = whole.of(phase or None).get(metric, NO_FIGURE)
    return MetricLine(
        value=rounded(mean.value),
        low=rounded(mean.low),
        high=rounded(mean.high),
        seeds=tuple(rounded(figure.value) for figure in own),
        bounds=tuple(at for at, figure in enumerate(own) if figure.censored),
        reason=next((figure.reason for figure in own if figure.value is None and figure.reason), ""),
    )


def as_text(baseline: Baseline) -> str:
    """The file: sorted, a line a metric, so that a diff shows what became different."""
    content = baseline.model_dump(mode="json")
    clients = content.pop("clients")
    versions = content.pop("versions")
    lines = [f" {_json(key)}: {_json(value)}," for key, value in content.items()]
    lines += [' "versions": {', *_entries(versions, 2), " },", ' "clients": {']
    blocks = []
    for client, own in clients.items():
        metrics = {name: _short(line) for name, line in own["metrics"].items()}
        block = [f"  {_json(client)}: {{", '   "digests": {', *_entries(own["digests"], 4), "   },"]
        blocks.append("\n".join([*block, '   "metrics": {', *_entries(metrics, 4), "   }", "  }"]))
    return "\n".join(["{", *lines, ",\n".join(blocks), " }", "}"]) + "\n"


def _short(line: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not there, and whole numbers without their `.0`."""
    line = {**line, "seeds": [rounded(value) for value in line["seeds"]]}
    line |= {key: rounded(line[key]) for key in ("value", "low", "high")}
    return {
        key: value for key, value in line.items() if key in ("value", "seeds") or value not in (None, [], "")
    }


def _entries(entries: Mapping[str, Any], indent: int) -> list[str]:
    last = len(entries) - 1
    return [
        f"{' ' * indent}{_json(key)}: {_json(value)}{'' if at == last else ','}"
        for at, (key, value) in enumerate(entries.items())
    ]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises `BaselineError` if it is none, or one that this version cannot read."""
    again = "expected a file that `windtunnel baseline write` wrote"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaselineError(f"{path}: found no such file, {again}") from None
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: found no JSON ({error}), {again}") from None
    if not isinstance(content, dict) or "baseline" not in content:
        raise BaselineError(f"{path}: found no key 'baseline', {again}")
    if content["baseline"] != BASELINE_VERSION:
        raise BaselineError(
            f"{path}: baseline: found {content['baseline']!r}, expected {BASELINE_VERSION}, which this version reads"
        )
    try:
        found = Baseline.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BaselineError(
            f"{path}: {key}: found {_shown(first['input'])}, expected: {first['msg']}"
        ) from None
    for client, own in found.clients.items():
        wrong = [name for name, line in own.metrics.items() if len(line.seeds) != len(own.digests)]
        if wrong:
            key, count = f"clients.{client}.metrics.{wrong[0]}.seeds", len(own.metrics[wrong[0]].seeds)
            raise BaselineError(
                f"{path}: {key}: found {count} values, expected {len(own.digests)}, one for each seed"
            )
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
