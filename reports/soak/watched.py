"""From the watch files of a client to series on the grid of the soak, and the times of which nothing is known.

watch-CLIENT.jsonl, of the soak and of the cell ──► a value of each measure every ten seconds (NaN: none), and marks
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from windtunnel.harness.contract.watch import WATCH_FILE, WatchMark, WatchSample, read_watch
from windtunnel.reports.read.outcomes import Floats
from windtunnel.reports.soak.finding import Measure
from windtunnel.reports.soak.judge import OBJECTS, OBJECTS_OF

MB: Final = 1e6

Look = Callable[[WatchSample], float | None]


@dataclass(frozen=True, slots=True, eq=False)
class WatchedSeries:
    """What watch files say: a measure with its values for each name, and the marks of holes in what was measured."""

    measures: Mapping[str, Measure] = field(default_factory=dict)
    values: Mapping[str, Floats] = field(default_factory=dict)
    marks: tuple[WatchMark, ...] = ()


def watched_series(folders: Iterable[Path], client: str, edges: Floats, *, virtual: bool) -> WatchedSeries:
    """The series of `client` from its watch files in `folders`, as the mean of the samples between each two edges.

    Without any file there are none. On the virtual clock what depends on real time (CPU, the loop's lag) is left out.
    Raises InputError if a file is not one of ours.
    """
    paths = [folder / WATCH_FILE.format(client=client) for folder in folders]
    files = [read_watch(path) for path in dict.fromkeys(paths) if path.is_file()]
    samples = sorted((one for file in files for one in file.samples), key=lambda sample: sample.at_s)
    limits = {name: limit for file in files for name, limit in file.limits.items()}
    if any(one.outside is not None and one.outside.processes > 1 for one in samples):
        limits.pop("descriptors", None)  # it is one process's, and the samples are the sum of several
    looks = {**_outside(limits), **_inside()}
    if virtual:
        del looks["loop_lag_s"]
    at_s = np.array([sample.at_s for sample in samples])
    place = np.searchsorted(edges, at_s, side="right") - 1
    values, measures = {}, {}
    for name, (measure, look) in (looks | _sockets(samples) | _types(samples)).items():
        seen = np.array([np.nan if (found := look(one)) is None else found for one in samples], dtype=float)
        if np.isfinite(seen).any():
            measures[name] = measure
            values[name] = _on_grid(seen, place, len(edges) - 1)
    if not virtual and samples:
        measures["cpu_share"] = Measure("cpu_share", "CPU used", "cores", 0.02, 0.2, relative=True)
        values["cpu_share"] = _on_grid(_cpu_share(samples, at_s), place, len(edges) - 1)
    return WatchedSeries(measures, values, tuple(mark for file in files for mark in file.marks))


def without_holes(at_s: Floats, values: Floats, marks: Sequence[WatchMark], step_s: float) -> Floats:
    """The values, with none where a mark says that nothing is known, nor in the step in which it begins or ends."""
    kept = values.copy()
    for mark in marks:
        kept[(at_s > mark.at_s - step_s) & (at_s < max(mark.until_s, mark.at_s) + step_s)] = np.nan
    return kept


def _outside(limits: Mapping[str, float]) -> dict[str, tuple[Measure, Look]]:
    memory = limits.get("rss_bytes")
    return {
        "rss_mb": (
            Measure("rss_mb", "the memory of the process", "MB", least=5, least_share=0.03,
                    limit=None if memory is None else memory / MB, why="the machine's memory is full"),
            lambda one: None if one.outside is None else one.outside.rss_bytes / MB,
        ),
        "descriptors": (
            Measure("descriptors", "open descriptors", "", least=5, least_share=0.2, many=True,
                    limit=limits.get("descriptors"), why="the process may open no more"),
            lambda one: None if one.outside is None else one.outside.descriptors,
        ),
        "threads": (
            Measure("threads", "threads", "", least=3, least_share=0.2, many=True),
            lambda one: None if one.outside is None else one.outside.threads,
        ),
        "processes": (
            Measure("processes", "processes", "", least=2, least_share=0.2, many=True),
            lambda one: None if one.outside is None else one.outside.processes,
        ),
    }  # fmt: skip


def _inside() -> dict[str, tuple[Measure, Look]]:
    return {
        "lost": (
            Measure("lost", "connections that no call holds", "", least=3, many=True),
            lambda one: None if one.inside is None else one.inside.streams_open,
        ),
        "tasks": (
            Measure("tasks", "asyncio tasks", "", least=5, least_share=0.2, many=True),
            lambda one: None if one.inside is None else one.inside.tasks,
        ),
        "loop_lag_s": (
            Measure("loop_lag_s", "the lag of the loop", "s", least=0.02, least_share=0.5, relative=True),
            lambda one: None if one.inside is None else one.inside.loop_lag_s,
        ),
        "traced_mb": (
            Measure("traced_mb", "the memory of Python objects", "MB", least=5, least_share=0.03),
            lambda one: _scaled(None if one.inside is None else one.inside.traced_bytes),
        ),
        OBJECTS: (
            Measure(OBJECTS, "objects", "", least=500, least_share=0.2, many=True),
            lambda one: None if one.inside is None else one.inside.objects,
        ),
    }


def _sockets(samples: Sequence[WatchSample]) -> dict[str, tuple[Measure, Look]]:
    """The sockets in each state; in a sample with sockets at all, a state that is not named has none."""
    states = sorted({state for one in samples if one.outside is not None for state in one.outside.sockets})

    def look_for(state: str) -> Look:
        return lambda one: None if one.outside is None else one.outside.sockets.get(state, 0)

    return {
        f"sockets_{state.lower()}": (
            Measure(
                f"sockets_{state.lower()}", f"sockets in {state}", "", least=5, least_share=0.2, many=True
            ),
            look_for(state),
        )
        for state in states
    }


def _types(samples: Sequence[WatchSample]) -> dict[str, tuple[Measure, Look]]:
    """The objects of the types that the last sample names: those that grew most.

    A sample that does not name a type has found less growth of it than of the twenty that it names: its first known
    count stands for those before.
    """
    counted = [one.inside.top for one in samples if one.inside is not None and one.inside.top]
    if not counted:
        return {}

    def look_for(kind: str, first: int) -> Look:
        def look(one: WatchSample) -> float | None:
            return one.inside.top.get(kind, first) if one.inside is not None and one.inside.top else None

        return look

    found = {}
    for kind in counted[-1]:
        first = next(top[kind] for top in counted if kind in top)
        measure = Measure(
            f"{OBJECTS_OF}{kind}", f"{OBJECTS_OF}{kind}", "", least=100, least_share=0.3, many=True
        )
        found[measure.name] = (measure, look_for(kind, first))
    return found


def _cpu_share(samples: Sequence[WatchSample], at_s: Floats) -> Floats:
    """Cores that were busy since the sample before; none where the count began anew."""
    used = np.array([np.nan if one.outside is None else one.outside.cpu_s for one in samples], dtype=float)
    share = np.full(len(samples), np.nan)
    spent, passed = np.diff(used), np.diff(at_s)
    whole = (spent >= 0) & (passed > 0)
    share[1:][whole] = spent[whole] / passed[whole]
    return share


def _on_grid(seen: Floats, place: np.ndarray[tuple[int], np.dtype[np.int64]], steps: int) -> Floats:
    there = np.isfinite(seen) & (place >= 0) & (place < steps)
    count = np.bincount(place[there], minlength=steps)
    total = np.bincount(place[there], weights=seen[there], minlength=steps)
    found: Floats = np.divide(total, count, out=np.full(steps, np.nan), where=count > 0)
    return found


def _scaled(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / MB
