"""The instances of the application that a process carries, and how a call is given to one of them.

A blocking instance makes its call in the arrival's own greenlet; an async one on the process's loop.
`concurrency` is the number of workers of an instance: a call waits for a free one, and that wait counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import gevent
from gevent.lock import Semaphore
from gevent.pool import Group

from harness.clients import DRIVERS
from harness.clients.base import CallSpec, GreenletInstance, LoopInstance, Setting
from harness.load.heartbeat import loop_beat
from harness.load.loop_thread import LoopThread
from harness.load.recorder import Recorder

WARM_UP_TIMEOUT_S = 30.0
CANCEL_TIMEOUT_S = 5.0


class Fleet(Protocol):
    """All instances of a process."""

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        """One unrecorded call for each instance."""

    def call(self, instance: int, spec: CallSpec) -> None:
        """Begin a call; returns at once."""

    def cancel(self) -> None:
        """End what still runs: those calls are recorded as cancelled."""

    def close(self) -> None: ...


def build_fleet(settings: Mapping[int, Setting], concurrency: int | None, recorder: Recorder) -> Fleet:
    """The fleet that the profile's driver needs. `settings` are by number of the instance."""
    driver = DRIVERS[next(iter(settings.values())).profile.driver]
    if driver.kind == "greenlet":
        return GreenletFleet({i: driver.build(setting) for i, setting in settings.items()}, concurrency)
    return LoopFleet(settings, driver.build, concurrency, recorder)


class GreenletFleet:
    """Instances with a blocking client."""

    def __init__(self, instances: Mapping[int, GreenletInstance], concurrency: int | None) -> None:
        self._instances = instances
        self._places = {i: Semaphore(concurrency) for i in instances} if concurrency else {}
        self._running = Group()

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        waiting = [gevent.spawn(self._instances[i].warm_up, spec) for i, spec in specs.items()]
        gevent.joinall(waiting, timeout=WARM_UP_TIMEOUT_S, raise_error=True)

    def call(self, instance: int, spec: CallSpec) -> None:
        if self._places:
            self._running.spawn(self._in_place, instance, spec)
        else:
            self._running.spawn(self._instances[instance].call, spec)

    def _in_place(self, instance: int, spec: CallSpec) -> None:
        place = self._places[instance]
        waited = place.locked()
        with place:
            self._instances[instance].call(spec, waited=waited)

    def cancel(self) -> None:
        self._running.kill(timeout=CANCEL_TIMEOUT_S)

    def close(self) -> None:
        for instance in self._instances.values():
            instance.close()


class LoopFleet:
    """Instances with an async client, all on the loop of the process; they are built there too."""

    def __init__(
        self,
        settings: Mapping[int, Setting],
        build: Any,
        concurrency: int | None,
        recorder: Recorder,
    ) -> None:
        self._thread = LoopThread()
        self._instances: dict[int, LoopInstance] = {}
        self._places: dict[int, asyncio.Semaphore] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._thread.wait_for(self._build(settings, build, concurrency, recorder), WARM_UP_TIMEOUT_S)

    async def _build(
        self, settings: Mapping[int, Setting], build: Any, concurrency: int | None, recorder: Recorder
    ) -> None:
        for number, setting in settings.items():
            self._instances[number] = build(setting)
            if concurrency:
                self._places[number] = asyncio.Semaphore(concurrency)
        now = next(iter(settings.values())).clock.now
        self._beat = asyncio.create_task(loop_beat(now, recorder.lags.append))

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._instances[i].warm_up(spec) for i, spec in specs.items()))

        self._thread.wait_for(all_of_them(), WARM_UP_TIMEOUT_S)

    def call(self, instance: int, spec: CallSpec) -> None:
        self._thread.loop.call_soon_threadsafe(self._start, instance, spec)

    def _start(self, instance: int, spec: CallSpec) -> None:
        work: Coroutine[Any, Any, None]
        work = self._in_place(instance, spec) if self._places else self._instances[instance].call(spec)
        task = self._thread.loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _in_place(self, instance: int, spec: CallSpec) -> None:
        place = self._places[instance]
        waited = place.locked()
        async with place:
            await self._instances[instance].call(spec, waited=waited)

    def cancel(self) -> None:
        async def all_of_them() -> None:
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        self._thread.wait_for(all_of_them(), CANCEL_TIMEOUT_S)

    def close(self) -> None:
        async def all_of_them() -> None:
            self._beat.cancel()
            await asyncio.gather(*(instance.close() for instance in self._instances.values()))

        self._thread.wait_for(all_of_them(), CANCEL_TIMEOUT_S)
        self._thread.stop()
