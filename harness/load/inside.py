"""What a soak sees of a client that lives in this process: its tasks, its objects, its memory, every ten seconds.

    the fleet or crew, every 10 s ──► InsideWatch.look ──► watch-CLIENT.jsonl

The process carries the harness as well, and on the virtual clock the mock: growth is judged, and theirs is bounded.
"""

from __future__ import annotations

import asyncio
import gc
import math
import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from windtunnel.harness.contract.files import CYCLE_MARK
from windtunnel.harness.contract.watch import (
    MOST_TYPES,
    InsideView,
    OutsideView,
    WatchSample,
    WatchWriter,
)
from windtunnel.harness.plan import CellPlan

MOST_SHARE: Final = 0.005
"""Share of real time that counting objects may take; where it would take more, it is done less often."""

OURS: Final = ("windtunnel.harness.", "windtunnel.mock_server.")


class TypeGrowth:
    """Counts the objects that the garbage collector follows, and says which types have grown most.

    What was there when the collector was told to `freeze` is not counted: so it is cheap, and is what the load made.
    Objects of windtunnel's own types are left out, tasks and futures apart: they are not the client's.
    """

    def __init__(self) -> None:
        self._first: Counter[type] | None = None

    def count(self) -> tuple[int, dict[str, int]]:
        """How many objects there are, and how many of the types that have grown most since the first time."""
        counts: Counter[type] = Counter(map(type, gc.get_objects()))
        for kind in [kind for kind in counts if _ours(kind)]:
            del counts[kind]
        if self._first is None:
            self._first = counts
        first = self._first
        most = sorted(counts, key=lambda kind: (first[kind] - counts[kind], -counts[kind], name_of(kind)))
        return counts.total(), {name_of(kind): counts[kind] for kind in most[:MOST_TYPES]}


def name_of(kind: type) -> str:
    """A type by module and name, such as `asyncio.locks.Event`; tasks and futures are asyncio's, whoever made them."""
    for known in (asyncio.Task, asyncio.Future):
        if issubclass(kind, known):
            return f"asyncio.{known.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def _ours(kind: type) -> bool:
    return str(kind.__module__).startswith(OURS) and not issubclass(kind, asyncio.Future)


class InsideWatch:
    """Writes the watch file of this process's client. `now` gives seconds from the start of the load.

    `lag` gives the worst lateness of the loop since it was last asked; None where there is no such thing.
    """

    def __init__(
        self, folder: Path, client: str, now: Callable[[], float], lag: Callable[[], float | None]
    ) -> None:
        start_s = time.time() - now()
        self._writer = WatchWriter(folder, client, start_s, limits())
        self._now = now
        self._lag = lag
        self._growth = TypeGrowth()
        self._process = psutil.Process()
        self._rest_until = -math.inf

    def look(self, *, tasks: int | None, streams: int | None) -> None:
        """Write a sample. `tasks` that are not done, `streams` that are open though their call is over."""
        objects, top = self._objects()
        inside = InsideView(tasks, self._lag(), objects, None, top, streams)
        self._writer.sample(WatchSample(self._now(), self._outside(), inside))

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _objects(self) -> tuple[int | None, dict[str, int]]:
        begun = time.perf_counter()
        if begun < self._rest_until:
            return None, {}
        counted = self._growth.count()
        over = time.perf_counter()
        # On the virtual clock no time has passed, so there they are counted every time.
        self._rest_until = over + (over - begun) / MOST_SHARE
        return counted

    def _outside(self) -> OutsideView:
        process = self._process
        with process.oneshot():
            spent = process.cpu_times()
            return OutsideView(
                rss_bytes=process.memory_info().rss,
                cpu_s=spent.user + spent.system,
                descriptors=process.num_fds(),
                threads=process.num_threads(),
                processes=1,
                sockets=dict(Counter(one.status for one in process.net_connections("tcp"))),
            )


def limits() -> Mapping[str, float]:
    """Where memory and descriptors of this process end, by the names of `OutsideView`."""
    found = {"rss_bytes": float(psutil.virtual_memory().total)}
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        found["descriptors"] = float(soft)
    return found


def is_watched(plan: CellPlan, worker: int = 0) -> bool:
    """Whether a soak plays this cell, so that its client is watched; of several load processes the first one is."""
    return worker == 0 and any(CYCLE_MARK in phase.name for phase in plan.phases)
