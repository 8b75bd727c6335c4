"""The blocking shell around the call machine: waits in a greenlet, rings watchdogs by throwing into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from greenlet import GreenletExit, getcurrent, greenlet

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveCall, LiveTry, answer_locally
from windtunnel.harness.clients.outcome import cancelled, failure_of, overdue
from windtunnel.harness.clients.race import Race
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.clients.waiting import Alarm, Waiting
from windtunnel.harness.policies.call import Begin, CallEnding, Command, Done, Policies, Wake
from windtunnel.harness.policies.clock import Now, jitter_draws
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Watch, WatchdogTimeout

Request: TypeAlias = Callable[[CallSpec, LiveTry, Reading], None]
"""Makes one request and reads its answer into the `Reading`; raises what the client raises."""

EARLY_S = 0.001
"""A timer may ring this much before its time: gevent counts from the start of the hub's round."""


class GreenletShell:
    """Makes the calls of one instance; `request` is what its driver knows."""

    def __init__(self, setting: Setting, book: Book, request: Request) -> None:
        clock = setting.clock
        self._setting = setting
        self._book = book
        self._request = request
        self._waiting = setting.waiting
        self._policies = Policies.of(
            setting.profile,
            now=clock.now,
            wall=clock.wall,
            draw=jitter_draws(setting.seed),
            targets=setting.targets,
        )

    def call(self, spec: CallSpec, *, waited: bool = False) -> None:
        """Make the call; it is recorded however it ends, also when its greenlet is killed."""
        live = LiveCall(self._setting, spec, self._policies, waited=waited)
        alarm = self._alarm(live.watch)
        outcome = cancelled(None)
        try:
            outcome = live.judge(self._drive(live, alarm))
        except WatchdogTimeout as error:
            outcome = overdue(error)
        except GreenletExit as error:
            outcome = cancelled(error)
            raise
        finally:
            if alarm is not None:
                alarm.stop()
            for key in live.keys:
                self._book.calls.pop(key, None)
            live.ended(outcome)

    def _alarm(self, watch: Watch | None) -> _Alarm | None:
        return None if watch is None else _Alarm(watch, self._setting.clock.now, self._waiting)

    def _drive(self, live: LiveCall, alarm: _Alarm | None) -> CallEnding:
        """Do one thing at a time, in the call's own greenlet, until there are two of them."""
        commands = live.decided(live.machine.begin())
        while len(commands) == 1:
            command = commands[0]
            if isinstance(command, Begin):
                one = live.new_try(command, alone=True)
                commands = live.try_ended(command.number, self._try(one, alarm))
            elif isinstance(command, Wake):
                live.pause_began(limited=command.limited)
                self._waiting.sleep(command.seconds)
                live.pause_ended()
                commands = live.decided(live.machine.woke())
            else:
                assert isinstance(command, Done)  # there is nothing to cancel
                return command.ending
        return _Greenlets(live, self._beside, self._waiting).run(commands)

    def _beside(self, one: LiveTry) -> Failure | None:
        """Make a try in a greenlet of its own."""
        alarm = self._alarm(one.watch)
        try:
            return self._try(one, alarm)
        finally:
            if alarm is not None:
                alarm.stop()

    def _try(self, one: LiveTry, alarm: _Alarm | None) -> Failure | None:
        self._book.calls[one.key] = one
        if alarm is not None:
            one.rearm = alarm.arm
        reading = one.reading
        try:
            if one.target.local is None:
                self._request(one.spec, one, reading)
            else:
                for seconds in answer_locally(one, one.target.local):
                    self._waiting.sleep(seconds)
            one.check()
        except WatchdogTimeout as error:
            if error.layer == "total":
                raise
            return failure_of(error, opened=reading.opened)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its failure
            return failure_of(error, opened=reading.opened)
        finally:
            one.ended()
        return None


class _Greenlets:
    """The tries of a race as greenlets, and its timer."""

    def __init__(self, live: LiveCall, beside: Callable[[LiveTry], Failure | None], waiting: Waiting) -> None:
        self._race = Race(live, self)
        self._beside = beside
        self._waiting = waiting
        self._running: dict[int, greenlet] = {}
        self._cancelled: set[int] = set()
        self._timer: Alarm | None = None
        self._changed = waiting.gate()
        self._ending: CallEnding | None = None
        self._error: BaseException | None = None

    def run(self, commands: list[Command]) -> CallEnding:
        """Go on from these commands to the end of the call. What still runs then is cancelled, and waited for."""
        try:
            self._race.do(commands)
            while self._ending is None and self._error is None:
                self._wait()
        finally:
            if self._timer is not None:
                self._timer.close()
            for number in list(self._running):
                self.cancel(number)
            while self._running:
                self._wait()
        if self._ending is None:
            assert self._error is not None  # one of them ends the wait
            raise self._error
        return self._ending

    def _wait(self) -> None:
        """Wait until something has changed."""
        self._changed.wait()
        self._changed = self._waiting.gate()

    def spawn(self, number: int, one: LiveTry) -> None:
        self._running[number] = self._waiting.spawn(partial(self._run, number, one))

    def cancel(self, number: int) -> None:
        if number not in self._cancelled and number in self._running:
            self._cancelled.add(number)
            # From outside of any greenlet: who is thrown into does not come back to who throws.
            self._waiting.alarm(0.0, partial(self._throw, number))

    def _throw(self, number: int) -> None:
        running = self._running.get(number)
        if running is not None:
            running.throw(GreenletExit())

    def alarm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = self._waiting.alarm(seconds, self._race.woke)

    def over(self, ending: CallEnding) -> None:
        self._ending = self._ending or ending
        self._changed.open()

    def _run(self, number: int, one: LiveTry) -> None:
        try:
            if number not in self._cancelled:
                self._race.ended(one, self._beside(one))
        except GreenletExit as error:
            if number not in self._cancelled:
                self._error = error  # the application has cancelled itself
        except BaseException as error:  # noqa: BLE001  # raised where the call is waited for
            self._error = error
        finally:
            del self._running[number]
            self._changed.open()


class _Alarm:
    """One timer for all watchdogs of a greenlet: when it rings it asks whether anything is really due."""

    def __init__(self, watch: Watch, now: Now, waiting: Waiting) -> None:
        self._watch = watch
        self._now = now
        self._waiting = waiting
        self._greenlet = getcurrent()
        self._timer: Alarm | None = None
        self.arm()

    def arm(self) -> None:
        """Set the timer to when something is next due."""
        self.stop()
        left = self._watch.due()[0] - self._now()
        if left < float("inf"):
            self._timer = self._waiting.alarm(max(0.0, left), self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _ring(self) -> None:
        due, layer = self._watch.due()
        if due - self._now() > EARLY_S:
            self.arm()
        else:
            self.stop()
            self._greenlet.throw(WatchdogTimeout(layer))
