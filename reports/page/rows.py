"""The rows of a report's tables: metrics over the clients, and what the scenario expects of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.charts.view import Span
from windtunnel.reports.figures.model import ClientFigures, RunFigures
from windtunnel.reports.gate.expectations import Result
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.page.labels import Label, figure, label, limit, say
from windtunnel.reports.page.marks import Mark, marks
from windtunnel.reports.page.notes import Notes

HEADLINES = (
    "goodput", "recovered", "recovered_fraction", "time_to_recover_s", "metastable", "amplification",
    "peak_amplification", "wasted_work", "wait_p50_s", "wait_p99_s", "wait_max_s", "own_model_answers",
    "silent_corruption", "cost_usd",
)  # fmt: skip
NEVER = "never"
SURVIVORS = ("latency_", "service_", "ttft_")
"""Families over answered calls alone: a client that answers few looks quick in them, and is not the best for it."""


@dataclass(frozen=True, slots=True)
class CellText:
    """A cell of a table: what it says, and whether it is the best or the worst of its row."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A metric over the clients; `where` is the phase it is of, empty for the whole run."""

    name: str
    label: Label
    where: str
    cells: tuple[CellText, ...]


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """What the scenario expects, and per client (None: not asked of it) the value and the result."""

    text: str
    results: tuple[tuple[str, Result] | None, ...]


def expectation_rows(figures: RunFigures, notes: Notes) -> tuple[ExpectationRow, ...]:
    """What was asked of the clients, a row for each expectation."""
    clients = figures.clients
    texts: dict[str, dict[str, tuple[str, Result]]] = {}
    for one in figures.judgements:
        metric = label(one.metric)
        where = f" in phase {one.phase}" if one.phase else ""
        text = f"{metric.text}{where}: {limit(one.limit, metric.kind)}"
        client = clients[one.client]
        value = notes.unknown(one.figure)
        if _never(one.metric, client):
            value = _said_never(one.figure)
        elif one.value is not None:
            value = figure(one.figure, metric.kind, lag_s=client.lag_s)
        texts.setdefault(text, {})[one.client] = (value, one.result)
    return tuple(
        ExpectationRow(text, tuple(by.get(client) for client in clients)) for text, by in texts.items()
    )


def _never(name: str, client: ClientFigures) -> bool:
    """Whether a metric is of a recovery that did not come: a lower bound in metrics.json, or null."""
    figure = client.overall.get(name)
    return (
        name == "time_to_recover_s"
        and figure is not None
        and (figure.censored or (figure.value is None and client.value("recovered") is False))
    )


def _said_never(found: Figure) -> str:
    """A recovery that did not come, and for how long it was waited for."""
    return NEVER if found.value is None else f"{NEVER} (≥ {say(found.value, 'seconds')})"


def headline_rows(
    clients: Mapping[str, ClientFigures], phases: Sequence[Span], repeats: int, notes: Notes
) -> Iterable[Row]:
    """The rows of the first table: HEADLINES, with goodput also phase by phase."""
    for name in HEADLINES if repeats > 1 else (name for name in HEADLINES if name != "recovered_fraction"):
        yield from metric_rows(clients, name, None, notes)
        if name == "goodput" and len(phases) > 1:
            for phase in phases:
                yield from metric_rows(clients, name, phase.name, notes)


def detail_rows(clients: Mapping[str, ClientFigures], phases: Sequence[Span], notes: Notes) -> Iterable[Row]:
    """Every metric there is: the whole run first, then phase by phase."""
    for phase in (None, *(phase.name for phase in phases)):
        for name in sorted(_names(clients, phase), key=_rank):
            yield from metric_rows(clients, name, phase, notes)


def _rank(name: str) -> tuple[int, str]:
    order = tuple(METRICS)
    return (order.index(name) if name in order else len(order), name)


def _names(clients: Mapping[str, ClientFigures], phase: str | None) -> set[str]:
    return {name for client in clients.values() for name in client.of(phase)}


def metric_rows(
    clients: Mapping[str, ClientFigures], name: str, phase: str | None, notes: Notes
) -> Iterable[Row]:
    """The row of a metric; none if it applies to no client."""
    entries = [client.of(phase).get(name) for client in clients.values()]
    if all(entry is None for entry in entries):
        return
    metric = label(name)
    texts = [
        _figure(name, entry, client, notes) for entry, client in zip(entries, clients.values(), strict=True)
    ]
    known = METRICS.get(name)
    better = known.better if known and not name.startswith(SURVIVORS) else None
    cells = zip(texts, marks(entries, better), strict=True)
    yield Row(name, metric, phase or "", tuple(CellText(text, mark) for text, mark in cells))


def _figure(name: str, found: Figure | None, client: ClientFigures, notes: Notes) -> str:
    """A figure as it stands in a table; empty for a metric that is not of this client."""
    if found is None:
        return ""
    if _never(name, client):
        return _said_never(found)
    if found.value is None:
        return notes.unknown(found)
    return figure(found, label(name).kind, lag_s=client.lag_s)
