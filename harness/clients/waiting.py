"""How a blocking call waits: in gevent's greenlets, or in those of a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event


class Alarm(Protocol):
    """A timer that was set."""

    def close(self) -> None:
        """Never ring."""


class Gate(Protocol):
    """What a greenlet waits at until another one, or an alarm, opens it."""

    def open(self) -> None:
        """Let whoever waits go on, now or later."""

    def wait(self) -> None:
        """Block the current greenlet until it is open."""


class Waiting(Protocol):
    """What the blocking shell needs of whoever switches its greenlets."""

    def sleep(self, seconds: float) -> None:
        """Block the current greenlet."""

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        """Call `ring` in `seconds`, outside of any call's greenlet."""

    def spawn(self, work: Callable[..., None]) -> Any:
        """Begin `work` soon, in a greenlet of its own."""

    def gate(self) -> Gate:
        """A gate that is closed."""


class GeventWaiting:
    """Real time, on gevent's hub."""

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Any:
        timer = gevent.get_hub().loop.timer(seconds)
        timer.start(ring)
        return timer

    def spawn(self, work: Callable[..., None]) -> Any:
        return gevent.spawn(work)

    def gate(self) -> Gate:
        return _GeventGate()


class _GeventGate:
    def __init__(self) -> None:
        self._event = Event()

    def open(self) -> None:
        self._event.set()

    def wait(self) -> None:
        self._event.wait()
