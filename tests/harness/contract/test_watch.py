"""The watch file: what is written comes back, also after a kill in the middle of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.contract.watch import (
    InsideView,
    OutsideView,
    WatchMark,
    WatchSample,
    WatchWriter,
    read_watch,
)
from windtunnel.harness.errors import InputError

SEEN = WatchSample(
    10.0,
    OutsideView(50_000_000, 1.5, 12, 3, 2, {"ESTABLISHED": 4, "CLOSE_WAIT": 1}),
    InsideView(7, 0.002, 90_000, None, {"builtins.dict": 12_000}, 0),
)
BARE = WatchSample(20.0)
HOLE = WatchMark(20.0, "worker replaced", 31.0, "it was killed by signal 9")


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    with WatchWriter(tmp_path, "polite", 1000.5) as writer:
        writer.sample(SEEN)
        writer.sample(BARE)
        writer.mark(HOLE)

    found = read_watch(tmp_path / "watch-polite.jsonl")

    assert (found.client, found.start_s) == ("polite", 1000.5)
    assert found.samples == (SEEN, BARE)
    assert found.marks == (HOLE,)


def test_a_line_is_there_before_the_file_is_closed(tmp_path: Path) -> None:
    with WatchWriter(tmp_path, "polite") as writer:
        writer.sample(SEEN)
        assert read_watch(writer.path).samples == (SEEN,)


def test_a_soak_that_was_killed_is_continued_and_loses_one_line(tmp_path: Path) -> None:
    with WatchWriter(tmp_path, "polite", 7.0) as writer:
        writer.sample(SEEN)
        writer.sample(BARE)
    whole = writer.path.read_text()
    writer.path.write_text(whole[:-9])

    with WatchWriter(tmp_path, "polite", 99.0) as again:
        again.mark(HOLE)
        again.sample(BARE)

    found = read_watch(writer.path)
    assert (found.start_s, found.samples, found.marks) == (7.0, (SEEN, BARE), (HOLE,))


@pytest.mark.parametrize(("content", "told"), [("", "no header"), ('{"watch_version": 9}\n', "9")])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "watch-x.jsonl"
    path.write_text(content)

    with pytest.raises(InputError, match=told):
        read_watch(path)
