"""A run directory is read whatever became of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.reports.tables import STORM, attempt, call, cell_plan, quiet_lags, served, table, write_run
from windtunnel.reports.build import write_report
from windtunnel.reports.errors import ReportsError, RunDirectoryError
from windtunnel.reports.read.outcomes import judge
from windtunnel.reports.read.run_dir import load_run

ROWS = {
    "calls": [call("c0", 0, 1, gaps_s=[0.5, 0.25], saw_done=None), call("c1", 1, 2)],
    "attempts": [attempt("c0", 0, 0, 1)],
    "served": [served("c0", 0, 0, faults=["stall", "cut"]), served("c1", 0, 1)],
    "lags": quiet_lags(1),
    "schedule": [{"call_id": f"c{i}", "intended_s": float(i), "instance": 0} for i in range(3)],
}


def written(folder: Path) -> Path:
    return write_run(folder, [(cell_plan(), ROWS)])


def test_every_table_of_a_cell_is_read(tmp_path: Path) -> None:
    """Parquet files become frames, lists of names one string, null flags false; gaps are read when asked for."""
    run = load_run(written(tmp_path))
    cell = run.cells[0]
    assert (run.scenario["name"], run.clients, run.partial) == ("planted", ("polite",), False)
    assert [len(frame) for frame in (cell.calls, cell.attempts, cell.served, cell.schedule)] == [2, 1, 2, 3]
    assert list(cell.served["faults"]) == ["stall,cut", ""]
    assert list(cell.calls["saw_done"]) == [False, False]
    assert judge(cell).gaps.quantiles((0.0, 1.0)) == {0.0: 0.25, 1.0: 0.5}
    assert (cell.observed_s, cell.deadline_s, cell.connections) == (math.inf, 5.0, None)


def test_phases_say_whether_they_are_faulty(tmp_path: Path) -> None:
    """By the plan's own word or, where it has none, by rules and overrides of the provider."""
    plan = cell_plan(STORM)
    named = load_run(write_run(tmp_path / "named", [(plan, {})])).cells[0]
    del plan["faulty"]
    guessed = load_run(write_run(tmp_path / "guessed", [(plan, {})])).cells[0]
    assert [phase.faulty for phase in named.phases] == [False, True, False]
    assert named.phases == guessed.phases
    assert (named.start_s, named.end_s) == (0, 70)


def as_segments(folder: Path, torn: int) -> None:
    """Replace the Parquet files of a cell by segments of single-row batches, `torn` bytes short."""
    for file in folder.glob("*.parquet"):
        if file.stem == "schedule":
            continue
        rows = table(file.stem, ROWS[file.stem])
        with (
            pa.OSFile(str(folder / f"{file.stem}-0-77.arrows"), "wb") as sink,
            pa.ipc.new_stream(sink, rows.schema) as to,
        ):
            for batch in rows.to_batches(max_chunksize=1):
                to.write_batch(batch)
        segment = folder / f"{file.stem}-0-77.arrows"
        segment.write_bytes(segment.read_bytes()[: -torn or None])
        file.unlink()


@pytest.mark.parametrize(("torn", "calls"), [(0, 2), (16, 1)])
def test_segments_are_read_where_there_is_no_parquet(tmp_path: Path, torn: int, calls: int) -> None:
    """After a kill the segments hold what was recorded; a batch torn by the kill is left out."""
    as_segments(written(tmp_path) / "cells/polite-0", torn)
    assert len(load_run(tmp_path).cells[0].calls) == calls


@pytest.mark.parametrize("torn", [0, 16])
def test_a_torn_segment_is_a_damage_only_of_a_cell_that_came_to_its_end(tmp_path: Path, torn: int) -> None:
    """A kill leaves torn segments, and the cell is partial anyhow; a cell that is whole has none."""
    place = written(tmp_path) / "cells/polite-0"
    as_segments(place, torn)
    named = {damage.table for damage in load_run(tmp_path).cells[0].damages}
    assert named == ({"calls", "attempts", "served", "lags"} if torn else set())
    (place / "status.json").write_text(json.dumps({"state": "running"}))
    assert load_run(tmp_path).cells[0].damages == ()


def cut(place: Path) -> None:
    whole = (place / "calls.parquet").read_bytes()
    (place / "calls.parquet").write_bytes(whole[: len(whole) // 2])


def garbled(place: Path) -> None:
    (place / "attempts.parquet").write_bytes(b"not a table")


def gone(place: Path) -> None:
    (place / "served.parquet").unlink()


def garbled_page(place: Path) -> None:
    """A page in the middle is not what its header says; the footer is whole."""
    pq.write_table(table("calls", ROWS["calls"]), place / "calls.parquet", write_page_checksum=True)
    file = pq.ParquetFile(place / "calls.parquet")
    column = file.metadata.row_group(0).column(file.schema_arrow.get_field_index("ended_s"))
    whole = bytearray((place / "calls.parquet").read_bytes())
    start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    end = start + column.total_compressed_size
    whole[end - 1] ^= 1
    (place / "calls.parquet").write_bytes(bytes(whole))


def without_column(place: Path) -> None:
    pq.write_table(table("served", ROWS["served"]).drop_columns(["arrived_s"]), place / "served.parquet")


def of_another_type(place: Path) -> None:
    rows = table("calls", ROWS["calls"])
    words = pa.array(["soon", "later"])
    pq.write_table(
        rows.set_column(rows.schema.get_field_index("ended_s"), "ended_s", words), place / "calls.parquet"
    )


def connections_cut(place: Path) -> None:
    (place / "connections.parquet").write_bytes(b"PAR1")


@pytest.mark.parametrize(
    ("damage", "said", "lost"),
    [
        (cut, "calls.parquet cannot be read", "goodput"),
        (garbled, "attempts.parquet cannot be read", "client_amplification"),
        (gone, "served.parquet is not there", "goodput"),
        (garbled_page, "calls.parquet: column 'ended_s' cannot be read", "wait_p99_s"),
        (without_column, "served.parquet lacks the column 'arrived_s'", "amplification"),
        (of_another_type, "calls.parquet: column 'ended_s' is of type string, expected double", "wait_p99_s"),
        (connections_cut, "connections.parquet cannot be read", "goodput@nothing"),
    ],
)
def test_damaged_records_are_never_passed_over(
    tmp_path: Path, damage: Callable[[Path], None], said: str, lost: str
) -> None:
    """File and column are named, the run is not valid, and a figure that needs them is null instead of wrong."""
    damage(written(tmp_path) / "cells/polite-0")
    result = write_report(tmp_path)
    cell = result.figures.cells[0]
    assert any(said in text for text in cell.damages)
    assert not result.valid
    assert cell.value(lost) is None
    for name in ("report.html", "summary.md"):
        assert said in (tmp_path / name).read_text().replace("\\", "").replace("&#39;", "'")


def test_a_whole_run_has_no_damage(tmp_path: Path) -> None:
    """What nothing is wrong with is not accused."""
    cell = write_report(written(tmp_path)).figures.cells[0]
    assert cell.damages == ()
    assert cell.value("goodput") is not None


def test_a_torn_parquet_file_gives_way_to_the_segments(tmp_path: Path) -> None:
    """A run killed while its tables were being compacted is still readable."""
    place = written(tmp_path) / "cells/polite-0"
    whole = (place / "calls.parquet").read_bytes()
    as_segments(place, 0)
    (place / "calls.parquet").write_bytes(whole[: len(whole) // 2])
    assert len(load_run(tmp_path).cells[0].calls) == 2


def test_a_killed_run_is_observed_up_to_its_oldest_last_heartbeat(tmp_path: Path) -> None:
    """Of several load processes the one that was heard of least recently decides."""
    place = written(tmp_path) / "cells/polite-0"
    (place / "status.json").write_text(json.dumps({"state": "running", "last_heartbeat_s": None}))
    (place / "progress-0.json").write_text(json.dumps({"heartbeat_s": 6.5}))
    (place / "progress-1.json").write_text(json.dumps({"heartbeat_s": 6.0}))
    (place / "progress-2.json").write_text("{")
    cell = load_run(tmp_path).cells[0]
    assert cell.partial
    assert cell.observed_s == 6.0


def test_without_heartbeats_the_last_call_that_ended_is_the_last_sign_of_life(tmp_path: Path) -> None:
    """A cell without any status is partial, and known up to its last record."""
    place = written(tmp_path) / "cells/polite-0"
    (place / "status.json").unlink()
    assert load_run(tmp_path).cells[0].observed_s == 2.0


def test_a_cell_that_was_never_played_is_empty(tmp_path: Path) -> None:
    """An interrupted run may lack whole cells: they are partial, not an error."""
    write_run(tmp_path, [(cell_plan(), {})])
    (tmp_path / "cells/polite-0/status.json").unlink()
    cell = load_run(tmp_path).cells[0]
    assert (cell.partial, cell.damages) == (True, ())
    assert len(judge(cell).calls) == 0


def test_without_a_schedule_what_has_a_row_was_offered(tmp_path: Path) -> None:
    """Records without a schedule are still worth something, but it is said that calls may be missing."""
    place = written(tmp_path) / "cells/polite-0"
    (place / "schedule.parquet").unlink()
    cell = load_run(tmp_path).cells[0]
    assert len(judge(cell).calls) == 2
    assert [damage.table for damage in cell.damages] == ["schedule"]


def test_columns_that_a_table_lacks_are_null(tmp_path: Path) -> None:
    """Records of an earlier version lack columns that no figure needs; every frame has those of today's schema."""
    place = written(tmp_path) / "cells/polite-0"
    pq.write_table(table("served", ROWS["served"]).drop_columns(["effects"]), place / "served.parquet")
    cell = load_run(tmp_path).cells[0]
    assert cell.served["effects"].isna().all()
    assert cell.damages == ()


def nothing(place: Path) -> Path:
    return place / "absent"


def file(place: Path) -> Path:
    (place / "file").write_text("x")
    return place / "file"


def no_plan(place: Path) -> Path:
    return place


def plan(text: str) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        (place / "plan.json").write_text(text)
        return place

    return make


@pytest.mark.parametrize(
    "make",
    [
        nothing,
        file,
        no_plan,
        plan("{"),
        plan("[]"),
        plan('{"scenario": {}, "cells": []}'),
        plan('{"scenario": {}, "cells": [{"client": "a"}]}'),
        plan('{"plan_version": 99, "scenario": {}, "cells": [{"client": "a"}]}'),
        plan('{"schema": 99, "scenario": {}, "cells": [{"client": "a"}]}'),
        plan('{"scenario": {"load": {}}, "cells": [{"client": "a", "repeat": 0, "phases": []}]}'),
        plan('{"scenario": {"load": {}}, "cells": [{"client": "a", "repeat": 0, "phases": [["x", 0]]}]}'),
    ],
)
def test_what_is_no_run_directory_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Anything else gives one error that names the path, what was found and what was expected."""
    with pytest.raises(RunDirectoryError, match="expected") as caught:
        load_run(make(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, ReportsError)
