"""Every rule, by name; and what all of them find in a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from windtunnel.reports.findings.connecting import connecting
from windtunnel.reports.findings.finding import ClientFinding, Rule, Seen
from windtunnel.reports.findings.gave_up import gave_up
from windtunnel.reports.findings.half_answers import half_answers
from windtunnel.reports.findings.held_up import held_up
from windtunnel.reports.findings.leaked import leaked
from windtunnel.reports.findings.no_deadline import no_deadline
from windtunnel.reports.findings.retry_after import retry_after
from windtunnel.reports.findings.short_connect import short_connect
from windtunnel.reports.findings.silence import silence
from windtunnel.reports.findings.stacked import stacked
from windtunnel.reports.findings.stale_connections import stale_connections
from windtunnel.reports.findings.storm import storm
from windtunnel.reports.findings.together import together
from windtunnel.reports.findings.too_early import too_early
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.metrics.figure import Figures
from windtunnel.reports.read.outcomes import Judged

RULES: Final[Mapping[str, Rule]] = {
    "half_answers": half_answers,
    "storm": storm,
    "stacked": stacked,
    "retry_after": retry_after,
    "stale_connections": stale_connections,
    "silence": silence,
    "no_deadline": no_deadline,
    "too_early": too_early,
    "gave_up": gave_up,
    "leaked": leaked,
    "held_up": held_up,
    "short_connect": short_connect,
    "connecting": connecting,
    "together": together,
}


def findings_of(judged: Judged, figures: Figures, scenario: Mapping[str, Any]) -> tuple[ClientFinding, ...]:
    """What every rule finds in a cell, the most severe first. Nothing of a cell whose records are damaged."""
    cell = judged.cell
    if cell.damages:
        return ()
    seen = Seen(cohort_of(judged, scenario), figures, cell.plan.get("profile") or {})
    if not seen.calls:
        return ()
    found = [finding for rule in RULES.values() if (finding := rule(seen)) is not None]
    return tuple(replace(one, repeat=cell.repeat) for one in _ordered(found))


def over_repeats(cells: Sequence[Sequence[ClientFinding]]) -> tuple[ClientFinding, ...]:
    """Of each rule the finding of the repeat that shows it most."""
    most: dict[str, ClientFinding] = {}
    for found in (one for cell in cells for one in cell):
        if found.rule not in most or found.count > most[found.rule].count:
            most[found.rule] = found
    return tuple(_ordered(list(most.values())))


def _ordered(found: Sequence[ClientFinding]) -> list[ClientFinding]:
    order = list(RULES)
    return sorted(found, key=lambda one: (-one.severity, order.index(one.rule)))
