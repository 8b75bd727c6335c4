"""What a report says, in words and figures, before it is a page or Markdown.

metrics.json, plan ──► ReportContent ──► html.py (HTML), markdown.py (Markdown)
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

from windtunnel.harness.contract.metrics import METRICS, Kind
from windtunnel.reports.charts.view import Span
from windtunnel.reports.page.labels import Label, Value, figure, label, limit, say
from windtunnel.reports.page.seeds import SeedsText
from windtunnel.reports.page.verdict import Verdict, verdicts
from windtunnel.reports.read.run_dir import Run

Mark = Literal["", "best", "worst"]

HEADLINES = (
    "goodput", "recovered", "recovered_fraction", "time_to_recover_s", "metastable", "amplification",
    "peak_amplification", "wasted_work", "wait_p50_s", "wait_p99_s", "wait_max_s", "silent_corruption", "cost_usd",
)  # fmt: skip
NEVER = "never"
SURVIVORS = ("latency_", "service_", "ttft_")
"""Families over answered calls alone: a client that answers few looks quick in them, and is not the best for it."""
CHECKS: dict[str, tuple[str, Kind]] = {
    "generator_lateness_p99_s": ("Calls sent after they were due, 99th percentile", "seconds"),
    "server_lag_p99_s": ("Lag of the mock server's loop, 99th percentile", "seconds"),
    "receive_lag_p99_s": ("Client's end after the server's last byte, 99th percentile", "seconds"),
    "client_lag_p99_s": ("Lag of the load processes, 99th percentile of the worst second", "seconds"),
    "dropped_arrivals": ("Calls that were due and never sent", "count"),
    "failed_cells": ("Parts of the measurement that failed", "count"),
    "server_cpu_cores": ("CPU of the mock server, in cores", "count"),
    "client_cpu_cores": ("CPU of the busiest load process, in cores", "count"),
}


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
    """What the scenario expects, and per client (None: not asked of it) the value and whether it passed."""

    text: str
    results: tuple[tuple[str, bool] | None, ...]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of the measurement itself. `passed` is None for a figure without a limit."""

    text: str
    value: str
    limit: str
    passed: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A client, and what its profile says of itself."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class ReportContent:
    """The whole content of a report but its charts."""

    title: str
    about: str
    seed: int
    clock: str
    repeats: int
    created: str
    valid: bool
    partial: bool
    troubles: tuple[str, ...]
    checks: tuple[CheckRow, ...]
    subjects: tuple[Subject, ...]
    verdicts: tuple[Verdict, ...]
    expectations: tuple[ExpectationRow, ...]
    mistakes: tuple[str, ...]
    headlines: tuple[Row, ...]
    details: tuple[Row, ...]
    phases: tuple[Span, ...]
    deadline: str
    versions: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    parameters: str
    seeds: SeedsText | None = None

    @property
    def clients(self) -> tuple[str, ...]:
        return tuple(subject.name for subject in self.subjects)

    @property
    def failed(self) -> int:
        """How many expectations failed, counted per client."""
        return sum(not result[1] for e in self.expectations for result in e.results if result)

    @property
    def asked(self) -> int:
        """How many expectations were judged, counted per client."""
        return sum(result is not None for e in self.expectations for result in e.results)


def content_of(
    run: Run, metrics: Mapping[str, Any], phases: Sequence[Span], better: Mapping[str, str | None]
) -> ReportContent:
    """Put into words what `metrics` says of `run`; `better` says of each metric which way is good."""
    scenario = run.scenario
    clients = tuple(metrics["clients"])
    deadline = run.cells[0].deadline_s
    cells = run.plan["cells"]
    repeats = len({cell.repeat for cell in run.cells})
    return ReportContent(
        title=str(metrics["scenario"]),
        about=str(scenario.get("about", "")),
        seed=int(metrics["seed"]),
        clock=_clock(metrics),
        repeats=repeats,
        created=_moment(str(run.plan.get("created", ""))),
        valid=bool(metrics["valid"]),
        partial=bool(metrics["partial"]),
        troubles=_troubles(run, metrics),
        checks=_checks(metrics),
        subjects=tuple(Subject(name, _about(cells, name)) for name in clients),
        verdicts=verdicts(metrics, phases, objective=float(scenario.get("objective", 0.99))),
        expectations=_expectations(metrics),
        mistakes=tuple(dict.fromkeys(str(e["error"]) for e in metrics["expectations"] if "error" in e)),
        headlines=tuple(_headlines(metrics["clients"], phases, better, repeats)),
        details=tuple(_details(metrics["clients"], phases, better)),
        phases=tuple(phases),
        deadline=say(deadline, "seconds") if math.isfinite(deadline) else "",
        versions=tuple((str(k), str(v)) for k, v in run.plan.get("versions", {}).items()),
        commands=_commands(run, clients),
        parameters=json.dumps(scenario, indent=2, ensure_ascii=False),
    )


def _checks(metrics: Mapping[str, Any]) -> tuple[CheckRow, ...]:
    return tuple(_check(one) for one in metrics["validity_checks"])


def _check(found: Mapping[str, Any]) -> CheckRow:
    known = label(found["name"])
    text, kind = CHECKS.get(found["name"], (known.text, known.kind))
    cores = found["name"].endswith("_cores") and found["value"] is not None
    value = f"{found['value']:.2f}" if cores else say(found["value"], kind)
    if found["limit"] is None:
        return CheckRow(text, value, "", None, found["sentence"])
    most = f"at most {say(found['limit'], kind)}" if found["limit"] else "none"
    if found["value"] is None:
        value = "no occasion" if found["passed"] else "not measured"
    return CheckRow(text, value, most, found["passed"], found["sentence"])


def _about(cells: Iterable[Mapping[str, Any]], client: str) -> str:
    profiles = (cell.get("profile") or {} for cell in cells if cell.get("client") == client)
    return next((str(profile["about"]) for profile in profiles if profile.get("about")), "")


def _moment(written: str) -> str:
    """An ISO time to the minute, in UTC; what is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return written


def _troubles(run: Run, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Why cells are not whole or not valid, a line each."""
    lines = []
    for cell in run.cells:
        if cell.partial:
            reason = (
                cell.status.get("reason") or f"the cell is {cell.status.get('state', 'without a status')}"
            )
            reason = str(reason).removeprefix(f"{cell.client}-{cell.repeat}: ")
            until = f"; recorded up to {cell.observed_s:.1f} s" if math.isfinite(cell.observed_s) else ""
            lines.append(f"{cell.client}, repeat {cell.repeat}: {reason}{until}")
    invalid = [entry for entry in metrics["cells"] if not entry["valid"]]
    if invalid:
        names = ", ".join(f"{entry['client']} ({entry['repeat']})" for entry in invalid)
        every = len(invalid) == len(metrics["cells"])
        where = "every cell" if every else f"the cells of these clients (repeats): {names}"
        lines.insert(0, f"this concerns {where}")
    return tuple(lines)


def _expectations(metrics: Mapping[str, Any]) -> tuple[ExpectationRow, ...]:
    clients = metrics["clients"]
    texts: dict[str, dict[str, tuple[str, bool]]] = {}
    for one in metrics["expectations"]:
        said = label(one["metric"])
        where = f" in phase {one['phase']}" if one.get("phase") else ""
        text = f"{said.text}{where}: {limit(str(one['limit']), said.kind)}"
        never = _never(one["metric"], one["value"], clients[one["client"]])
        value = NEVER if never else "none" if one["value"] is None else say(one["value"], said.kind)
        texts.setdefault(text, {})[one["client"]] = (value, bool(one["passed"]))
    return tuple(
        ExpectationRow(text, tuple(by.get(client) for client in clients)) for text, by in texts.items()
    )


def _never(name: str, value: Value, client: Mapping[str, Any]) -> bool:
    """Whether `value` stands for a recovery that did not come: null in metrics.json, beside `recovered` false."""
    recovered = client["overall"].get("recovered", {}).get("value")
    return name == "time_to_recover_s" and value is None and recovered is False


def _headlines(
    clients: Mapping[str, Any], phases: Sequence[Span], better: Mapping[str, str | None], repeats: int
) -> Iterable[Row]:
    for name in HEADLINES if repeats > 1 else (name for name in HEADLINES if name != "recovered_fraction"):
        yield from _row(clients, name, None, better)
        if name == "goodput" and len(phases) > 1:
            for phase in phases:
                yield from _row(clients, name, phase.name, better)


def _details(
    clients: Mapping[str, Any], phases: Sequence[Span], better: Mapping[str, str | None]
) -> Iterable[Row]:
    """Every metric there is: the whole run first, then phase by phase."""
    for phase in (None, *(phase.name for phase in phases)):
        for name in sorted(_names(clients, phase), key=_rank):
            yield from _row(clients, name, phase, better)


def _rank(name: str) -> tuple[int, str]:
    order = tuple(METRICS)
    return (order.index(name) if name in order else len(order), name)


def _names(clients: Mapping[str, Any], phase: str | None) -> set[str]:
    return {name for client in clients.values() for name in _of(client, phase)}


def _of(client: Mapping[str, Any], phase: str | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client["overall"] if phase is None else client.get("phases", {}).get(phase, {})
    return found


def _row(
    clients: Mapping[str, Any], name: str, phase: str | None, better: Mapping[str, str | None]
) -> Iterable[Row]:
    """The row of a metric; none if it applies to no client."""
    entries = [_of(client, phase).get(name) for client in clients.values()]
    if all(entry is None for entry in entries):
        return
    said = label(name)
    never = [
        e is not None and _never(name, e["value"], c) for e, c in zip(entries, clients.values(), strict=True)
    ]
    values: list[Value] = [
        math.inf if n else e["value"] if e else None for e, n in zip(entries, never, strict=True)
    ]
    texts = [NEVER if n else figure(e, said.kind) for e, n in zip(entries, never, strict=True)]
    marks = _marks(values, None if name.startswith(SURVIVORS) else better.get(name))
    yield Row(name, said, phase or "", tuple(CellText(t, m) for t, m in zip(texts, marks, strict=True)))


def _marks(values: Sequence[Value], better: str | None) -> list[Mark]:
    """`best` and `worst` of a row, ties included; none where all are alike or neither way is better."""
    known = [float(value) for value in values if value is not None]
    if better is None or len(known) < 2 or math.isclose(min(known), max(known), rel_tol=0.005, abs_tol=1e-9):
        return ["" for _ in values]
    best, worst = (max(known), min(known)) if better == "higher" else (min(known), max(known))
    return [
        "" if v is None else "best" if float(v) == best else "worst" if float(v) == worst else ""
        for v in values
    ]


def _clock(metrics: Mapping[str, Any]) -> str:
    """Which clock the run was on, for people."""
    if metrics["clock"] == "virtual":
        return f"virtual clock, digest {metrics.get('digest', 'unknown')}"
    return "real clock"


def _commands(run: Run, clients: Sequence[str]) -> tuple[str, ...]:
    seed = run.plan.get("seed", run.scenario.get("seed", 0))
    repeats = len({cell.repeat for cell in run.cells})
    again = ["windtunnel", "run", str(run.scenario.get("name", ""))]
    again += ["--clients", ",".join(clients), "--seed", str(seed)]
    if run.plan.get("seeds"):
        again += ["--seeds", str(run.plan["seeds"])]
    elif repeats > 1:
        again += ["--repeat", str(repeats)]
    if run.plan.get("clock") == "virtual":
        again += ["--clock", "virtual"]
    if run.plan.get("time_scale", 1) != 1:
        again += ["--time-scale", str(Fraction(run.plan["time_scale"]).limit_denominator(10**6))]
    return (shlex.join(again), shlex.join(["windtunnel", "report", f"runs/{run.path.name}"]))
