"""How a blocking call waits: in gevent's greenlets, or in those of a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gevent


class Alarm(Protocol):
    """A timer that was set."""

    def close(self) -> None:
        """Never ring."""


class Waiting(Protocol):
    """What the blocking shell needs of whoever switches its greenlets."""

    def sleep(self, seconds: float) -> None:
        """Block the current greenlet."""

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        """Call `ring` in `seconds`, outside of any call's greenlet."""


class GeventWaiting:
    """Real time, on gevent's hub."""

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Any:
        timer = gevent.get_hub().loop.timer(seconds)
        timer.start(ring)
        return timer
