"""The journal: rows to disk or to memory, and back out as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from windtunnel.mock_server.journal.journal import REMEMBERED_ROWS, Journal
from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
from windtunnel.mock_server.journal.segments import read_segments
from windtunnel.mock_server.plan.schema import served_schema

VALUES: dict[str, Any] = {
    "string": "x",
    "int32": 3,
    "int64": 2**40,
    "double": 0.5,
    "bool": True,
    "list<item: string>": ("stall",),
}


def _row(number: int) -> tuple[Any, ...]:
    row = {field.name: VALUES[str(field.type)] for field in SERVED_SCHEMA}
    return tuple((row | {"served_id": f"s{number}", "status": None}).values())


def _lines(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(line) for piece in journal.json_lines() for line in piece.splitlines()]


@pytest.mark.parametrize("on_disk", [True, False])
def test_rows_come_out_as_json_lines(tmp_path: Path, on_disk: bool) -> None:
    """Rows are given back at once, flushed or not, each a JSON object that the exported schema describes."""
    journal = Journal(tmp_path if on_disk else None)
    for number in range(300):
        journal.add(_row(number))
    lines = _lines(journal)
    assert [line["served_id"] for line in lines] == [f"s{n}" for n in range(300)]
    for line in lines[:3]:
        jsonschema.validate(line, served_schema(), cls=jsonschema.Draft202012Validator)
    journal.close()


def test_rows_on_disk(tmp_path: Path) -> None:
    """With a directory the rows are in its segment, and a flush is enough to find them there."""
    journal = Journal(tmp_path / "deep" / "down")
    journal.add(_row(1))
    journal.flush()
    assert journal.path is not None
    assert journal.path.name.startswith("served-")
    table = read_segments([journal.path])
    assert table.schema.equals(SERVED_SCHEMA)
    assert table.column("faults").to_pylist() == [["stall"]]
    journal.close()


def test_memory_is_bounded() -> None:
    """Without a directory only the latest rows are kept."""
    journal = Journal()
    for number in range(REMEMBERED_ROWS + 5):
        journal.add(_row(number))
    lines = _lines(journal)
    assert len(lines) == REMEMBERED_ROWS
    assert lines[0]["served_id"] == "s5"


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_restart_forgets(tmp_path: Path, on_disk: bool) -> None:
    """After a restart only later rows exist."""
    journal = Journal(tmp_path if on_disk else None)
    for number in range(300):
        journal.add(_row(number))
    journal.restart()
    assert _lines(journal) == []
    journal.add(_row(7))
    assert [line["served_id"] for line in _lines(journal)] == ["s7"]
    journal.close()


def test_every_column_is_described() -> None:
    """Every column of the served records says what it means, in the schema of its JSON lines as well."""
    properties = served_schema()["properties"]
    assert list(properties) == SERVED_SCHEMA.names
    assert all(len(column["description"]) > 5 for column in properties.values())
    jsonschema.Draft202012Validator.check_schema(served_schema())
