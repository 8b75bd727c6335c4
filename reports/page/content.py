"""What a report says, in words and figures, before it is a page or Markdown.

metrics.json, plan ──► ReportContent ──► html.py (HTML), markdown.py (Markdown)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from windtunnel.harness.contract.metrics import Kind
from windtunnel.reports.charts.view import Span
from windtunnel.reports.figures.model import RunFigures
from windtunnel.reports.figures.repeats import REPEATS_FOR_INTERVAL
from windtunnel.reports.figures.validity import State, ValidityCheck, needs_real_time, remedies
from windtunnel.reports.gate.expectations import Judgement, Result, input_errors
from windtunnel.reports.page.commands import replay_call, whole_run
from windtunnel.reports.page.gateway import ROWS as GATEWAY_ROWS
from windtunnel.reports.page.gateway import GatewayText, gateway_text
from windtunnel.reports.page.grid_tables import GridText
from windtunnel.reports.page.labels import label, say
from windtunnel.reports.page.notes import Notes
from windtunnel.reports.page.regions import RegionRows
from windtunnel.reports.page.rows import (
    ExpectationRow,
    Row,
    detail_rows,
    expectation_rows,
    headline_rows,
    metric_rows,
)
from windtunnel.reports.page.seeds import SeedsText
from windtunnel.reports.page.verdict import Verdict, verdicts
from windtunnel.reports.read.run_dir import Run

MOST_ELSEWHERE = 5
MARK_OF = {3: "✗", 2: "!", 1: "·"}
"""A sign for each severity of a finding."""
MARKS = (
    "▲ is the best of the row and ▼ the worst; they stand only where the interval overlaps no other client's."
)
NO_MARKS = (
    "Best and worst are not marked: with fewer than three plays of each client, a difference may be chance. "
    "More plays: --repeat 3, or --seeds 20 on the virtual clock."
)
CHECKS: dict[str, tuple[str, Kind]] = {
    "generator_lateness_p99_s": ("How late calls were started (99th percentile)", "seconds"),
    "server_lag_p99_s": ("How late the mock server ran (99th percentile)", "seconds"),
    "receive_lag_p99_s": ("From the server's last byte to the end of the call (99th percentile)", "seconds"),
    "client_lag_p99_s": ("How late the load processes ran (99th percentile of the worst second)", "seconds"),
    "dropped_arrivals": ("Calls that were never started", "count"),
    "failed_cells": ("Parts of the measurement that failed", "count"),
    "damaged_records": ("Records that are damaged", "count"),
    "server_cpu_cores": ("CPU used by the mock server, in cores", "count"),
    "client_cpu_cores": ("CPU used by the busiest load process, in cores", "count"),
}


TOLD_OF_A_PLAYER = (
    "litellm",
    "langchain-openai",
    "pydantic-ai-slim",
    "ai",
    "@ai-sdk/openai",
    "openai",
    "httpx",
    "httpx2",
    "aiohttp",
    "windtunnel",
)
"""Packages by which interpreters are told apart: what a client is made of."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of the measurement itself. `passed` is None for a figure without a limit."""

    text: str
    value: str
    limit: str
    passed: bool | None
    sentence: str
    state: State = "valid"


@dataclass(frozen=True, slots=True)
class Subject:
    """A client, and what its profile says of itself."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Something to change in a client: what was found, what cures it, and the command that shows a call of it."""

    client: str
    mark: str
    sentence: str
    cure: str
    setting: str
    calls: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True)
class ReportContent:
    """The whole content of a report but its charts."""

    title: str
    about: str
    seed: int
    clock: str
    repeats: int
    created: str
    state: State
    partial: bool
    cut_off: bool
    remedies: tuple[str, ...]
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
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    seeds: SeedsText | None = None
    regions: RegionRows = ()
    gateway: GatewayText | None = None
    gateway_rows: tuple[Row, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    players: Mapping[str, str] = field(default_factory=dict)
    grid: GridText | None = None
    elsewhere: tuple[Judgement, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether verdicts stand: noisy measurements count."""
        return self.state != "invalid"

    @property
    def why_partial(self) -> str:
        """Why a partial run is not whole, as the end of a sentence."""
        if self.cut_off:
            return "the run was cut off before its end"
        return "some answers have no record of the server to be compared with, and figures that need them are not known"

    @property
    def clients(self) -> tuple[str, ...]:
        return tuple(subject.name for subject in self.subjects)

    @property
    def reading(self) -> str:
        """How to read a table of metrics: what a figure is, and what the marks mean."""
        several = "seeds" if self.seeds else "repeats"
        if self.repeats < REPEATS_FOR_INTERVAL:
            means = f"Means over {self.repeats} {several}. " if self.repeats > 1 else ""
            alone = len(self.subjects) < 2
            return means + ("" if alone else NO_MARKS)
        return f"Means over {self.repeats} {several}, with their 95 % interval in brackets. {MARKS}"

    @property
    def results(self) -> tuple[Result, ...]:
        """How each expectation was judged, a result for each client it was asked of, shown or not."""
        shown = tuple(result[1] for e in self.expectations for result in e.results if result)
        return (*shown, *(one.result for one in self.elsewhere))

    @property
    def failed(self) -> int:
        """How many expectations failed, counted per client."""
        return self.results.count("failed")

    @property
    def undecided(self) -> int:
        """How many expectations could not be decided, counted per client."""
        return self.results.count("undecided")

    @property
    def asked(self) -> int:
        """How many expectations were judged, counted per client."""
        return len(self.results)

    @property
    def failed_elsewhere(self) -> str:
        """What failed of cells that are not shown, as a sentence; empty if nothing did."""
        failed = [one for one in self.elsewhere if one.result != "passed"]
        named = [f"{one.client} ({one.expectation.expect})" for one in failed[:MOST_ELSEWHERE]]
        more = f", and {len(failed) - MOST_ELSEWHERE} more" if len(failed) > MOST_ELSEWHERE else ""
        return f"Not passed by cells that are not shown: {', '.join(named)}{more}." if failed else ""


def content_of(run: Run, figures: RunFigures, phases: Sequence[Span]) -> ReportContent:
    """Put into words what `figures` say of `run`."""
    scenario = run.scenario
    clients = tuple(figures.clients)
    deadline = run.cells[0].deadline_s
    cells = run.plan["cells"]
    repeats = len({cell.repeat for cell in run.cells})
    players = {name: _player(own.versions) for name, own in figures.clients.items() if own.versions}
    notes = Notes()
    expectations = expectation_rows(figures, notes)
    headlines = tuple(headline_rows(figures.clients, phases, repeats, notes))
    details = tuple(detail_rows(figures.clients, phases, notes))
    on_the_way: tuple[Row, ...] = ()
    if figures.gateway is not None:
        on_the_way = tuple(
            row for name in GATEWAY_ROWS for row in metric_rows(figures.clients, name, None, notes)
        )
    return ReportContent(
        title=figures.scenario,
        about=str(scenario.get("about", "")),
        seed=figures.seed,
        clock=_clock(figures),
        repeats=repeats,
        created=_moment(str(run.plan.get("created", ""))),
        state=figures.state,
        remedies=remedies(figures.checks, real_only=any(needs_real_time(cell.plan) for cell in run.cells)),
        partial=figures.partial,
        cut_off=run.partial or len(run.cells) < len(run.plan["cells"]),
        troubles=_troubles(run, figures),
        remarks=_remarks(run, figures),
        checks=tuple(_check(check) for check in figures.checks),
        subjects=tuple(Subject(name, _about(cells, name, players.get(name, ""))) for name in clients),
        players=players,
        changes=tuple(_changes(run, figures)),
        verdicts=verdicts(figures.clients, phases, objective=float(scenario.get("objective", 0.99))),
        expectations=expectations,
        mistakes=tuple(input_errors(figures.judgements)),
        headlines=headlines,
        details=details,
        gateway=gateway_text(figures.gateway, figures.clients),
        gateway_rows=on_the_way,
        notes=notes.lines(),
        phases=tuple(phases),
        deadline=say(deadline, "seconds") if math.isfinite(deadline) else "",
        versions=tuple((str(k), str(v)) for k, v in run.plan.get("versions", {}).items()),
        commands=whole_run(run),
        parameters=json.dumps(scenario, indent=2, ensure_ascii=False),
    )


def _check(check: ValidityCheck) -> CheckRow:
    known = label(check.name)
    text, kind = CHECKS.get(check.name, (known.text, known.kind))
    if check.name.endswith("_cores") and check.value is not None:
        value = f"{check.value:.2f}"
    else:
        value = say(check.value, kind)
    if check.limit is None:
        return CheckRow(text, value, "", None, check.sentence)
    most = f"at most {say(check.limit, kind)}" if check.limit else "none"
    if check.value is None:
        value = "not applicable" if check.state == "valid" else "not measured"
    return CheckRow(text, value, most, check.state != "invalid", check.sentence, check.state)


def _about(cells: Iterable[Mapping[str, Any]], client: str, player: str) -> str:
    profiles = (cell.get("profile") or {} for cell in cells if cell.get("client") == client)
    about = next((str(profile["about"]) for profile in profiles if profile.get("about")), "")
    return f"{about} Played by {player}.".strip() if player else about


def _player(versions: Mapping[str, str]) -> str:
    """Return what tells a client's own interpreter, or a program's environment, from another: Python 3.12.1 with openai
    2.54.0, httpx 0.28.1; Node 20.20.2 with openai 6.49.0."""
    named = [
        f"{name} {versions[name]}" for name in TOLD_OF_A_PLAYER if versions.get(name, "absent") != "absent"
    ]
    own = f"Node {versions['node']}" if "node" in versions else f"Python {versions.get('python', '?')}"
    return f"{own} with {', '.join(named)}" if named else own


def _moment(written: str) -> str:
    """An ISO time to the minute, in UTC; what is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return written


def _troubles(run: Run, figures: RunFigures) -> tuple[str, ...]:
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
        lines += [f"{cell.client}, repeat {cell.repeat}: {damage.text}" for damage in cell.damages]
    invalid = [cell for cell in figures.cells if cell.state == "invalid"]
    if invalid:
        names = ", ".join(f"{cell.client} ({cell.repeat})" for cell in invalid)
        every = len(invalid) == len(figures.cells)
        where = "all clients and repeats" if every else f"these clients (repeats): {names}"
        lines.insert(0, f"This concerns {where}.")
    return tuple(lines)


def _remarks(run: Run, figures: RunFigures) -> tuple[str, ...]:
    """What is said of the measurement whatever its state: cells played again, arrivals that no figure counts."""
    lines = [
        f"{cell.client}, repeat {cell.repeat}: played again alone, because it was not valid at first: {again}"
        for cell in run.cells
        if (again := cell.status.get("played_again"))
    ]
    late = figures.late_arrivals
    if late is not None:
        end = say(late.end_s, "seconds")
        lines.append(
            f"{late.count:,} of the {late.of:,} replayed arrivals come after the last phase, which ends at {end}: "
            "no figure counts them. Longer phases would."
        )
    return tuple(lines)


def _changes(run: Run, figures: RunFigures) -> Iterable[ChangeRow]:
    """What to change, client by client; nothing where the measurement itself does not count."""
    for client, own in figures.clients.items() if figures.state != "invalid" else ():
        for one in own.findings:
            calls, repeat = one.calls, one.repeat if len(figures.cells_of(client)) > 1 else 0
            virtual = figures.clock == "virtual"
            yield ChangeRow(
                client,
                MARK_OF[one.severity],
                one.sentence,
                one.cure,
                f"{one.key}: {one.setting}" if one.key and one.setting else one.key or "",
                calls,
                replay_call(run.path.absolute(), client, calls[0], repeat) if calls and virtual else "",
            )


def _clock(figures: RunFigures) -> str:
    """Which clock the run was on, for people."""
    if figures.clock == "virtual":
        return f"virtual clock, digest {figures.digest or 'unknown'}"
    return "real clock"
