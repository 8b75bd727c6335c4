"""How many token streams a mock holds at once, on one core, before their chunks leave their places.

A number of streams is held if every one of them is served and 99 % of the gaps between chunks are within 5 ms of what
was asked for. Gaps, because the peers pace each chunk from the one before: their delays add up over a stream, which is
not held against them here. Every try has a server of its own, on one core; the readers are on the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.largest_held import FAILURES, LargestHeld
from windtunnel.harness.calibrate.paced_reader import Job
from windtunnel.harness.calibrate.peer_rates import OURS
from windtunnel.harness.calibrate.peers import CHARACTERS_PER_CHUNK, Fixture, Peer, running
from windtunnel.harness.calibrate.pinned import Cores, cores
from windtunnel.harness.calibrate.processes import MeasuredServer, measured, mock, server

NAME = "streams held on one core"
UNIT = "streams"
SPACING_S = 0.02
LIMIT_S = 0.005
FIRST = 32
LIMIT = 16_384
TRIES = 16
READERS = 3
LEAD_S = 1.0
"""How long the readers have to start."""
OWN_AIM_S = LIMIT_S / 2

Serve = Callable[[Path], AbstractAsyncContextManager[MeasuredServer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The parts of a try, in seconds: streams open, settle, are measured."""

    open_s: float = 1.5
    settle_s: float = 0.5
    measure_s: float = 2.5

    @property
    def chunks(self) -> int:
        """Chunks of a stream that goes on longer than the try."""
        return int((self.open_s + self.settle_s + self.measure_s + 1.0) / SPACING_S)


@dataclass(frozen=True, slots=True)
class StreamsHeld:
    """One try: the 99th percentile of the errors, the median gap, and how many streams broke."""

    p99_s: float
    median_s: float
    broken: int

    @property
    def held(self) -> bool:
        return not self.broken and self.p99_s <= LIMIT_S

    def __str__(self) -> str:
        broken = f", {self.broken} broken" if self.broken else ""
        return f"p99 {self.p99_s * 1e3:.1f} ms, median gap {self.median_s * 1e3:.1f} ms{broken}"


async def measure(peers: Sequence[Peer], folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """A row per peer: the streams that ours holds beside its own; and what the readers add themselves."""
    there = [peer for peer in peers if peer.version]
    rows = [unmeasured(peer) for peer in peers if not peer.version]
    if not there:
        return rows
    place, times = cores(), Times()
    text = Fixture("tok " * times.chunks, SPACING_S)
    serves: dict[str, Serve] = {OURS: partial(ours, times, place)}
    for peer in there:
        serves[peer.name] = partial(running, peer, text, cores=place.server)
    searches = {name: LargestHeld(FIRST, LIMIT, TRIES) for name in serves}
    last: dict[str, StreamsHeld] = {}
    while any(search.next is not None for search in searches.values()):
        for name, search in searches.items():
            number = search.next
            if number is None:
                continue
            seen = await probe(serves[name], number, folder, place, times)
            search.saw(number, held=seen.held)
            on_progress(f"peers: {name}, {number} streams: {'held' if seen.held else 'not held'}, {seen}")
            if seen.held and number == search.held:
                last[name] = seen
    most = max(search.failed or search.held for search in searches.values())
    owns = []
    for _ in range(FAILURES):
        owns.append(await probe(partial(bare, place), most, folder, place, times))
        on_progress(f"peers: what readers and machine add, {most} streams of a bare server: {owns[-1]}")
    own = min(owns, key=lambda held: held.p99_s)
    rows = [finding(peer, searches, last, own) if peer.version else unmeasured(peer) for peer in peers]
    return [*rows, reader_finding(most, own)]


def ours(times: Times, place: Cores, folder: Path) -> AbstractAsyncContextManager[MeasuredServer]:
    """Our mock, healthy, with as many slots as anybody asks for and its records in memory."""
    plan: dict[str, Any] = {
        "name": "calibrate-held",
        "provider": {
            "capacity": {"slots": LIMIT, "queue": LIMIT},
            "answer": {
                "first_token": "0ms",
                "tokens": times.chunks,
                "tokens_per_second": 1 / SPACING_S,
                "tokens_per_chunk": 1,
            },
        },
    }
    return mock(plan, folder, "held-mock", journal=False, cores=place.server)


def bare(place: Cores, folder: Path) -> AbstractAsyncContextManager[MeasuredServer]:
    """The bare server, on the same core as the others."""
    return server(
        "paced", ["windtunnel.harness.calibrate.paced_server", str(SPACING_S)], folder, place.server
    )


async def probe(serve: Serve, streams: int, folder: Path, place: Cores, times: Times) -> StreamsHeld:
    """Serve, read `streams` streams from several processes, and put together what they saw."""
    async with serve(folder) as serving:
        begin = time.monotonic() + LEAD_S
        opened = begin + times.open_s
        measure_from = opened + times.settle_s
        parts = shares(streams, min(READERS, max(1, len(place.clients))))
        jobs = [
            Job(
                port=serving.port,
                streams=part,
                begin_s=begin,
                opened_s=opened,
                measure_s=measure_from,
                end_s=measure_from + times.measure_s,
                spacing_s=SPACING_S,
                prefix=f"p{index}-",
                file=str(folder / f"gaps-{index}.npy"),
            )
            for index, part in enumerate(parts)
        ]
        found = await asyncio.gather(
            *(
                measured(
                    "windtunnel.harness.calibrate.paced_reader",
                    job.model_dump_json(),
                    folder=folder,
                    cores=place.clients[index : index + 1],
                )
                for index, job in enumerate(jobs)
            )
        )
    errors = np.concatenate([np.load(job.file) for job in jobs])
    return StreamsHeld(
        float(np.percentile(errors, 99)) if len(errors) else float("inf"),
        float(np.median([part["median_s"] for part in found])),
        sum(part["broken"] for part in found),
    )


def shares(number: int, readers: int) -> list[int]:
    """`number` streams over the readers, as evenly as it goes; none without a stream."""
    return [
        part for part in (number // readers + (index < number % readers) for index in range(readers)) if part
    ]


def unmeasured(peer: Peer) -> Finding:
    """The row of a peer that is not there."""
    return Finding(f"{NAME}, beside {peer.name}", UNIT, None, None, peer.aim, peer.missing, "at least")


def finding(
    peer: Peer, searches: dict[str, LargestHeld], last: dict[str, StreamsHeld], own: StreamsHeld
) -> Finding:
    """Our number beside the peer's, how punctual both were there, and where a search ended early.

    There is no verdict where readers and machine alone (`own`) use up more than half of the limit.
    """
    believed = own.p99_s <= OWN_AIM_S
    notes = [
        "" if believed else "no verdict, since the machine was too busy: see the last row",
        f"of {1 / SPACING_S:.0f} chunks/s with 99 % of the gaps between chunks within {LIMIT_S * 1e3:.0f} ms of "
        f"{SPACING_S * 1e3:.0f} ms, {CHARACTERS_PER_CHUNK} characters a chunk",
    ]
    for name in (OURS, peer.name):
        search = searches[name]
        smallest = f"not held: {search.failed}" if search.failed else "the most that was tried"
        early = ", search cut short" if search.bounded and search.failed else ""
        notes.append(f"{name} held {search.held} ({last.get(name, 'nothing')}; {smallest}{early})")
    notes.append(cores().note)
    return Finding(
        f"{NAME}, beside {peer.title}",
        UNIT,
        float(searches[OURS].held),
        float(searches[peer.name].held),
        peer.aim if believed else None,
        "; ".join(part for part in notes if part),
        "at least",
    )


def reader_finding(streams: int, own: StreamsHeld) -> Finding:
    """What of those errors is the readers' and the machine's own: as much as they find at a bare server."""
    note = (
        f"{streams} streams, the fewest that the best of them did not hold, of a bare server that writes prebuilt "
        f"chunks on the same core: {own}, the better of {FAILURES} tries"
    )
    name = "timing error p99 of those streams, readers and machine alone"
    return Finding(name, "ms", own.p99_s * 1e3, None, OWN_AIM_S * 1e3, note)
