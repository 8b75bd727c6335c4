"""The async shell around the call machine: waits on the loop, rings watchdogs by cancelling a task. Decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveCall, LiveTry, answer_locally
from windtunnel.harness.clients.outcome import cancelled, failure_of, overdue
from windtunnel.harness.clients.race import Race
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.policies.call import Begin, CallEnding, Command, Done, Policies, Wake
from windtunnel.harness.policies.clock import Now, jitter_draws
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Layer, Watch, WatchdogTimeout

Request: TypeAlias = Callable[[CallSpec, LiveTry, Reading], Awaitable[None]]
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
            setting.profile,
            now=clock.now,
            wall=clock.wall,
            draw=jitter_draws(setting.seed),
            targets=setting.targets,
        )

    async def call(self, spec: CallSpec, *, waited: bool = False) -> None:
        """Make the call; it is recorded however it ends, also when its task is cancelled."""
        live = LiveCall(self._setting, spec, self._policies, waited=waited)
        alarm = None if live.watch is None else _Alarm(live.watch, self._setting.clock.now)
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
            for key in live.keys:
                self._book.calls.pop(key, None)
            live.ended(outcome)

    async def _drive(self, live: LiveCall, alarm: _Alarm | None) -> CallEnding:
        """Do one thing at a time, in the call's own task, until there are two of them."""
        commands = live.decided(live.machine.begin())
        while len(commands) == 1:
            command = commands[0]
            if isinstance(command, Begin):
                one = live.new_try(command, alone=True)
                commands = live.try_ended(command.number, await self._try(one, alarm))
            elif isinstance(command, Wake):
                live.pause_began(limited=command.limited)
                await asyncio.sleep(command.seconds)
                live.pause_ended()
                commands = live.decided(live.machine.woke())
            else:
                assert isinstance(command, Done)  # there is nothing to cancel
                return command.ending
        return await _Tasks(live, self._beside).run(commands)

    async def _beside(self, one: LiveTry) -> Failure | None:
        """Make a try in a task of its own."""
        alarm = None if one.watch is None else _Alarm(one.watch, self._setting.clock.now)
        try:
            return await self._try(one, alarm)
        finally:
            if alarm is not None:
                alarm.stop()

    async def _try(self, one: LiveTry, alarm: _Alarm | None) -> Failure | None:
        self._book.calls[one.key] = one
        if alarm is not None:
            one.rearm = alarm.arm
        reading = one.reading
        try:
            if one.target.local is None:
                await self._request(one.spec, one, reading)
            else:
                for seconds in answer_locally(one, one.target.local):
                    await asyncio.sleep(seconds)
            one.check()
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
            one.ended()
        return None


class _Tasks:
    """The tries of a race as tasks, and its timer on the loop."""

    def __init__(self, live: LiveCall, beside: Callable[[LiveTry], Awaitable[Failure | None]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._race = Race(live, self)
        self._beside = beside
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[CallEnding] = self._loop.create_future()
        self._cancelled: set[int] = set()

    async def run(self, commands: list[Command]) -> CallEnding:
        """Go on from these commands to the end of the call. What still runs then is cancelled, and waited for."""
        try:
            self._race.do(commands)
            return await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for number in self._tasks:
                self.cancel(number)
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def spawn(self, number: int, one: LiveTry) -> None:
        self._tasks[number] = self._loop.create_task(self._run(number, one))

    def cancel(self, number: int) -> None:
        self._cancelled.add(number)
        self._tasks[number].cancel()

    def alarm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._race.woke)

    def over(self, ending: CallEnding) -> None:
        if not self._over.done():
            self._over.set_result(ending)

    async def _run(self, number: int, one: LiveTry) -> None:
        try:
            self._race.ended(one, await self._beside(one))
        except asyncio.CancelledError:
            if number not in self._cancelled:
                self._over.cancel()  # the application has cancelled itself
            raise
        except BaseException as error:
            if not self._over.done():
                self._over.set_exception(error)
            raise


class _Alarm:
    """One timer for all watchdogs of a task: when it rings it asks whether anything is really due."""

    def __init__(self, watch: Watch, now: Now) -> None:
        self._watch = watch
        self._now = now
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # a call is always made in a task
        self._task: asyncio.Task[object] = task
        self._timer: asyncio.TimerHandle | None = None
        self._rang: Layer | None = None
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
