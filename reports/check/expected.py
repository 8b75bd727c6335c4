"""What is expected of a run's clients, judged: by its scenario, and by --expect."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.check.base import CheckOptions, RunBase
from windtunnel.reports.check.examples import Examples
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun
from windtunnel.reports.check.strips import phase_marks
from windtunnel.reports.figures.cells import MeasuredRun
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.figures.seeds import held_over_seeds
from windtunnel.reports.gate.expectations import Judgement, evaluate, input_errors, result_of
from windtunnel.reports.metrics.figure import NO_FIGURE, Figure
from windtunnel.reports.page.labels import say

NO_VERDICT = "the measurement is not valid"


def expected_of(base: RunBase, options: CheckOptions) -> CheckedRun:
    """Judge what is expected of one run's clients."""
    folder, figures, clients = base.folder, base.figures, base.clients
    not_here = {
        f"--clients {name}": f"--clients: found '{name}', expected one of {', '.join(figures.clients)} ({folder})"
        for name in base.missing
    }
    own = [one for one in figures.judgements if one.client in clients]
    asked = list(_asked(figures, options.expect, clients))
    not_here |= {one.expectation.expect: one.error for one in asked if one.error}
    judgements = [*own, *(one for one in asked if one.expectation.expect not in not_here)]
    checked = [_checked(one, figures, base.examples) for one in judgements if not one.error]
    if figures.state == "invalid":
        checked = [replace(one, result="undecided", reason=NO_VERDICT) for one in checked]
    return CheckedRun(
        path=folder,
        scenario=figures.scenario,
        clock=figures.clock,
        seed=figures.seed,
        seeds=figures.seeds,
        state=figures.state,
        partial=figures.partial,
        digest=figures.digest,
        versions=base.measured.run.plan.get("versions") or {},
        checked=tuple(checked),
        troubles=tuple(troubles_of(base.measured, figures, clients, strict=options.strict)),
        wrong=tuple(input_errors(own)),
        not_here=not_here,
        notes=(*_noisy(figures), *_not_asked(figures, clients)),
        strips={client: base.examples.strip(client, figures.cells) for client in clients},
        phases=phase_marks(base.measured.run.cells[0]),
    )


def _asked(figures: RunFigures, expect: Sequence[Expectation], clients: Sequence[str]) -> Iterator[Judgement]:
    for one in evaluate(expect, {client: figures.clients[client] for client in clients}):
        if figures.seeds is None:
            yield one
        else:
            yield replace(
                one, seeds=held_over_seeds(one.expectation, one.client, figures.cells_of(one.client))
            )


def _noisy(figures: RunFigures) -> Iterator[str]:
    """A noisy measurement stands, and says that it is one."""
    if figures.state == "noisy":
        late = " ".join(check.sentence for check in figures.checks if check.state == "noisy")
        yield f"the measurement is noisy, the verdicts are still right: {late}"


def _not_asked(figures: RunFigures, clients: Collection[str]) -> Iterator[str]:
    """Clients of which nothing is expected: they are not passed, they are not judged."""
    judged = {one.client for one in figures.judgements}
    for client in clients:
        if client not in judged and figures.judgements:
            yield f"the scenario expects nothing of {client}"


def _checked(one: Judgement, figures: RunFigures, examples: Examples) -> CheckedExpectation:
    result = one.result
    cell = _telling(one, figures.cells_of(one.client))
    look = (
        None if result == "passed" else examples.look(one.metric, one.phase, one.client, cell, figures.clock)
    )
    name = one.metric if one.phase is None else f"{one.metric}@{one.phase}"
    return CheckedExpectation(
        client=one.client,
        name=name,
        limit=one.limit,
        kind=METRICS[one.metric].kind,
        figure=one.figure,
        result=result,
        margin=margin_of(one.expectation, one.figure),
        reason=_why(one.figure) if result == "undecided" else "",
        look=look,
        seeds=one.seeds,
    )


def margin_of(expectation: Expectation, figure: Figure) -> float | None:
    """How far a value is on the right side of its limit; negative on the wrong one."""
    value, limit = figure.value, expectation.limit
    if value is None or isinstance(value, bool) or isinstance(limit, bool) or expectation.op in ("==", "!="):
        return None
    return float(limit) - float(value) if expectation.op in ("<", "<=") else float(value) - float(limit)


def _why(figure: Figure) -> str:
    if figure.value is None:
        return figure.reason or "it has no value in this run"
    return "the end of the run cut it off: it is at least that, and may be more"


def _telling(one: Judgement, cells: Sequence[CellFigures]) -> CellFigures | None:
    """The cell that shows best what is the matter: the first in which the expectation does not hold by itself."""

    def result(cell: CellFigures) -> str:
        return result_of(one.expectation, cell.of(one.phase).get(one.metric, NO_FIGURE))

    return next((cell for cell in cells if result(cell) == "failed"), cells[0] if cells else None)


def troubles_of(
    measured: MeasuredRun[None], figures: RunFigures, clients: Collection[str], *, strict: bool
) -> Iterator[str]:
    """Why nothing may be concluded from this run, a sentence each."""
    run = measured.run
    if figures.state == "invalid":
        yield "the measurement is not valid: " + " ".join(
            check.sentence for check in figures.checks if check.state == "invalid"
        )
    if strict and figures.state == "noisy":
        yield "the measurement is noisy (--strict): " + " ".join(
            check.sentence for check in figures.checks if check.state == "noisy"
        )
    if measured.left_out:
        yield f"the run is partial: {measured.left_out} of {len(run.plan['cells'])} plays did not come to their end"
    cut = [
        (cell, cell.status.get("reason") or "cut off before its end") for cell in run.cells if cell.partial
    ]
    for cell, reason in cut[:3]:
        until = (
            f", recorded up to {say(cell.observed_s, 'seconds')}" if math.isfinite(cell.observed_s) else ""
        )
        yield f"the run is partial: {cell.client}, repeat {cell.repeat}: {reason}{until}"
    if len(cut) > 3:
        yield f"the run is partial: {len(cut) - 3} more cells were cut off"
    if figures.partial and not cut and not measured.left_out:
        yield "the run is partial: some answers have no record of the server to be compared with"
    for client in clients:
        if not figures.clients[client].measured:
            error = next((f" ({error})" for error in figures.clients[client].errors), "")
            yield f"{client} was not measured: none of its requests reached the mock{error}"
