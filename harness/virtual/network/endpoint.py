"""One end of a connection in memory: delivery in order, a window, FIN and RST.

write ─► send buffer ─(window)─► link: delay + size / bandwidth, in order ─► receive buffer ─► data_received
              ▲                                                                    │
              └────────────────── acknowledged after the delay ◄───────────────────┘ once read
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from windtunnel.harness.virtual.network.sockets import Address, NamedSocket
from windtunnel.mock_server.transports.links.path import Direction, Path

if TYPE_CHECKING:
    from windtunnel.harness.virtual.network.network import Link, Network

SEGMENT = 65_536
"""Bytes that leave in one piece."""

WINDOW = 262_144
"""Bytes under way or unread in one direction before the sender has to wait."""

TICK = 1e-6
"""Seconds: the clock's resolution. Timers fall on whole ticks."""

HIGH_WATER = 65_536
"""Bytes in the send buffer at which a writer is told to pause: asyncio's own default."""


OTHER_END = "other_end"
"""Extra information: the `VirtualSocket` at the other end of the connection."""


class VirtualSocket(asyncio.Transport):
    """One end of a connection, as asyncio's transport."""

    def __init__(
        self,
        network: Network,
        link: Link,
        here: Address,
        there: Address,
        path: Path | None = None,
        direction: Direction = "up",
    ) -> None:
        self._socket = NamedSocket(here, there, self._is_readable)
        self._here, self._there = here, there
        self._link = link
        self._path = path
        self._direction: Direction = direction
        super().__init__({"socket": self._socket, "sockname": here, "peername": there})
        self._network = network
        self._loop = network.loop
        self.peer: VirtualSocket = self
        self.opaque = False
        """Whether it is noted that something is sent, and not what."""
        self._protocol: Any = None
        # sending
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._under_way: deque[tuple[float, int]] = deque()
        self._under_way_bytes = 0
        self._line_free_at = 0.0
        self._last_arrival = 0.0
        self._window_timer: asyncio.TimerHandle | None = None
        self._writer_paused = False
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._eof_queued = False
        self._fin_sent = False
        # receiving
        self._reading = True
        self._unread: deque[bytes] = deque()
        self._fin_received = False
        self._closing = False
        self._lost = False

    def _is_readable(self) -> bool:
        return bool(self._unread) or self._fin_received or self._lost

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # ---- asyncio.Transport

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._hand_over)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peer if name == OTHER_END else super().get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._unsent_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: Any) -> None:
        if not data or self._lost or self._eof_queued:
            return
        self._unsent.append(bytes(data))
        self._unsent_bytes += len(data)
        self._push()
        if self._unsent_bytes > self._high and not self._writer_paused:
            self._writer_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._eof_queued = True
        self._push()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._eof_queued = True
        self._push()

    def abort(self) -> None:
        if self._lost:
            return
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._socket.resets or not self._fin_sent:
            self._control("rst" if self._socket.resets else "fin")
            self._fin_sent = True
        self._lose(None)

    # ---- sending

    def _push(self) -> None:
        """Send what the window lets through."""
        loop = self._loop
        now = loop.time()
        acked = self._under_way
        while acked and acked[0][0] <= now:
            self._under_way_bytes -= acked.popleft()[1]
        while self._unsent and self._under_way_bytes < WINDOW:
            data = self._unsent.popleft()
            if len(data) > SEGMENT:
                self._unsent.appendleft(data[SEGMENT:])
                data = data[:SEGMENT]
            size = len(data)
            self._unsent_bytes -= size
            self._under_way_bytes += size
            arrives = self._arrival(now, size)
            self._network.sent(arrives, self._here, self._there, "data", b"" if self.opaque else data)
            loop.call_at(arrives, self.peer._data_arrived, data)
        if self._unsent:
            self._await_window()
        elif self._eof_queued and not self._fin_sent:
            self._fin_sent = True
            self._control("fin")
            if self._closing:
                loop.call_soon(self._lose, None)
        if self._writer_paused and self._unsent_bytes <= self._low:
            self._writer_paused = False
            self._protocol.resume_writing()

    def _await_window(self) -> None:
        if self._window_timer is None and self._under_way:
            self._window_timer = self._loop.call_at(self._under_way[0][0], self._window_opens)

    def _window_opens(self) -> None:
        self._window_timer = None
        if not self._lost:
            self._push()

    def _acknowledged(self, size: int) -> None:
        """The peer has read `size` bytes; that is known here after the delay."""
        self._under_way.append((self._loop.time() + self._way_back(), size))
        if self._unsent:
            self._await_window()

    def _control(self, kind: str) -> None:
        """Send a FIN or an RST, behind everything that was sent."""
        arrives = self._arrival(self._loop.time(), 0)
        self._network.sent(arrives, self._here, self._there, kind, b"")
        arrived: Callable[[], None] = self.peer._fin_arrived if kind == "fin" else self.peer._reset_arrived
        self._loop.call_at(arrives, arrived)

    def _arrival(self, at: float, size: int) -> float:
        """When what leaves at `at` arrives at the other end: in order, and not before the line is free."""
        link = self._link
        if self._path is not None:
            return self._path.arrives(self._direction, at, size)
        if link.bandwidth is not None and size:
            at = max(at, self._line_free_at) + size / link.bandwidth
            self._line_free_at = at
        late = link.delay if not link.jitter else link.delay + link.jitter * self._network.jitter()
        self._last_arrival = max(at + late, self._last_arrival)
        return self._last_arrival

    def _way_back(self) -> float:
        return self._link.delay if self._path is None else self._path.round_trip_s / 2

    # ---- receiving

    def _data_arrived(self, data: bytes) -> None:
        if self._lost or self._closing:
            if not self._socket.resets:
                # Nobody reads any more: the kernel answers with an RST.
                self._socket.resets = True
                self._control("rst")
            return
        self._unread.append(data)
        if self._reading:
            self._hand_over()

    def _fin_arrived(self) -> None:
        self._fin_received = True
        if self._reading and not self._unread:
            self._end_of_input()

    def _hand_over(self) -> None:
        while self._unread and self._reading and not self._lost:
            data = self._unread.popleft()
            self.peer._acknowledged(len(data))
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                _into_buffer(self._protocol, data)
            else:
                self._protocol.data_received(data)
        if self._fin_received and not self._unread and self._reading:
            self._end_of_input()

    def _end_of_input(self) -> None:
        if self._lost or self._closing:
            return
        if not self._protocol.eof_received():
            self.close()

    def _reset_arrived(self) -> None:
        self._lose(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._closing = True
        if self._window_timer is not None:
            self._window_timer.cancel()
            self._window_timer = None
        self._loop.call_soon(self._protocol.connection_lost, error)


def _into_buffer(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    view = memoryview(data)
    while view:
        buffer = protocol.get_buffer(len(view))
        size = min(memoryview(buffer).nbytes, len(view))
        memoryview(buffer)[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]
