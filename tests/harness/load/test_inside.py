"""What a soak sees of the client in its own process."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from windtunnel.harness.contract.watch import MOST_TYPES, read_watch
from windtunnel.harness.load import inside
from windtunnel.harness.load.inside import InsideWatch, TypeGrowth, name_of
from windtunnel.harness.virtual.determinism import NumberedTask
from windtunnel.mock_server.provider.calls import KnownCall


class Session:
    """Something that a client makes for each call, and keeps."""

    def __init__(self) -> None:
        self.own: list[int] = []


@pytest.fixture(autouse=True)
def _cheap() -> Iterator[None]:
    """What pytest has made is not counted, as in a soak what was there at its start is not."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_the_types_that_grow_are_named_and_counted() -> None:
    growth = TypeGrowth()
    before, _ = growth.count()
    kept = [Session() for _ in range(300)]

    after, top = growth.count()

    assert after - before >= 2 * len(kept)  # each has a list
    assert top[f"{__name__}.Session"] == len(kept)
    assert list(top).index(f"{__name__}.Session") < 4
    assert len(top) <= MOST_TYPES


def test_what_windtunnel_itself_keeps_is_not_the_clients() -> None:
    growth = TypeGrowth()
    growth.count()
    kept = [KnownCall(f"c{n}", inferred=False) for n in range(300)]

    _, top = growth.count()

    assert len(kept) == 300
    assert not [name for name in top if "KnownCall" in name]


def test_a_task_is_asyncios_whoever_made_it() -> None:
    assert name_of(NumberedTask) == name_of(asyncio.Task) == "asyncio.Task"


def test_a_look_is_written_with_what_the_system_says(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        watch = InsideWatch(tmp_path, "polite", lambda: 10.0, lambda: 0.25)
        watch.look(tasks=3, streams=1)
        watch.close()

    found = read_watch(tmp_path / "watch-polite.jsonl")

    (sample,) = found.samples
    assert sample.inside is not None
    assert sample.outside is not None
    assert (sample.at_s, sample.inside.tasks, sample.inside.streams_open) == (10.0, 3, 1)
    assert sample.inside.loop_lag_s == 0.25
    assert sample.inside.objects
    assert sample.outside.rss_bytes > 1e6
    assert sample.outside.sockets["LISTEN"] >= 1
    assert (sample.outside.processes, sample.outside.descriptors) >= (1, 1)
    assert found.limits["rss_bytes"] > sample.outside.rss_bytes


def test_where_counting_objects_takes_long_it_is_done_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each count takes 0.1 s of a clock of its own: the next one may come 20 s later, after two looks without."""
    clock = iter([0.0, 0.1, 10.1, 20.0, 30.1, 30.2])
    monkeypatch.setattr(inside.time, "perf_counter", lambda: next(clock))
    watch = InsideWatch(tmp_path, "polite", lambda: 0.0, lambda: None)
    for _ in range(4):
        watch.look(tasks=None, streams=None)
    watch.close()

    samples = read_watch(tmp_path / "watch-polite.jsonl").samples

    assert [one.inside is not None and one.inside.objects is not None for one in samples] == [
        True,
        False,
        False,
        True,
    ]
