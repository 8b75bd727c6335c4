"""An event loop whose clock jumps: when nothing is ready, it is the time of the next timer.

    ready callbacks ──► run them at the same moment
    nothing ready   ──► the clock jumps to the next timer
    no timer either ──► nobody will ever do anything again: a deadlock, and it is said who waits

Sockets are those of an in-memory network. Executors run inline, since threads would race with a clock that jumps.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import Context
from heapq import heapify, heappop, heappush
from math import ceil, inf
from ssl import create_default_context
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from windtunnel.harness.virtual.guard import refuse
from windtunnel.harness.virtual.network.endpoint import TICK
from windtunnel.harness.virtual.network.network import Network, NewPath, VirtualListener
from windtunnel.harness.virtual.network.raw_sockets import Dialled
from windtunnel.harness.virtual.network.secure import Securing
from windtunnel.harness.virtual.timers import Scheduled, Timer

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

IDLE_PASSES = 500_000
"""Passes at one moment after which somebody is polling, and will go on for ever: no pass brings the next moment."""

NO_PROCESSES = "nothing outside of this process follows its clock"
NO_DESCRIPTORS = "use connections of asyncio, which are in memory here"

MANY_TIMERS = 100
"""From so many timers on, cancelled ones are thrown away as soon as they are more than half."""


class DeadlockError(RuntimeError):
    """Nothing is ready and no timer is set: what still waits will wait for ever."""


class SpinError(RuntimeError):
    """Callbacks run without end, and never leave the clock a chance to jump. `who` are those that are due again."""

    def __init__(self, message: str, who: Sequence[asyncio.Handle]) -> None:
        super().__init__(message)
        self.who = who


def tick_from(moment: float) -> float:
    """The first whole microsecond that is not before `moment`; never, if that is infinite."""
    if moment == inf:
        return inf
    ticks = ceil(moment * 1e6)
    # The product was rounded, and may be on the wrong side of a whole number.
    if (ticks - 1) / 1e6 >= moment:
        return (ticks - 1) / 1e6
    return ticks / 1e6 if ticks / 1e6 >= moment else (ticks + 1) / 1e6


def _nobody(seconds: float) -> None:
    """Follow the loop's time with nothing."""


class VirtualLoop(base_events.BaseEventLoop):
    """An asyncio loop on virtual time, in seconds from 0."""

    def __init__(self, *, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._scheduled: list[Scheduled] = []
        self._timer_cancelled_count = 0
        self._numbers = 0
        self._passes = 0
        self.network = Network(self)
        self._dialled = Dialled(self.network)
        self.jumps = 0
        self.moved: Callable[[float], object] = _nobody
        """Told of every jump, in seconds, for clocks that follow."""

    # ---- time

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        """One pass: move the clock if nothing is ready, then run everything that is due."""
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # typeshed hides it
        scheduled = self._drop_cancelled()
        if ready or self._stopping:  # type: ignore[attr-defined]  # typeshed hides it
            self._pass_by()
        elif scheduled and scheduled[0][0] < inf:
            self._jump(scheduled[0][0])
        else:
            raise DeadlockError("nothing is ready and no timer is set")
        while scheduled and scheduled[0][0] <= self._now:
            timer = heappop(scheduled)[2]
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _drop_cancelled(self) -> list[Scheduled]:
        """The timers, without cancelled ones at their head; without any where most of them are cancelled."""
        scheduled = self._scheduled
        if len(scheduled) > MANY_TIMERS and self._timer_cancelled_count * 2 > len(scheduled):
            for _, _, timer in scheduled:
                timer._scheduled = not timer._cancelled
            self._scheduled = scheduled = [one for one in scheduled if one[2]._scheduled]
            heapify(scheduled)
            self._timer_cancelled_count = 0
        while scheduled and scheduled[0][2]._cancelled:
            heappop(scheduled)[2]._scheduled = False
            self._timer_cancelled_count -= 1
        return scheduled

    def _jump(self, when: float) -> None:
        """Nothing is ready: it is the time of the next timer."""
        if when <= self._now:
            self._pass_by()
            return
        self.moved(when - self._now)
        self._now = when
        self._passes = 0
        self.jumps += 1

    def _pass_by(self) -> None:
        """A pass at the same moment. Raises SpinError after too many of them.

        Time is never moved on to help who polls: the calls of everybody else would be late, and nobody would know.
        """
        self._passes += 1
        if self._passes > IDLE_PASSES and not self._stopping:  # type: ignore[attr-defined]  # typeshed hides it
            due = [timer for when, _, timer in sorted(self._scheduled) if when <= self._now]
            ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # typeshed hides it
            who = [one for one in (*ready, *due) if not one._cancelled]
            self._passes = 0
            raise SpinError(f"{IDLE_PASSES} passes at {self._now:.6f} s without a pause", who)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """A positive delay takes at least a tick, so that who waits for a moment always gets there."""
        when = self._now + (max(delay, TICK) if delay > 0.0 else 0.0)
        return self.call_at(when, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Timers fall on whole microseconds, and never before what was asked, not even by a float's last digit.

        Who finds on the timer's ring that it is not yet time (anyio does so) sets it anew, for the same moment.
        """
        self._numbers = number = self._numbers + 1
        when = tick_from(when)
        timer = Timer(when, callback, args, self, context)
        heappush(self._scheduled, (when, number, timer))
        return timer

    # ---- the network

    async def create_connection(  # type: ignore[override]  # its overloads are one here
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: str | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        if ssl:
            there = (str(host), int(port or 0)) if sock is None else self._dialled.address_of(sock)
            if not self.network.is_secured(there):
                refuse(
                    f"TLS with {there[0]}:{there[1]}", "use http:// and the base URL that the call is given"
                )
            context = create_default_context() if ssl is True else ssl
            securing = Securing(self, context, server_hostname or str(host), protocol_factory)
            await self.create_connection(lambda: securing.layer, host, port, sock=sock)
            return await securing.wait()
        if sock is not None:
            return self._dialled.take(protocol_factory, sock)
        if host is None or port is None:
            raise NotImplementedError("real sockets do not run on the virtual clock")
        return await self.network.connect(protocol_factory, host, port)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """The socket stays as it is: its connection waits for `create_connection(sock=sock)`."""
        await self._dialled.connect(sock, address)

    async def create_server(  # type: ignore[override]  # its overloads are one here
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        path: NewPath | None = None,
        secured: bool = False,
        **_: Any,
    ) -> VirtualListener:
        listener = self.network.listen(protocol_factory, host or "127.0.0.1", port or 0, path=path)
        listener.secured = secured
        return listener

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (name, int(port or 0)))]

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it raises belongs to who asked
            future.set_exception(error)
        return future

    # ---- what has no counterpart in memory, and would race with a clock that jumps

    async def subprocess_exec(self, protocol_factory: Any, program: Any, *args: Any, **_: Any) -> NoReturn:
        refuse(f"process {[program, *args]!r} was started", NO_PROCESSES)

    async def subprocess_shell(self, protocol_factory: Any, cmd: Any, **_: Any) -> NoReturn:
        refuse(f"process {cmd!r} was started", NO_PROCESSES)

    async def start_tls(self, *_: Any, **__: Any) -> NoReturn:
        refuse("TLS on a connection", "use http:// and the base URL that the call is given")

    async def create_datagram_endpoint(self, *_: Any, **__: Any) -> NoReturn:
        refuse("a datagram socket was opened", NO_DESCRIPTORS)

    async def create_unix_connection(self, *_: Any, **__: Any) -> NoReturn:
        refuse("a Unix socket was to connect", NO_DESCRIPTORS)

    async def create_unix_server(self, *_: Any, **__: Any) -> NoReturn:
        refuse("a Unix socket was to listen", NO_DESCRIPTORS)

    async def connect_read_pipe(self, *_: Any, **__: Any) -> NoReturn:
        refuse("a pipe was to be read", NO_DESCRIPTORS)

    async def connect_write_pipe(self, *_: Any, **__: Any) -> NoReturn:
        refuse("a pipe was to be written", NO_DESCRIPTORS)

    def add_reader(self, fd: Any, *_: Any) -> NoReturn:  # type: ignore[override]  # refused anyway
        refuse(f"descriptor {fd!r} was to be watched", NO_DESCRIPTORS)

    def add_writer(self, fd: Any, *_: Any) -> NoReturn:  # type: ignore[override]  # refused anyway
        refuse(f"descriptor {fd!r} was to be watched", NO_DESCRIPTORS)

    # ---- what a BaseEventLoop expects of a real one

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: the network's events are timers."""

    def _write_to_self(self) -> None:
        """Nobody else has a thread from which to wake the loop."""

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)
