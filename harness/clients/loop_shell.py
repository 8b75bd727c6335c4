"""The async shell around `play`: waits on the loop, rings watchdogs by cancelling the task. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveCall
from windtunnel.harness.clients.outcome import cancelled, failure_of, overdue
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.policies.call import CallEnding, Policies, Try, play
from windtunnel.harness.policies.clock import Now, jitter_draws
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Layer, Watch, WatchdogTimeout

Request: TypeAlias = Callable[[CallSpec, LiveCall, Reading], Awaitable[None]]
"""Makes one request and reads its answer into the `Reading`; raises what the client raises."""

EARLY_S = 0.001
"""A timer may ring this much before its time: uvloop's are whole milliseconds."""


class LoopShell:
    """Makes the calls of one instance; `request` is what its driver knows."""

    def __init__(self, setting: Setting, book: Book, request: Request) -> None:
        clock = setting.clock
        self._setting = setting
        self._book = book
        self._request = request
        self._policies = Policies.of(
            setting.profile, now=clock.now, wall=clock.wall, draw=jitter_draws(setting.seed)
        )

    async def call(self, spec: CallSpec, *, waited: bool = False) -> None:
        """Make the call; it is recorded however it ends, also when its task is cancelled."""
        live = LiveCall(self._setting, spec, waited=waited)
        self._book.calls[spec.call_id] = live
        alarm = None if live.watch is None else _Alarm(live, live.watch, self._setting.clock.now)
        outcome = cancelled(None)
        try:
            outcome = live.judge(await self._drive(live, alarm))
        except WatchdogTimeout as error:
            outcome = overdue(error)
        except asyncio.CancelledError as error:
            layer = None if alarm is None else alarm.rang()
            if layer is None:
                outcome = cancelled(error)
                raise
            outcome = overdue(WatchdogTimeout(layer))
        finally:
            if alarm is not None:
                alarm.stop()
            del self._book.calls[spec.call_id]
            live.ended(outcome)

    async def _drive(self, live: LiveCall, alarm: _Alarm | None) -> CallEnding:
        steps = play(self._policies, live.call_id)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Try):
                    step = steps.send(await self._try(live, alarm))
                else:
                    live.pause_began(limited=step.limited)
                    await asyncio.sleep(step.seconds)
                    live.pause_ended()
                    step = steps.send(None)
        except StopIteration as end:
            ending: CallEnding = end.value
            return ending

    async def _try(self, live: LiveCall, alarm: _Alarm | None) -> Failure | None:
        reading = live.try_began()
        try:
            await self._request(live.spec, live, reading)
            live.check(reading)
        except asyncio.CancelledError:
            layer = None if alarm is None else alarm.rang()
            if layer is None:
                raise
            late = WatchdogTimeout(layer)
            if layer == "total":
                raise late from None
            return failure_of(late, opened=reading.opened)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its failure
            return failure_of(error, opened=reading.opened)
        finally:
            live.try_ended()
        return None


class _Alarm:
    """One timer for all watchdogs of a call: when it rings it asks whether anything is really due."""

    def __init__(self, live: LiveCall, watch: Watch, now: Now) -> None:
        self._watch = watch
        self._now = now
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # a call is always made in a task
        self._task: asyncio.Task[object] = task
        self._timer: asyncio.TimerHandle | None = None
        self._rang: Layer | None = None
        live.rearm = self.arm
        self.arm()

    def arm(self) -> None:
        """Set the timer to when something is next due."""
        self.stop()
        left = self._watch.due()[0] - self._now()
        if left < float("inf"):
            self._timer = self._loop.call_later(max(0.0, left), self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rang(self) -> Layer | None:
        """The layer whose time was up, if that is why the task was cancelled; the cancelling is taken back."""
        layer, self._rang = self._rang, None
        if layer is None or self._task.uncancel() > 0:
            return None  # somebody else cancelled it as well
        return layer

    def _ring(self) -> None:
        due, layer = self._watch.due()
        if due - self._now() > EARLY_S:
            self.arm()
        else:
            self.stop()
            self._rang = layer
            self._task.cancel()
