"""A metric is one row of the contract and one function here."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from windtunnel.harness.contract import metrics as families
from windtunnel.harness.contract.metrics import METRICS, ROWS, Floor, Metric, describe
from windtunnel.harness.manual.metrics import build_metric_reference
from windtunnel.reports.figures.schema import metrics_schema
from windtunnel.reports.metrics.table import COMPUTE


def test_rows_and_functions_match() -> None:
    """Every row of the contract has a function and every function a row, in one order."""
    assert list(COMPUTE) == list(METRICS)


def test_no_name_stands_twice() -> None:
    """Two rows never share a name: the later one would hide the earlier one."""
    assert len(ROWS) == len(METRICS)


def test_every_row_of_a_family_is_in_the_table() -> None:
    """A family's file holds no row that the table leaves out, and the table none that stands elsewhere."""
    written: list[Metric] = []
    for module in iter_modules(families.__path__):
        for value in vars(import_module(f"{families.__name__}.{module.name}")).values():
            rows = value if isinstance(value, tuple) else (value,)
            if value is not ROWS:
                written += [row for row in rows if isinstance(row, Metric)]
    assert sorted(row.name for row in written) == sorted(METRICS)


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


def test_what_has_a_direction_has_a_floor() -> None:
    """A metric of which one way is better has a smallest difference that matters, and the listing says it."""
    judged = {metric.name: metric.floor.at(1.0) for metric in ROWS if metric.better}
    assert [name for name, floor in judged.items() if floor <= 0] == []
    listed = {entry["name"]: entry["floor"] for entry in describe()}
    assert listed["goodput"] == {"absolute": 0.02, "share": 0.0}
    assert listed["offered"] is None


def test_a_floor_is_the_larger_of_two() -> None:
    """A floor in the metric's unit and one as a share of the older value: the larger counts, both are shown."""
    floor = Floor(0.02, 0.05)
    assert (floor.at(0.1), floor.at(4.0)) == (0.02, 0.2)
    assert (floor.text("s"), Floor(0.5).text("calls"), Floor(share=0.1).text("s")) == (
        "0.02 s or 5 %",
        "0.5 calls",
        "10 %",
    )
