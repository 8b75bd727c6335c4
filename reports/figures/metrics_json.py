"""metrics.json: the one place that writes the figures of a run as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from windtunnel.reports.figures.gateway import GatewayFacts
from windtunnel.reports.figures.model import CellFigures, ClientFigures, NumberSpread, RunFigures, Spread
from windtunnel.reports.figures.validity import ValidityCheck
from windtunnel.reports.findings.finding import SEVERITIES, ClientFinding
from windtunnel.reports.gate.expectations import Judgement
from windtunnel.reports.metrics.figure import Figure, Figures

SCHEMA_VERSION: Final = 2


def as_json(figures: RunFigures, grid: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of metrics.json, as plain JSON types; `grid` is that of a run that varies."""
    return {
        "schema_version": SCHEMA_VERSION,
        "behaviour": figures.behaviour,
        "scenario": figures.scenario,
        "seed": figures.seed,
        **_known(seeds=figures.seeds),
        "clock": figures.clock,
        **_known(digest=figures.digest, wire_digest=figures.wire_digest),
        "partial": figures.partial,
        "validity": {"state": figures.state} | _validity(figures.checks),
        "validity_checks": [_check(check) for check in figures.checks],
        "clients": {client: _client(own) for client, own in figures.clients.items()},
        "cells": [_cell(cell) for cell in figures.cells],
        "expectations": [_judgement(judgement) for judgement in figures.judgements],
        **_known(late_arrivals=None if figures.late_arrivals is None else asdict(figures.late_arrivals)),
        **_known(gateway=None if figures.gateway is None else _gateway(figures.gateway), grid=grid),
    }


def _gateway(gateway: GatewayFacts) -> dict[str, Any]:
    return {
        "name": gateway.name,
        "about": gateway.about,
        "deaths": [asdict(death) for death in gateway.deaths],
    }


def _known(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _client(client: ClientFigures) -> dict[str, Any]:
    spreads = (
        None if client.seeds is None else {name: _spread(spread) for name, spread in client.seeds.items()}
    )
    return {
        "measured": client.measured,
        **_known(versions=dict(client.versions) or None, varied=dict(client.varied) or None),
        "overall": _group(client.overall),
        "phases": {phase: _group(found) for phase, found in client.phases.items()},
        **_known(seeds=spreads),
        "errors": [asdict(error) for error in client.errors],
        "findings": [finding_json(finding) for finding in client.findings],
    }


def finding_json(finding: ClientFinding) -> dict[str, Any]:
    """A finding as plain JSON types."""
    return {**asdict(finding), "severity": SEVERITIES[finding.severity], "calls": list(finding.calls)}


def _cell(cell: CellFigures) -> dict[str, Any]:
    return {
        "client": cell.client,
        "repeat": cell.repeat,
        **_known(seed=cell.seed, digest=cell.digest, wire_digest=cell.wire_digest),
        "partial": cell.partial,
        "state": cell.state,
        "validity": _validity(cell.checks),
        **_known(damages=list(cell.damages) or None),
        "overall": _group(cell.overall),
        "phases": {phase: _group(found) for phase, found in cell.phases.items()},
    }


def _group(figures: Figures) -> dict[str, Any]:
    return {name: _figure(figure) for name, figure in figures.items()}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        **_known(censored=figure.censored or None, reason=figure.reason or None),
    }


def _spread(spread: Spread) -> dict[str, Any]:
    if not isinstance(spread, NumberSpread):
        return {
            "count": spread.count,
            "share": spread.share,
            "yes": list(spread.yes),
            "no": list(spread.no),
        }
    return {
        "count": spread.count,
        **spread.points,
        "min": {"value": spread.least.value, "seed": spread.least.seed},
        "max": {"value": spread.most.value, "seed": spread.most.seed},
        **({"never": spread.never} if spread.never else {}),
    }


def _validity(checks: tuple[ValidityCheck, ...]) -> dict[str, Any]:
    return {check.name: check.value for check in checks}


def _check(check: ValidityCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": check.value,
        "limit": check.limit,
        "noisy_limit": check.noisy_limit,
        "state": check.state,
        "sentence": check.sentence,
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    held = judgement.seeds
    seeds = None
    if held is not None:
        undecided = {"undecided": held.undecided} if held.undecided else {}
        seeds = {"count": held.count, "held": held.held, **undecided, "failed": list(held.failed)}
    return {
        "client": judgement.client,
        "metric": judgement.metric,
        "phase": judgement.phase,
        "limit": judgement.limit,
        "value": judgement.value,
        "result": judgement.result,
        **_known(censored=judgement.figure.censored or None, reason=judgement.figure.reason or None),
        **_known(error=judgement.error or None, seeds=seeds),
    }
