"""What a check found, as objects; each form in which it is written has a file of its own.

run directories ─► runs.py ─► CheckResult ─► terminal.py, markdown.py, junit.py, as_json.py, github.py
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from windtunnel.harness.contract.metrics import METRICS, Kind
from windtunnel.reports.figures.validity import State
from windtunnel.reports.gate.compare import Comparison
from windtunnel.reports.gate.expectations import HeldSeeds, Result
from windtunnel.reports.metrics.figure import Figure

Conclusion: TypeAlias = Literal["passed", "failed", "wrong input", "not conclusive"]
CODES: Mapping[Conclusion, int] = {"passed": 0, "failed": 1, "wrong input": 2, "not conclusive": 3}
"""The exit code of each conclusion: those of `windtunnel run`."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call to look at: what to run or to open, and in a few words what became of the call."""

    command: str
    told: str

    def __str__(self) -> str:
        return f"{self.command}  ({self.told})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedExpectation:
    """One expectation, judged for one client.

    `name` is the metric as expectations write it (`goodput@after`), `limit` the operator and the limit (`>= 0.6`).
    `margin` is how far the value is on the right side of the limit, in the metric's unit; None where there is no
    distance (a truth, `==`), or no value. `reason` says why it is undecided; `look` is the call that shows best why it
    did not pass.
    """

    client: str
    name: str
    limit: str
    kind: Kind
    figure: Figure
    result: Result
    margin: float | None = None
    reason: str = ""
    look: Example | None = None
    seeds: HeldSeeds | None = None

    @property
    def text(self) -> str:
        """The expectation as it is written: `goodput@after >= 0.6`."""
        return f"{self.name} {self.limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """One metric of one client, compared with the baseline; `look` is a call of where it differs most."""

    client: str
    comparison: Comparison
    look: Example | None = None

    @property
    def name(self) -> str:
        return self.comparison.name

    @property
    def kind(self) -> Kind:
        return METRICS[self.comparison.metric].kind

    @property
    def result(self) -> Result:
        """A regression fails, what nobody can say is undecided."""
        if self.comparison.state == "worse":
            return "failed"
        return "undecided" if self.comparison.state == "inconclusive" else "passed"


@dataclass(frozen=True, slots=True)
class GoodputStrip:
    """Of the calls due at each moment, which share was good (None: none was due)."""

    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PhaseMark:
    """Where a phase begins among the columns of the strips, and whether the provider is at fault in it."""

    column: int
    name: str
    faulty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """One run directory. `troubles` are why its measurement does not count, `wrong` what is wrong with the input.

    `not_here` are clients and expectations that were asked for and have no place in this run, each with a sentence.
    """

    path: Path
    scenario: str = ""
    clock: str = ""
    seed: int = 0
    seeds: int | None = None
    state: State = "valid"
    partial: bool = False
    digest: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    checked: tuple[CheckedExpectation, ...] = ()
    baseline: Path | None = None
    compared: tuple[ComparedMetric, ...] = ()
    troubles: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_here: Mapping[str, str] = field(default_factory=dict)
    strips: Mapping[str, GoodputStrip] = field(default_factory=dict)
    phases: tuple[PhaseMark, ...] = ()

    @property
    def page(self) -> str:
        """What to open to see all of the run, or what makes it."""
        page = self.path / "report.html"
        return str(page) if page.is_file() else f"windtunnel report {shlex.quote(str(self.path))}"

    @property
    def name(self) -> str:
        """The scenario's name, or the directory's where there is none."""
        return self.scenario or str(self.path)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All runs of one check, and what they come to."""

    runs: tuple[CheckedRun, ...]

    @property
    def checked(self) -> tuple[CheckedExpectation, ...]:
        return tuple(one for run in self.runs for one in run.checked)

    @property
    def compared(self) -> tuple[ComparedMetric, ...]:
        return tuple(one for run in self.runs for one in run.compared)

    def count(self, result: Result) -> int:
        """How many expectations came to that, over all runs and clients."""
        return sum(one.result == result for one in self.checked)

    @property
    def conclusion(self) -> Conclusion:
        """What all of it comes to.

        A measurement that does not count wins over everything, and an expectation that is undecided over one that
        failed. Against a baseline there is one question, whether anything became worse: where something did, what is
        open beside it changes nothing.
        """
        if any(run.troubles for run in self.runs):
            return "not conclusive"
        if any(run.wrong for run in self.runs):
            return "wrong input"
        expected = {one.result for one in self.checked}
        compared = {one.result for one in self.compared}
        if "undecided" in expected:
            return "not conclusive"
        if "failed" in expected | compared:
            return "failed"
        return "not conclusive" if "undecided" in compared else "passed"

    @property
    def exit_code(self) -> int:
        return CODES[self.conclusion]
