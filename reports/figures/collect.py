"""From measured cells to the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from windtunnel.reports.figures.cell import MeasuredCell
from windtunnel.reports.figures.client_errors import over_cells as errors_over
from windtunnel.reports.figures.gateway import gateway_facts
from windtunnel.reports.figures.model import CellFigures, ClientFigures, LateArrivals, RunFigures
from windtunnel.reports.figures.repeats import over_repeats
from windtunnel.reports.figures.seeds import held_over_seeds, over_seeds
from windtunnel.reports.figures.validity import lag_of, worst
from windtunnel.reports.findings.table import over_repeats as findings_over
from windtunnel.reports.gate.expectations import evaluate, parse
from windtunnel.reports.read.run_dir import Run

OF_THE_MACHINE = ("system", "cores")


def run_figures(run: Run, cells: Sequence[MeasuredCell], *, left_out: int = 0) -> RunFigures:
    """The figures of a run from those of its cells; `left_out` more were planned and not played.

    Raises `ExpectationError` for an expectation that cannot be read or names no metric at all.
    """
    expectations = [parse(entry) for entry in run.scenario.get("expect") or []]
    measured = tuple(cell.figures for cell in cells)
    seeds: int | None = run.plan.get("seeds") or None
    own = {client: [cell for cell in measured if cell.client == client] for client in run.clients}
    clients = {
        client: replace(
            over_cells(own[client], seeds=seeds is not None),
            versions=_versions(run, client),
            varied=_varied(run, client),
        )
        for client in run.clients
    }
    judgements = evaluate(expectations, clients)
    if seeds is not None:
        judgements = [
            replace(one, seeds=held_over_seeds(one.expectation, one.client, own[one.client]))
            for one in judgements
        ]
    return RunFigures(
        scenario=run.scenario["name"],
        seed=run.plan.get("seed", run.scenario.get("seed", 0)),
        seeds=seeds,
        behaviour=run.plan.get("behaviour", 1),
        clock=run.plan.get("clock", "real"),
        digest=_combined({cell.folder.name: cell.digest for cell in run.cells}),
        wire_digest=_combined({cell.folder.name: cell.wire_digest for cell in run.cells}),
        partial=left_out > 0 or any(cell.partial for cell in measured),
        checks=worst([cell.checks for cell in measured]),
        clients=clients,
        cells=measured,
        judgements=tuple(judgements),
        late_arrivals=_late_arrivals(run),
        gateway=gateway_facts(run),
    )


def _late_arrivals(run: Run) -> LateArrivals | None:
    """Replayed arrivals beyond the last phase; None if there are none."""
    if not run.cells:
        return None
    cell = run.cells[0]
    arrivals = cell.plan["load"].get("arrivals")
    times = (arrivals.get("times_s") if isinstance(arrivals, Mapping) else None) or ()
    late = sum(time >= cell.end_s for time in times)
    return LateArrivals(late, len(times), cell.end_s) if late else None


def over_cells(cells: Sequence[CellFigures], *, seeds: bool = False) -> ClientFigures:
    """The figures of a client over `cells`, its repeats; with `seeds`, how they are distributed as well."""
    phases = dict.fromkeys(phase for cell in cells for phase in cell.phases)
    return ClientFigures(
        overall=over_repeats([cell.overall for cell in cells]),
        phases={phase: over_repeats([cell.phases[phase] for cell in cells]) for phase in phases},
        seeds=over_seeds(cells) if seeds else None,
        measured=any(cell.measured for cell in cells),
        lag_s=max((lag_of(cell.checks) for cell in cells), default=0.0),
        findings=findings_over([cell.findings for cell in cells if cell.state != "invalid"]),
        errors=errors_over([cell.errors for cell in cells], sum(cell.calls for cell in cells)),
    )


def _versions(run: Run, client: str) -> Mapping[str, str]:
    """What the client's own interpreter has of all that may differ between two; empty if it has none."""
    own = [cell.get("versions") for cell in run.plan["cells"] if cell.get("client") == client]
    found: Mapping[str, str] = (own and own[0]) or {}
    return {name: str(number) for name, number in found.items() if name not in OF_THE_MACHINE}


def _varied(run: Run, client: str) -> Mapping[str, bool | int | float | str | None]:
    """The coordinates of a cell of a run that varies."""
    found = next((cell.get("varied") for cell in run.plan["cells"] if cell.get("client") == client), None)
    return dict(found or {})


def _combined(digests: Mapping[str, str | None]) -> str | None:
    """One digest of those of all cells, which a run on the virtual clock repeats exactly; None if one has none."""
    if None in digests.values():
        return None
    text = "\n".join([f"{name} {digests[name]}" for name in sorted(digests)])
    return blake2b(text.encode(), digest_size=16).hexdigest()
