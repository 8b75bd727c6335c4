"""What a server tells a client of their connection, between answers: GOAWAY, and settings that change.

A GOAWAY that lets answers go on is a frame made here: h2 takes its own for the end of the connection, and sends nothing
after it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from windtunnel.mock_server.script import Signal

MAX_STREAMS: Final = 100
"""Requests that one connection may carry at once: the least that RFC 9113 recommends (section 6.5.2)."""

WINDOW: Final = 2**20
"""Bytes of bodies that a client may send ahead, on a stream and on the connection."""


class Signals:
    """The limits that a client has been told. `limit`: requests at once; `last_stream`: the last one that is answered
    at all, None while there is no last one. `sent` is called when h2 has frames to write at another time than now."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, state: H2Connection, sent: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._sent = sent
        self._h2 = state
        self._timers: list[asyncio.TimerHandle] = []
        self._unacknowledged: deque[int] = deque([MAX_STREAMS])
        self._told = MAX_STREAMS
        self.limit = MAX_STREAMS
        self.last_stream: int | None = None

    def goaway(self, code: ErrorCodes) -> bytes:
        """Return the frame that makes the last request so far the last one of all."""
        self.last_stream = self._h2.highest_inbound_stream_id
        return GoAwayFrame(0, last_stream_id=self.last_stream, error_code=code).serialize()

    def one_stream(self, signal: Signal) -> None:
        """Allow one request at once, for the signal's seconds."""
        self._set_streams(1)
        self._later(signal.seconds, self._set_streams, MAX_STREAMS)

    def window_stall(self, signal: Signal) -> None:
        """Give new requests no window, for the signal's seconds."""
        self._set_window(0)
        self._later(signal.seconds, self._set_window, WINDOW)

    def acknowledged(self) -> None:
        """Enforce what the client has acknowledged: before that it may not know of it (RFC 9113, section 6.5.3)."""
        if self._unacknowledged:
            self.limit = self._unacknowledged.popleft()

    def stop(self) -> None:
        """Say nothing more: the connection is over."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _set_streams(self, most: int) -> None:
        self._told = most
        self._send({SettingCodes.MAX_CONCURRENT_STREAMS: most})

    def _set_window(self, size: int) -> None:
        self._send({SettingCodes.INITIAL_WINDOW_SIZE: size})

    def _send(self, settings: dict[SettingCodes | int, int]) -> None:
        self._h2.update_settings(settings)
        self._unacknowledged.append(self._told)

    def _later(self, seconds: float, change: Callable[[int], None], value: int) -> None:
        if seconds < math.inf:
            self._timers.append(self._loop.call_later(seconds, self._change, change, value))

    def _change(self, change: Callable[[int], None], value: int) -> None:
        change(value)
        self._sent()
