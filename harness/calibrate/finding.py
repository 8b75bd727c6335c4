"""What a calibration found: one row per question, with the yardstick it was measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured figure.

    `value` and `yardstick` are in `unit`; `ratio` is value ÷ yardstick where there is a yardstick; `aim` is the limit
    for the ratio, or for the value where there is no yardstick: the upper one, or the lower one (`at least`). `note`
    says how it was measured. Without a value nothing was measured, because something that it takes is not
    installed: `note` says what, and how to install it.
    """

    name: str
    unit: str
    value: float | None
    yardstick: float | None
    aim: float | None
    note: str
    aim_is: Literal["at most", "at least"] = "at most"

    @property
    def ratio(self) -> float | None:
        return self.value / self.yardstick if self.value is not None and self.yardstick else None

    @property
    def met(self) -> bool | None:
        """Whether the aim was met; None where there is none, or nothing was measured.

        Beside a yardstick of zero the ratio has no bounds: any value is at least the aim, and none at most.
        """
        if self.aim is None or self.value is None:
            return None
        judged = self.ratio if self.yardstick is not None else self.value
        if self.aim_is == "at least":
            return self.value > 0 if judged is None else judged >= self.aim
        return judged is not None and judged <= self.aim


def as_json(findings: Sequence[Finding], machine: dict[str, Any]) -> dict[str, Any]:
    """The form of `windtunnel calibrate --json`."""
    rows = [{**asdict(finding), "ratio": finding.ratio, "met": finding.met} for finding in findings]
    return {"schema_version": SCHEMA_VERSION, "machine": machine, "findings": rows}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `as_json`."""
    number_or_null = {"type": ["number", "null"]}
    finding = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string"},
            "value": number_or_null,
            "yardstick": number_or_null,
            "ratio": number_or_null,
            "aim": number_or_null,
            "aim_is": {"enum": ["at most", "at least"]},
            "met": {"type": ["boolean", "null"]},
            "note": {"type": "string"},
        },
        "required": ["name", "unit", "value", "yardstick", "ratio", "aim", "aim_is", "met", "note"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "windtunnel calibrate --json",
        "type": "object",
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            "machine": {"type": "object"},
            "findings": {"type": "array", "items": finding},
        },
        "required": ["schema_version", "machine", "findings"],
        "additionalProperties": False,
    }


def show(findings: Sequence[Finding], console: Console) -> None:
    """The findings as a table for people."""
    table = Table(box=None, pad_edge=False)
    for title in ("what", "unit"):
        table.add_column(title)
    for title in ("value", "yardstick", "ratio", "aim", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for finding in findings:
        table.add_row(*cells(finding))
    console.print(table)
    for finding in findings:
        console.print(f"{finding.name}: {finding.note}", style="dim", highlight=False)


def cells(finding: Finding) -> tuple[str, ...]:
    """The row of a finding: what, unit, value, yardstick, ratio, aim, verdict."""
    if finding.value is None:
        return (finding.name, finding.unit, "", "", "", "", "not installed")
    verdict = {True: "met", False: "NOT MET", None: ""}[finding.met]
    ratio = "" if finding.ratio is None else f"{finding.ratio:.2f}"
    yardstick = "" if finding.yardstick is None else f"{finding.yardstick:.4g}"
    sign = "≥" if finding.aim_is == "at least" else "≤"
    aim = "" if finding.aim is None else f"{sign} {finding.aim:g}"
    return (finding.name, finding.unit, f"{finding.value:.4g}", yardstick, ratio, aim, verdict)
