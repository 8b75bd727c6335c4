"""The instances of the application on the virtual clock, and how a call is given to one of them.

An async instance makes its call in a task, a blocking one in a greenlet; both begin when they are due. `concurrency`
is the number of workers of an instance: a call waits for a free one, and that wait counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from greenlet import GreenletExit, greenlet

from windtunnel.harness.clients import driver_of
from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.recording.pools import (
    SAMPLE_S,
    OpenConnections,
    Soak,
    open_connections,
)
from windtunnel.harness.load.inside import InsideWatch
from windtunnel.harness.load.places import take
from windtunnel.harness.virtual.draws import SeededRandom, current_call
from windtunnel.harness.virtual.network.blocking import Blocking
from windtunnel.harness.virtual.watchdog import blocked, within

WARM_UP_S = 600.0
"""Virtual seconds in which a warm-up call has to be over."""

GRACE_S = 60.0
"""Virtual seconds that a cancelled call may go on."""


class Crew:
    """All instances of a cell. `settings` are by number of the instance, and share a profile."""

    def __init__(
        self,
        settings: Mapping[int, Setting],
        concurrency: int | None,
        *,
        blocking: Blocking,
        draws: SeededRandom,
    ) -> None:
        first = next(iter(settings.values()))
        driver = driver_of(first.profile)
        self._greenlets = driver.kind == "greenlet"
        self._instances: dict[int, Any] = {i: driver.build(setting) for i, setting in settings.items()}
        self._places = {i: asyncio.Semaphore(concurrency) for i in settings} if concurrency else {}
        self._settings = settings
        self._now = first.clock.now
        self._pools = [setting.pools for setting in settings.values()]
        self._blocking = blocking
        self._draws = draws
        self._tasks: dict[asyncio.Task[None], str] = {}

    async def warm_up(self, specs: Mapping[int, CallSpec]) -> None:
        """One unrecorded call for each instance."""
        tasks = [
            asyncio.create_task(self._of(self._instances[i].warm_up, spec), name=f"warm-up of instance {i}")
            for i, spec in specs.items()
        ]
        await within(WARM_UP_S, tasks, "warm-up calls do not end", "give them a timeout")
        for task in tasks:
            if not task.cancelled():  # an application that cancels itself does so in its calls as well
                task.result()

    async def dispatch(
        self, calls: Iterable[tuple[int, CallSpec]], begun: Callable[[CallSpec], None]
    ) -> None:
        """Begin every call (with its instance) at its intended time; returns after the last one has begun."""
        for instance, spec in calls:
            while (left := spec.intended_s - self._now()) > 0:  # noqa: ASYNC110  # for a moment, not an event
                await asyncio.sleep(left)
            task = asyncio.create_task(self._call(instance, spec), name=f"call {spec.call_id}")
            self._tasks[task] = spec.call_id
            task.add_done_callback(self._over)
            begun(spec)

    def connections(self) -> OpenConnections:
        """What is open in the clients' pools; after `cancel`."""
        return open_connections(pool for pools in self._pools for pool in pools)

    async def sample(self, soak: Soak) -> None:
        """Look into the pools now and then, until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            soak.look((pool for pools in self._pools for pool in pools), self._now())

    def watched(self, soak: Soak, watch: InsideWatch) -> None:
        """Let `watch` note what the clients hold at this moment."""
        pools = [pool for pools in self._pools for pool in pools]
        lost = soak.look(pools, self._now())
        watch.look(tasks=len(asyncio.all_tasks()), streams=lost if pools else None)

    async def cancel(self) -> None:
        """End what still runs: those calls are recorded as unfinished. Raises `StuckError` if some go on."""
        for setting in self._settings.values():
            setting.end.at_s = self._now()
        running = list(self._tasks)
        for task in running:
            task.cancel()
        reason = "calls that were cancelled at the end of the cell go on"
        await within(GRACE_S, running, reason, "let CancelledError and GreenletExit through")

    async def close(self) -> None:
        for instance in self._instances.values():
            if self._greenlets:
                instance.close()
            else:
                await instance.close()

    def running(self) -> list[str]:
        """The ids of the calls that are under way, in the order in which they began."""
        return list(self._tasks.values())

    def _over(self, task: asyncio.Task[None]) -> None:
        self._draws.forget(self._tasks.pop(task))
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a call's driver failed", "exception": error, "task": task}
            )

    async def _call(self, instance: int, spec: CallSpec) -> None:
        call = self._instances[instance].call
        place = self._places.get(instance)
        if place is None:
            await self._of(call, spec)
            return
        waited = await take(place, self._settings[instance], spec)
        try:
            await self._of(call, spec, waited=waited)
        finally:
            place.release()

    async def _of(self, work: Callable[..., Any], spec: CallSpec, **keywords: Any) -> None:
        """Do `work` for a call: draws are the call's, and blocking work gets a greenlet."""
        current_call.set(spec.call_id)
        if self._greenlets:
            await self._in_greenlet(work, spec, keywords)
        else:
            await work(spec, **keywords)

    async def _in_greenlet(self, work: Callable[..., Any], spec: CallSpec, keywords: dict[str, Any]) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def run() -> None:
            current_call.set(spec.call_id)
            try:
                work(spec, **keywords)
            except GreenletExit:
                pass
            except Exception as error:  # noqa: BLE001  # raised where the call is awaited
                over.set_exception(error)
            finally:
                if not over.done():
                    over.set_result(None)

        worker: greenlet = self._blocking.spawn(run)
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            worker.throw(GreenletExit())
            if not worker.dead:
                await blocked(worker, over)
            raise
