"""Segments keep what was flushed, whatever happens to the process that writes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from windtunnel.mock_server.journal import segments
from windtunnel.mock_server.journal.segments import SegmentWriter, compact, read_segments, segment_path

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string()), ("names", pa.list_(pa.string()))])


def _row(n: int) -> tuple[int, str | None, list[str]]:
    return (n, None if n % 3 == 0 else f"row {n}", ["a"] * (n % 2))


def _written(path: Path, count: int, *, close: bool = True) -> SegmentWriter:
    writer = SegmentWriter(path, SCHEMA)
    for n in range(count):
        writer.add(_row(n))
    if close:
        writer.close()
    return writer


def test_rows_come_back(tmp_path: Path) -> None:
    """What is added is read back, in order, nulls and lists included."""
    _written(tmp_path / "rows.arrows", 600)
    table = read_segments([tmp_path / "rows.arrows"])
    assert table.schema.equals(SCHEMA)
    assert [tuple(row.values()) for row in table.to_pylist()] == [_row(n) for n in range(600)]


def test_full_batches_reach_the_file_by_themselves(tmp_path: Path) -> None:
    """Every 256 rows are handed to the operating system without a flush."""
    writer = _written(tmp_path / "rows.arrows", 700, close=False)
    assert read_segments([tmp_path / "rows.arrows"]).num_rows == 512
    writer.close()


def test_flush_hands_over_what_waits(tmp_path: Path) -> None:
    """After a flush another process reads every row added so far."""
    writer = _written(tmp_path / "rows.arrows", 3, close=False)
    writer.flush()
    assert read_segments([tmp_path / "rows.arrows"]).num_rows == 3
    writer.close()
    writer.close()


def test_a_cut_ends_a_segment_and_goes_on_in_the_next(tmp_path: Path) -> None:
    """What was added before is complete and may be deleted; what comes after has a file of its own."""
    writer = _written(tmp_path / "rows-7.arrows", 300, close=False)
    assert writer.cut() == tmp_path / "rows-7.arrows"
    writer.add(_row(300))
    assert writer.cut() == tmp_path / "rows-7-cut1.arrows"
    (tmp_path / "rows-7.arrows").unlink()
    writer.close()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "rows-7-cut1.arrows", tmp_path / "rows-7-cut2.arrows"]
    assert read_segments(tmp_path.iterdir()).num_rows == 1


def test_any_torn_tail_is_readable_around(tmp_path: Path) -> None:
    """Cut off at any byte, a segment still gives all its whole batches."""
    whole = tmp_path / "whole.arrows"
    writer = SegmentWriter(whole, SCHEMA)
    ends = []
    for n in range(3):
        writer.add(_row(n))
        writer.flush()
        ends.append(whole.stat().st_size)
    writer.close()
    data = whole.read_bytes()
    torn = tmp_path / "torn.arrows"
    for size in range(0, len(data), 7):
        torn.write_bytes(data[:size])
        expected = sum(size >= end for end in ends)
        assert read_segments([torn], SCHEMA).num_rows == expected, size


def test_what_was_flushed_survives_kill_9(tmp_path: Path) -> None:
    """A writer killed with SIGKILL loses no row that was flushed."""
    program = (
        "import sys, pyarrow as pa; from pathlib import Path\n"
        "from windtunnel.mock_server.journal.segments import SegmentWriter\n"
        "writer = SegmentWriter(Path(sys.argv[1]), pa.schema([('n', pa.int64())]))\n"
        "[writer.add((n,)) for n in range(300)]\n"
        "writer.flush(); writer.add((300,)); print('flushed', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "killed.arrows"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "flushed\n"
        child.send_signal(signal.SIGKILL)
    assert read_segments([path]).column("n").to_pylist() == list(range(300))


def test_a_failed_write_leaves_whole_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the error is raised, and the segment is cut back to its last whole batch."""
    path = tmp_path / "full.arrows"
    writer = _written(path, 256, close=False)
    real = os.write
    room = [100]

    def full(fd: int, data: memoryview) -> int:
        if not room:
            raise OSError(28, "No space left on device")
        return real(fd, data[: room.pop()])

    writer.add(_row(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            writer.flush()
    assert read_segments([path]).num_rows == 256
    writer.add(_row(2))
    writer.close()
    assert read_segments([path]).num_rows == 257


def test_restart_forgets_everything(tmp_path: Path) -> None:
    """After a restart only later rows are in the segment, on disk as well."""
    writer = _written(tmp_path / "rows.arrows", 300, close=False)
    writer.restart()
    writer.add(_row(7))
    writer.close()
    assert read_segments([tmp_path / "rows.arrows"]).column("n").to_pylist() == [7]


def test_several_segments_make_one_table(tmp_path: Path) -> None:
    """Segments of several processes are read, and compacted, as one table."""
    for name, count in (("a", 300), ("b", 5), ("c", 0)):
        _written(tmp_path / f"{name}.arrows", count)
    (tmp_path / "empty.arrows").touch()
    paths = list(tmp_path.glob("*.arrows"))
    assert read_segments(paths).num_rows == 305
    assert compact(paths, tmp_path / "all.parquet") == 305
    parquet = pq.read_table(tmp_path / "all.parquet")
    assert parquet.schema.equals(SCHEMA)
    assert parquet.column("n").to_pylist() == [*range(300), *range(5)]
    assert not list(tmp_path.glob("*.partial"))


def test_no_segment_at_all(tmp_path: Path) -> None:
    """Without any segment the given schema makes an empty table or file; without a schema it is an error."""
    assert read_segments([], SCHEMA).num_rows == 0
    assert compact([], tmp_path / "none.parquet", SCHEMA) == 0
    assert pq.read_table(tmp_path / "none.parquet").schema.equals(SCHEMA)
    with pytest.raises(ValueError, match="no readable segment"):
        read_segments([])
    with pytest.raises(ValueError, match="no readable segment"):
        compact([], tmp_path / "none.parquet")


def test_compact_holds_a_bounded_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction writes a row group as soon as enough rows wait, so that memory stays bounded."""
    monkeypatch.setattr(segments, "ROWS_PER_GROUP", 512)
    _written(tmp_path / "rows.arrows", 2000)
    assert compact([tmp_path / "rows.arrows"], tmp_path / "rows.parquet") == 2000
    assert pq.ParquetFile(tmp_path / "rows.parquet").metadata.num_row_groups == 4


def test_a_segment_is_never_overwritten(tmp_path: Path) -> None:
    """A second segment of the same name and pid gets a path of its own."""
    first = segment_path(tmp_path, "served")
    assert first.name == f"served-{os.getpid()}.arrows"
    _written(first, 1)
    second = segment_path(tmp_path, "served")
    assert second != first
    _written(second, 1)
    with pytest.raises(FileExistsError):
        SegmentWriter(first, SCHEMA)
