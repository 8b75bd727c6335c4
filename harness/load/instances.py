"""The instances of the application that a process carries, and how a call is given to one of them.

A blocking instance makes its call in a greenlet of the arrival's own, an async one in a task on the process's loop.
`concurrency` is the number of workers of an instance: a call waits for a free one, and that wait counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Protocol

import gevent
from gevent.lock import Semaphore
from gevent.pool import Group

from windtunnel.harness.clients import driver_of
from windtunnel.harness.clients.base import CallSpec, GreenletInstance, LoopInstance, Setting
from windtunnel.harness.clients.call import never_started
from windtunnel.harness.clients.recording.pools import OpenConnections, Soak, open_connections
from windtunnel.harness.load.heartbeat import loop_beat
from windtunnel.harness.load.inside import InsideWatch
from windtunnel.harness.load.loop_thread import LoopThread
from windtunnel.harness.load.places import take
from windtunnel.harness.load.recorder import Recorder

WARM_UP_TIMEOUT_S = 30.0
CANCEL_TIMEOUT_S = 15.0


class Fleet(Protocol):
    """All instances of a process."""

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        """One unrecorded call for each instance."""

    def dispatch(self, calls: Iterable[tuple[int, CallSpec]], begun: Callable[[CallSpec], None]) -> None:
        """Begin every call (with its instance) at its intended time; returns after the last one has begun.

        `begun` is told of each.
        """

    def cancel(self) -> None:
        """End what still runs: those calls are recorded as unfinished."""

    def connections(self) -> OpenConnections:
        """What is open in the clients' pools; after `cancel`."""

    def sample(self, soak: Soak, watch: InsideWatch | None) -> None:
        """Let `soak` look into the clients' pools, while calls are under way, and `watch` at what else they hold."""

    def close(self) -> None: ...


def build_fleet(settings: Mapping[int, Setting], concurrency: int | None, recorder: Recorder) -> Fleet:
    """The fleet that the profile's driver needs. `settings` are by number of the instance."""
    driver = driver_of(next(iter(settings.values())).profile)
    if driver.kind == "greenlet":
        instances = {i: driver.build(setting) for i, setting in settings.items()}
        return GreenletFleet(instances, settings, concurrency)
    return LoopFleet(settings, driver.build, concurrency, recorder)


def _end(settings: Mapping[int, Setting], at_s: float) -> None:
    """Say that from now on it is the harness that ends calls."""
    for setting in settings.values():
        setting.end.at_s = at_s


class GreenletFleet:
    """Instances with a blocking client."""

    def __init__(
        self,
        instances: Mapping[int, GreenletInstance],
        settings: Mapping[int, Setting],
        concurrency: int | None,
    ) -> None:
        self._instances = instances
        self._settings = settings
        self._now = next(iter(settings.values())).clock.now
        self._places = {i: Semaphore(concurrency) for i in instances} if concurrency else {}
        self._running = Group()

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        waiting = [gevent.spawn(self._instances[i].warm_up, spec) for i, spec in specs.items()]
        patience = max(
            getattr(one, "warm_up_timeout_s", WARM_UP_TIMEOUT_S) for one in self._instances.values()
        )
        gevent.joinall(waiting, timeout=patience, raise_error=True)

    def dispatch(self, calls: Iterable[tuple[int, CallSpec]], begun: Callable[[CallSpec], None]) -> None:
        for instance, spec in calls:
            while (left := spec.intended_s - self._now()) > 0:
                gevent.sleep(left)
            if self._places:
                self._running.spawn(self._in_place, instance, spec)
            else:
                self._running.spawn(self._instances[instance].call, spec)
            begun(spec)

    def _in_place(self, instance: int, spec: CallSpec) -> None:
        place = self._places[instance]
        waited = place.locked()
        try:
            place.acquire()
        except gevent.GreenletExit:
            never_started(self._settings[instance], spec)
            raise
        try:
            self._instances[instance].call(spec, waited=waited)
        finally:
            place.release()

    def cancel(self) -> None:
        _end(self._settings, self._now())
        self._running.kill(timeout=CANCEL_TIMEOUT_S)

    def connections(self) -> OpenConnections:
        return _open_in(self._settings)

    def sample(self, soak: Soak, watch: InsideWatch | None) -> None:
        pools = list(_pools_of(self._settings))
        lost = soak.look(pools, self._now())
        if watch is not None:
            watch.look(tasks=None, streams=lost if pools else None)

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
        self._settings = settings
        self._thread = LoopThread(next(iter(settings.values())).hosts)
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
        self._now = next(iter(settings.values())).clock.now
        self._beat = asyncio.create_task(loop_beat(self._now, recorder.late))

    def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        async def all_of_them() -> None:
            first = (self._instances[i].warm_up(spec) for i, spec in specs.items())
            for result in await asyncio.gather(*first, return_exceptions=True):
                if isinstance(result, Exception):  # not the cancelling of an application that cancels itself
                    raise result

        self._thread.wait_for(all_of_them(), WARM_UP_TIMEOUT_S)

    def dispatch(self, calls: Iterable[tuple[int, CallSpec]], begun: Callable[[CallSpec], None]) -> None:
        # On the loop itself: a hand-over from the hub for each call would cost a tenth of the call.
        self._thread.wait_for(self._dispatch(calls, begun))

    async def _dispatch(
        self, calls: Iterable[tuple[int, CallSpec]], begun: Callable[[CallSpec], None]
    ) -> None:
        for instance, spec in calls:
            while (left := spec.intended_s - self._now()) > 0:  # noqa: ASYNC110  # for a moment, not an event
                await asyncio.sleep(left)
            work: Coroutine[Any, Any, None]
            work = self._in_place(instance, spec) if self._places else self._instances[instance].call(spec)
            task = asyncio.create_task(work)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            begun(spec)

    async def _in_place(self, instance: int, spec: CallSpec) -> None:
        place = self._places[instance]
        waited = await take(place, self._settings[instance], spec)
        try:
            await self._instances[instance].call(spec, waited=waited)
        finally:
            place.release()

    def cancel(self) -> None:
        async def all_of_them() -> None:
            _end(self._settings, self._now())
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        self._thread.wait_for(all_of_them(), CANCEL_TIMEOUT_S)

    def connections(self) -> OpenConnections:
        async def look() -> OpenConnections:
            return _open_in(self._settings)  # on the loop, where what is collected was made

        found: OpenConnections = self._thread.wait_for(look(), CANCEL_TIMEOUT_S)
        return found

    def sample(self, soak: Soak, watch: InsideWatch | None) -> None:
        async def look() -> None:
            pools = list(_pools_of(self._settings))
            lost = soak.look(pools, self._now())
            if watch is not None:
                # The one that looks is a task as well.
                watch.look(tasks=len(asyncio.all_tasks()) - 1, streams=lost if pools else None)

        self._thread.wait_for(look(), CANCEL_TIMEOUT_S)

    def close(self) -> None:
        async def all_of_them() -> None:
            self._beat.cancel()
            await asyncio.gather(*(instance.close() for instance in self._instances.values()))

        self._thread.wait_for(all_of_them(), CANCEL_TIMEOUT_S)
        self._thread.stop()


def _open_in(settings: Mapping[int, Setting]) -> OpenConnections:
    return open_connections(_pools_of(settings))


def _pools_of(settings: Mapping[int, Setting]) -> Iterator[Any]:
    return (pool for setting in settings.values() for pool in setting.pools)
