"""A metric is one row of the contract and one function here."""

from __future__ import annotations

from windtunnel.harness.contract.metrics import METRICS, ROWS, describe
from windtunnel.harness.manual.metrics import build_metric_reference
from windtunnel.reports.figures.schema import metrics_schema
from windtunnel.reports.metrics.table import COMPUTE


def test_rows_and_functions_match() -> None:
    """Every row of the contract has a function and every function a row, in one order."""
    assert list(COMPUTE) == list(METRICS)


def test_no_name_stands_twice() -> None:
    """Two rows never share a name: the later one would hide the earlier one."""
    assert len(ROWS) == len(METRICS)


def test_the_listing_and_the_schema_are_those_of_the_table() -> None:
    """`list metrics` and the schema of metrics.json name the table's metrics, each with its definition."""
    definitions = {name: metric.definition for name, metric in METRICS.items()}
    assert {entry["name"]: entry["about"] for entry in describe()} == definitions
    client = metrics_schema()["properties"]["clients"]["additionalProperties"]
    overall = client["properties"]["overall"]["properties"]
    assert {name: row["description"] for name, row in overall.items()} == definitions


def test_the_manual_names_every_metric() -> None:
    """The reference has each metric, alone or among the points of its family, and no other."""
    named: set[str] = set()
    for row in build_metric_reference().splitlines()[2:]:
        name = row.split("`")[1]
        family, brace, points = name.partition("{")
        points = points.removesuffix("}_s")
        named |= {f"{family}{point}_s" for point in points.split(",")} if brace else {name}
    assert named == set(METRICS)
