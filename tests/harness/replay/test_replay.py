"""`windtunnel replay`: one call of a run, played again and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.plan import RunPlan
from windtunnel.harness.replay.replay import check_call, compare, find_cell


def calls(run: Path, client: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(run / "cells" / f"{client}-0" / "calls.parquet").to_pylist()
    return found


def first(run: Path, client: str, phase: str) -> dict[str, Any]:
    """The first call of a phase."""
    return next(call for call in calls(run, client) if call["phase"] == phase)


def test_a_call_that_hung_is_told(every_fault: Path) -> None:
    """The replay of a hanging call repeats the record and shows who waited for what, to the call's recorded end."""
    call = first(every_fault, "the-async", "hang")
    arguments = ["replay", str(every_fault), "--call", call["call_id"], "--client", "the-async"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[1].startswith("Played again up to its end; as recorded: ")
    told = [line.split(maxsplit=2)[2] for line in lines[3:]]
    for what in (
        "app       call begins: chat, streamed, instance 0",
        "policy    try 0",
        "policy    watchdog total would bark",
        "pool      asked for a connection: ",
        "wire →    syn from",
        "POST /v1/chat/completions HTTP/1.1",
        "provider  attempt 0 is refused, faults hang, script: stall forever",
        "pool      receive response headers failed: ReadTimeout",
        "app       call ends: timeout: APITimeoutError (ReadTimeout): Request timed out. after 1 attempt",
    ):
        assert any(what in line for line in told), (what, done.stdout)
    ended = next(line for line in lines if "call ends" in line)
    assert float(ended.split()[0]) == pytest.approx(call["ended_s"], abs=1e-6)


def test_a_sync_call_is_told_as_json(every_fault: Path) -> None:
    """With --json there is every event of a blocking call too, in order, with the provider's state at each."""
    call = first(every_fault, "the-sync", "blackhole")
    arguments = ["replay", str(every_fault), "--call", call["call_id"], "--client", "the-sync", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["repeats_the_record"]
    assert told["call"] == call
    assert min(told["rows_compared"].values()) > 0
    times = [event["at_s"] for event in told["events"]]
    assert times == sorted(times)
    assert {event["provider"]["port"] for event in told["events"]} == {"closed (blackhole)"}
    knocks = [event for event in told["events"] if event["what"].startswith("syn")]
    assert len(knocks) >= 1


@pytest.mark.parametrize(
    ("client", "repeat", "said"),
    [
        (None, None, "'the-async' or 'the-sync'"),
        ("the-one", None, "'the-async' or 'the-sync'"),
        ("the-sync", 4, "expected 0 to 0"),
    ],
)
def test_cells_that_are_not_there(
    every_fault: Path, client: str | None, repeat: int | None, said: str
) -> None:
    """A cell that the run does not have is an input error that names those it has."""
    run = RunPlan.read_json(every_fault / "plan.json")
    with pytest.raises(InputError, match=said):
        find_cell(run, every_fault, client, repeat)


def test_real_time_cannot_be_replayed(every_fault: Path) -> None:
    """A run on the real clock is refused, with the reason."""
    run = RunPlan.read_json(every_fault / "plan.json").model_copy(update={"clock": "real"})
    with pytest.raises(InputError, match="a run in real time, expected a run with --clock virtual"):
        find_cell(run, every_fault, "the-async", None)


def test_an_unknown_call_names_near_ones(every_fault: Path) -> None:
    """A call that does not exist is refused, naming ids that look like it."""
    run = RunPlan.read_json(every_fault / "plan.json")
    with pytest.raises(InputError, match=r"expected the id of one of \d+ calls.*near it: c"):
        check_call(find_cell(run, every_fault, "the-async", None), "c1x")


def test_a_record_that_is_not_repeated_is_noticed(every_fault: Path, tmp_path: Path) -> None:
    """Where the replay has another row than the record, the first difference is told, with its column."""
    table = pq.read_table(every_fault / "cells" / "the-async-0" / "calls.parquet")
    (tmp_path / "status.json").write_text('{"state": "finished"}')
    pq.write_table(table, tmp_path / "calls.parquet")
    assert compare(tmp_path, {"calls": table.slice(0, 5)}) == ({"calls": 5}, [])
    rows = table.slice(0, 5).to_pylist()
    rows[3]["status"] = 418
    _, differences = compare(tmp_path, {"calls": pa.Table.from_pylist(rows, schema=table.schema)})
    assert len(differences) == 1
    assert "row 3" in differences[0]
    assert "and is 418 now" in differences[0]
    longer = pa.concat_tables([table, table.slice(0, 1)])
    assert "recorded are" in compare(tmp_path, {"calls": longer})[1][0]


def test_damaged_records_are_refused(tmp_path: Path) -> None:
    """A table that is no Parquet file is told by its name, as wrong input."""
    table = tmp_path / "calls.parquet"
    table.write_bytes(b"no table")
    with pytest.raises(InputError) as refused:
        compare(tmp_path, {"calls": pa.table({"call_id": ["c1"]})})
    assert str(refused.value).startswith(f"{table}: found a damaged table (")
