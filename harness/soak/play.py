"""A soak of a process, played in real time: mock, load and program, watched and kept alive for hours.

    start: mock ─► program ─► (service listens) ─► t0 ─► load
    every half second   who has died is started again, and the hole is marked
    every ten seconds   a look at the process from outside; figures for the terminal; how far it is
    every five minutes  new segments; records that are too old become steps

Everything is measured by the monotonic clock, in seconds since the start of the soak (`at_s`). A soak that is resumed
goes on with the second at which it was broken off.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from windtunnel.harness.contract.files import CYCLE_MARK
from windtunnel.harness.contract.watch import WATCH_S, WatchMark, WatchSample, WatchWriter
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.load.retention import BLOCK_S, LATEST_S, RawRecords
from windtunnel.harness.probe.attach import LEAD_S, until_there
from windtunnel.harness.run.stopping import stopping
from windtunnel.harness.soak.cycles import Cycled
from windtunnel.harness.soak.disk import require_room
from windtunnel.harness.soak.folder import SoakFolder, SoakState
from windtunnel.harness.soak.live import SoakFigures, span
from windtunnel.harness.soak.options import COMMAND, READY_S, ProcessSoak
from windtunnel.harness.soak.parts import ClientPart, LoadPart, MockPart
from windtunnel.harness.soak.recent import RecentCalls
from windtunnel.harness.soak.wall_clock import WallClock

TICK_S: Final = 0.5
PAUSED_S: Final = 5.0
"""Seconds between two looks that say that this process was kept from running: it was stopped, or the machine slept."""
SETTLES_S: Final = 30.0
"""Seconds after a part was started again in which nothing is judged: connections are made anew, calls were cut off."""


@dataclass(frozen=True, slots=True)
class SoakEnded:
    """How a soak of a process ended: at which second, and what to say; empty if it was played to its end.

    `failed`: the program ended by itself, and not well. `broken`: a part of ours did not come to its feet any more.
    """

    at_s: float
    said: str = ""
    failed: bool = False
    broken: bool = False


class _Playing:
    """One soak of a process, from its start, or from where it was broken off, to its end."""

    def __init__(
        self,
        asked: ProcessSoak,
        again: Cycled,
        seed: int,
        folder: SoakFolder,
        show: Callable[[SoakFigures], None],
        from_s: float,
    ) -> None:
        scenario = again.scenario
        self._asked, self._again, self._folder, self._show = asked, again, folder, show
        self._from_s = from_s
        self._t0 = 0.0
        deadline = scenario.load.deadline or scenario.load.objective_wait
        self._deadline_s = math.inf if deadline is None else deadline
        self._mock = MockPart(folder.cell, asked.port)
        self._load = (
            None if asked.attach is None else LoadPart(folder.cell, folder.client, asked.attach, again, seed)
        )
        self._client = ClientPart(asked)
        driven = self._load is not None
        self._raw = RawRecords(
            folder.cell,
            folder.client,
            keep_s=asked.keep_raw_s,
            deadline_s=self._deadline_s,
            driven=driven,
            patience_s=max(LATEST_S, 0.0 if asked.attach is None else 2 * asked.attach.timeout_s),
        )
        self._recent = RecentCalls(folder.cell, self._deadline_s, driven=driven)
        self._wall = WallClock(time.time(), time.monotonic())
        self._ended = SoakEnded(from_s)

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._t0

    async def play(self) -> SoakEnded:
        """Play it to its end, or until somebody ends it."""
        try:
            with stopping() as stop:
                await self._mock.start()
                if not await self._begin(stop):
                    return SoakEnded(self._from_s, "it was ended before it began")
                start_s = time.time() - self.now_s
                limits = self._client.limits()
                with WatchWriter(self._folder.folder, self._folder.client, start_s, limits) as watch:
                    await self._watched(stop, watch, start_s)
        finally:
            if self._load is not None:
                await self._load.end()
            await self._client.end()
            await self._mock.end()
        return self._ended

    async def _begin(self, stop: asyncio.Event) -> bool:
        """Start the program and the load; False if somebody ends it before its first second."""
        attach = self._asked.attach
        self._t0 = time.monotonic() - self._from_s
        await self._mock.admin.begin(self._t0)
        await self._client.start(self._mock.base_url)
        if attach is None or self._load is None:
            return True
        there = asyncio.ensure_future(until_there(attach.url, READY_S, self._client.program, COMMAND))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({there, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not there.done():
            there.cancel()
            return False
        there.result()
        self._t0 = time.monotonic() + LEAD_S - self._from_s
        await self._mock.admin.begin(self._t0)
        await self._load.start(self._t0, self._from_s)
        return True

    async def _watched(self, stop: asyncio.Event, watch: WatchWriter, start_s: float) -> None:
        """Look after everything until the soak is over."""
        if self._from_s > 0:
            watch.mark(WatchMark(self._from_s, "resumed", self._from_s + SETTLES_S, "it had been broken off"))
        next_sample = (math.floor(self._from_s / WATCH_S) + 1) * WATCH_S
        next_block = self._from_s + BLOCK_S
        while not stop.is_set() and (now := self.now_s) < self._again.length_s:
            if not await self._mended(watch, now):
                return
            if now >= next_sample:
                next_sample = (math.floor(now / WATCH_S) + 1) * WATCH_S
                require_room(self._folder.folder)
                await self._sample(watch, now)
                self._folder.write_state(SoakState(now, start_s))
            if now >= next_block:
                next_block = now + BLOCK_S
                await self._block(now)
            slept_s = self.now_s
            await asyncio.sleep(TICK_S)
            if self.now_s - slept_s > PAUSED_S:
                why = f"nothing ran for {self.now_s - slept_s:.1f} s"
                watch.mark(WatchMark(slept_s, "paused", self.now_s, why))
        now = min(self.now_s, self._again.length_s)
        over = now >= self._again.length_s
        if over and self._load is not None and self._asked.attach is not None:
            await self._load.finish(self._asked.attach.timeout_s)
        said = "" if over else f"it was ended after {span(now)} of {span(self._again.length_s)}"
        self._ended = SoakEnded(now, said)
        self._folder.write_state(SoakState(now, start_s, over=over))

    async def _mended(self, watch: WatchWriter, now: float) -> bool:
        """Start again who has died, and mark what happened; False if the program's end is the soak's."""
        jump = self._wall.jumped(time.time(), time.monotonic())
        if jump:
            watch.mark(WatchMark(now, "clock jumped", now, f"by {jump:+.1f} s; measured time did not"))
        how = await self._mock.mended(self._t0)
        if how:
            watch.mark(WatchMark(now, "mock restarted", self.now_s + SETTLES_S, how))
        if self._load is not None:
            how = await self._load.mended(self._t0, self.now_s + LEAD_S)
            if how:
                watch.mark(WatchMark(now, "worker replaced", self.now_s + LEAD_S + SETTLES_S, how))
        how = await self._client.ended()
        if not how:
            return True
        if self._asked.restart:
            await self._client.again(self._mock.base_url, how)
            watch.mark(WatchMark(now, "program restarted", self.now_s + SETTLES_S, how))
            return True
        failed = self._client.failed
        said = f"the program ended after {span(now)} of {span(self._again.length_s)}: {how}"
        self._ended = SoakEnded(now, said if failed else f"{said} (--restart starts it again)", failed)
        return False

    async def _sample(self, watch: WatchWriter, now: float) -> None:
        """Look at the process from outside, and show the headline figures."""
        outside = await asyncio.to_thread(self._client.look)
        watch.sample(WatchSample(round(now, 3), outside=outside))
        connections = None
        try:
            connections = (await self._mock.admin.health()).connections
            self._raw.saw(now, connections)
        except OSError:
            pass  # it has just died: it is started again at the next look
        recent = await asyncio.to_thread(self._recent.look, now)
        self._show(
            SoakFigures(
                at_s=now,
                phase=_phase_at(self._again.scenario, now),
                cycle=int(now // self._again.cycle_s),
                calls=recent.calls,
                mock_at=urlsplit(self._mock.admin.url).netloc,
                goodput=recent.goodput,
                p95_s=recent.p95_s,
                rss_bytes=None if outside is None else outside.rss_bytes,
                connections=connections,
            )
        )

    async def _block(self, now: float) -> None:
        """Let the mock's records go on in new segments, and turn those that are too old into steps."""
        try:
            await self._mock.admin.new_segments()
        except OSError:
            return  # it has just died: its records go on in others anyway
        await asyncio.to_thread(self._raw.block, now)


def _phase_at(scenario: Scenario, at_s: float) -> str:
    """The phase of the scenario, without the number of its cycle."""
    start = 0.0
    for phase in scenario.phases:
        start += phase.for_
        if at_s < start:
            return phase.name.rpartition(CYCLE_MARK)[0] or phase.name
    return "tail"


async def play(
    asked: ProcessSoak,
    again: Cycled,
    seed: int,
    folder: SoakFolder,
    show: Callable[[SoakFigures], None],
    from_s: float = 0.0,
) -> SoakEnded:
    """Play the soak from `from_s` on, and say how it ended; its records are in `folder` then, whole as far as it went.

    Raises `InputError` for a program or service that is not there. A part of ours that dies on and on, or a
    disk that is nearly full, ends it as `broken`.
    """
    playing = _Playing(asked, again, seed, folder, show, from_s)
    try:
        ended = await playing.play()
    except MeasurementError as error:
        ended = SoakEnded(max(from_s, playing.now_s), str(error), broken=True)
    folder.write_plan(again, seed, ended.at_s)
    await asyncio.to_thread(folder.close, ended.said or "played to its end", driven=asked.attach is not None)
    return ended
