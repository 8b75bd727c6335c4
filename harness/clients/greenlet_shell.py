"""The blocking shell around `play`: waits in a greenlet, rings watchdogs by throwing into it. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from greenlet import GreenletExit, getcurrent

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import LiveCall
from windtunnel.harness.clients.outcome import cancelled, failure_of, overdue
from windtunnel.harness.clients.reading import Reading
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.clients.waiting import Alarm, Waiting
from windtunnel.harness.policies.call import CallEnding, Policies, Try, play
from windtunnel.harness.policies.clock import Now, jitter_draws
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Watch, WatchdogTimeout

Request: TypeAlias = Callable[[CallSpec, LiveCall, Reading], None]
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
            setting.profile, now=clock.now, wall=clock.wall, draw=jitter_draws(setting.seed)
        )

    def call(self, spec: CallSpec, *, waited: bool = False) -> None:
        """Make the call; it is recorded however it ends, also when its greenlet is killed."""
        live = LiveCall(self._setting, spec, waited=waited)
        self._book.calls[spec.call_id] = live
        alarm = (
            None if live.watch is None else _Alarm(live, live.watch, self._setting.clock.now, self._waiting)
        )
        outcome = cancelled(None)
        try:
            outcome = live.judge(self._drive(live))
        except WatchdogTimeout as error:
            outcome = overdue(error)
        except GreenletExit as error:
            outcome = cancelled(error)
            raise
        finally:
            if alarm is not None:
                alarm.stop()
            del self._book.calls[spec.call_id]
            live.ended(outcome)

    def _drive(self, live: LiveCall) -> CallEnding:
        steps = play(self._policies, live.call_id)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Try):
                    step = steps.send(self._try(live))
                else:
                    live.pause_began(limited=step.limited)
                    self._waiting.sleep(step.seconds)
                    live.pause_ended()
                    step = steps.send(None)
        except StopIteration as end:
            ending: CallEnding = end.value
            return ending

    def _try(self, live: LiveCall) -> Failure | None:
        reading = live.try_began()
        try:
            self._request(live.spec, live, reading)
            live.check(reading)
        except WatchdogTimeout as error:
            if error.layer == "total":
                raise
            return failure_of(error, opened=reading.opened)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its failure
            return failure_of(error, opened=reading.opened)
        finally:
            live.try_ended()
        return None


class _Alarm:
    """One timer for all watchdogs of a call: when it rings it asks whether anything is really due."""

    def __init__(self, live: LiveCall, watch: Watch, now: Now, waiting: Waiting) -> None:
        self._watch = watch
        self._now = now
        self._waiting = waiting
        self._greenlet = getcurrent()
        self._timer: Alarm | None = None
        live.rearm = self.arm
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
