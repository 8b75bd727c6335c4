"""What a calibration found: one row per question, with the yardstick it was measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured figure.

    `value` and `yardstick` are in `unit`; `ratio` is value ÷ yardstick where there is a yardstick; `aim` is the upper
    limit for the ratio, or for the value where there is no yardstick. `note` says how it was measured.
    """

    name: str
    unit: str
    value: float
    yardstick: float | None
    aim: float | None
    note: str

    @property
    def ratio(self) -> float | None:
        return self.value / self.yardstick if self.yardstick else None

    @property
    def met(self) -> bool | None:
        """Whether the aim was met; None where there is none."""
        if self.aim is None:
            return None
        judged = self.ratio if self.yardstick is not None else self.value
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
            "value": {"type": "number"},
            "yardstick": number_or_null,
            "ratio": number_or_null,
            "aim": number_or_null,
            "met": {"type": ["boolean", "null"]},
            "note": {"type": "string"},
        },
        "required": ["name", "unit", "value", "yardstick", "ratio", "aim", "met", "note"],
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
        verdict = {True: "met", False: "NOT MET", None: ""}[finding.met]
        ratio = "" if finding.ratio is None else f"{finding.ratio:.2f}"
        yardstick = "" if finding.yardstick is None else f"{finding.yardstick:.4g}"
        aim = "" if finding.aim is None else f"≤ {finding.aim:g}"
        table.add_row(finding.name, finding.unit, f"{finding.value:.4g}", yardstick, ratio, aim, verdict)
    console.print(table)
    for finding in findings:
        console.print(f"{finding.name}: {finding.note}", style="dim", highlight=False)
