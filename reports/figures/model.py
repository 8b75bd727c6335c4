"""What metrics.json holds, as objects: of a run, of its clients, of its cells.

records ─► CellFigures, a cell each ─► ClientFigures, over repeats ─► RunFigures ─► metrics.json, charts, page, gate
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from windtunnel.reports.figures.client_errors import ClientError
from windtunnel.reports.figures.gateway import GatewayFacts
from windtunnel.reports.figures.validity import State, ValidityCheck, worst_state
from windtunnel.reports.findings.finding import ClientFinding
from windtunnel.reports.gate.expectations import Judgement
from windtunnel.reports.metrics.figure import FiguresByPhase


@dataclass(frozen=True, slots=True)
class Extreme:
    """The least or the greatest value over seeds, with its first seed; None is a recovery that never came."""

    value: float | None
    seed: int


@dataclass(frozen=True, slots=True)
class NumberSpread:
    """How a number is distributed over `count` seeds; in `never` of them it never came, which is longest."""

    count: int
    points: Mapping[str, float | None]
    least: Extreme
    most: Extreme
    never: int = 0


@dataclass(frozen=True, slots=True)
class TruthSpread:
    """In what `share` of `count` seeds something is true, and the first seeds in which it is, and is not."""

    count: int
    share: float
    yes: tuple[int, ...]
    no: tuple[int, ...]


Spread: TypeAlias = NumberSpread | TruthSpread


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigures(FiguresByPhase):
    """The figures of one cell. `seed` is the --seed that plays it again as a first repeat; None outside of seeds.

    `digest` is of what the client did, `wire_digest` of everything: two clients may share the first.

    `damages` says what of its records cannot be read; figures that need it are null.
    """

    client: str
    repeat: int
    seed: int | None = None
    digest: str | None = None
    wire_digest: str | None = None
    partial: bool = False
    checks: tuple[ValidityCheck, ...] = ()
    damages: tuple[str, ...] = ()
    calls: int = 0
    errors: tuple[ClientError, ...] = ()
    measured: bool = True
    findings: tuple[ClientFinding, ...] = ()

    @property
    def state(self) -> State:
        return worst_state(self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFigures(FiguresByPhase):
    """The figures of a client over its repeats. `seeds`: metric or metric@phase → spread; None without seeds.

    `errors` are the most frequent errors that ended its calls. `lag_s`: how late the harness itself was at most.
    It was not `measured` if none of its requests reached the mock. `versions` is what its own interpreter has, empty
    if it has none and was played by the run's. `findings` say what to change in it, the most severe first. `varied`: in
    what it differs from other cells of its client, by setting; empty where nothing varies.
    """

    seeds: Mapping[str, Spread] | None = None
    errors: tuple[ClientError, ...] = ()
    lag_s: float = 0.0
    measured: bool = True
    versions: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[ClientFinding, ...] = ()
    varied: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)

    def spread(self, name: str) -> Spread | None:
        """How a metric is distributed over the seeds; None if it is not."""
        return None if self.seeds is None else self.seeds.get(name)


@dataclass(frozen=True, slots=True)
class LateArrivals:
    """Replayed arrivals that come after the end of the last phase, `count` of all: no figure counts them."""

    count: int
    of: int
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """All figures of a run. `seeds` is how many were asked for, from `seed` on; None in a run without seeds."""

    scenario: str
    seed: int
    seeds: int | None = None
    behaviour: int = 1
    clock: str = "real"
    digest: str | None = None
    wire_digest: str | None = None
    partial: bool = False
    checks: tuple[ValidityCheck, ...] = ()
    clients: Mapping[str, ClientFigures] = field(default_factory=dict)
    cells: tuple[CellFigures, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    late_arrivals: LateArrivals | None = None
    gateway: GatewayFacts | None = None

    @property
    def state(self) -> State:
        return worst_state(self.checks)

    def cells_of(self, client: str) -> tuple[CellFigures, ...]:
        """The cells of one client, a repeat each."""
        return tuple(cell for cell in self.cells if cell.client == client)
