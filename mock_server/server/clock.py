"""The time of a server: seconds from t0, which never run backwards, and timers at such times."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0


class ServerClock:
    """Seconds from t0, which is where the engines' zero lies.

    `monotonic` gives monotonic seconds, and `t0` is one of them (None: now). `unix_time` gives the Unix time; None
    has answers state a fixed time, for bytes that are equal in every run.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        monotonic: Callable[[], float],
        unix_time: Callable[[], float] | None,
        t0: float | None,
    ) -> None:
        self.monotonic = monotonic
        self._loop = loop
        self.unix_time = unix_time
        self.restart(t0)

    def restart(self, t0: float | None) -> None:
        """Begin anew at `t0`, monotonic seconds, which may lie ahead; None: now."""
        self.t0 = self.monotonic() if t0 is None else t0
        self._latest = -math.inf

    def now(self) -> float:
        """Return the seconds since t0. Never runs backwards, not even behind a time that `now_at_least` gave."""
        now = self.monotonic() - self.t0
        if now > self._latest:
            self._latest = now
            return now
        return self._latest

    def now_at_least(self, then: float) -> float:
        """Return now, or `then` if that is a moment ahead; time goes on from there.

        Timers tick in milliseconds and fire a little early. The engine must see what is due at the time it is due.
        """
        now = self.now()
        if then > now:
            self._latest = then
            return then
        return now

    def call_at(self, at: float, step: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        """Have `step` called at `at`, seconds from t0.

        Counted from t0, and not from when it is asked for: on the virtual clock the last digit of a time must not
        depend on how often a timer was set.
        """
        return self._loop.call_later(max(0.0, self.t0 + at - self.monotonic()), step, *args)

    def unix_t0(self) -> float:
        """Return the Unix time of t0, as answers state it."""
        return DEFAULT_UNIX_T0 if self.unix_time is None else self.unix_time() + self.t0 - self.monotonic()
