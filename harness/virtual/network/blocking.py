"""Blocking code on the virtual clock: each call is a greenlet that switches to the loop where it would block.

SDK (sync) ─► socket.recv ─► wait_for(future) ─► switch to the loop's greenlet … its callback switches back
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from importlib import import_module
from typing import Any, Self

import greenlet

from windtunnel.harness.clients.http_library import pool_libraries
from windtunnel.harness.virtual.guard import refuse
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.blocking_socket import BlockingSocket, Pipe, SecuredSocket
from windtunnel.harness.virtual.network.secure import Securing
from windtunnel.harness.virtual.replacing import Replacements


class Blocking:
    """The loop as blocking code sees it. `home` is the greenlet that runs the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self._home = greenlet.getcurrent()

    def spawn(self, work: Callable[..., None], *args: Any) -> greenlet.greenlet:
        """Begin `work` in a greenlet of its own, in the loop's next round and in the present context."""
        one = greenlet.greenlet(work, parent=self._home)
        one.gr_context = copy_context()
        self.loop.call_soon(one.switch, *args)
        return one

    def gate(self) -> _Gate:
        """A gate that is closed, for greenlets to wait at."""
        return _Gate(self)

    def wait_for(self, future: asyncio.Future[Any], timeout: float | None = None) -> bool:
        """Block this greenlet until the future is done; False if that took longer than `timeout` seconds.

        Raises `ForbiddenError` outside of a call's greenlet, where waiting would stop the clock for ever.
        """
        here = greenlet.getcurrent()
        if here is self._home:
            refuse("a blocking wait", "await instead")
        if future.done():
            return True
        wake = GreenletWake(here)
        timer = None if timeout is None else self.loop.call_later(max(0.0, timeout), wake)
        future.add_done_callback(wake)
        try:
            self._home.switch()
        finally:
            wake.woken = True
            if timer is not None:
                timer.cancel()
            future.remove_done_callback(wake)
        return future.done()

    def sleep(self, seconds: float) -> None:
        """Block this greenlet for a time. Raises `ForbiddenError` outside of a call's greenlet."""
        if greenlet.getcurrent() is self._home:
            refuse(f"time.sleep({seconds:g})", "await asyncio.sleep")
        self.wait_for(self.loop.create_future(), seconds)

    def connect(
        self, address: tuple[str, int], timeout: Any = None, source_address: Any = None, **_: Any
    ) -> BlockingSocket:
        """`socket.create_connection`, on the virtual network."""
        loop = self.loop
        pipes: list[Pipe] = []

        def pipe() -> Pipe:
            pipes.append(Pipe(loop))
            return pipes[-1]

        host, port = address
        task = loop.create_task(loop.network.connect(pipe, host, port))
        limit = timeout if isinstance(timeout, int | float) else None
        if not self.wait_for(task, limit):
            task.cancel()
            raise TimeoutError("timed out")
        transport, _protocol = task.result()
        made = BlockingSocket(self, transport, pipes[0])
        made.settimeout(limit)
        return made

    def secure(
        self, sock: BlockingSocket, context: ssl.SSLContext, server_hostname: str | None
    ) -> SecuredSocket:
        """`SSLContext.wrap_socket`, for a connection of the virtual network. Raises what a handshake raises."""
        pipe, transport = Pipe(self.loop), sock.transport
        securing = Securing(self.loop, context, server_hostname or "", lambda: pipe)
        transport.set_protocol(securing.layer)
        securing.layer.connection_made(transport)
        if not self.wait_for(securing.made, sock.gettimeout()):
            securing.layer.abort()
            raise TimeoutError("The handshake operation timed out")
        securing.made.result()
        made = SecuredSocket(self, securing.layer, pipe)
        made.settimeout(sock.gettimeout())
        return made

    def alarm(self, seconds: float, ring: Callable[[], None]) -> _Alarm:
        """Call `ring` in `seconds`, on the loop."""
        return _Alarm(self.loop.call_later(seconds, ring))


class _Gate:
    """What a greenlet waits at until somebody opens it."""

    def __init__(self, blocking: Blocking) -> None:
        self._blocking = blocking
        self._opened: asyncio.Future[None] = blocking.loop.create_future()

    def open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def wait(self) -> None:
        self._blocking.wait_for(self._opened)


class GreenletWake:
    """Switches to a greenlet that waits, once. It can be asked who that is."""

    __slots__ = ("waiting", "woken")

    def __init__(self, waiting: greenlet.greenlet) -> None:
        self.waiting = waiting
        self.woken = False

    def __call__(self, *_: Any) -> None:
        if not self.woken:
            self.woken = True
            self.waiting.switch()


class _Alarm:
    """A timer that was set."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self._timer = timer

    def close(self) -> None:
        self._timer.cancel()


class VirtualEvent:
    """`threading.Event` for greenlets."""

    blocking: Blocking

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if self._set:
            return True
        waiter = self.blocking.loop.create_future()
        self._waiters.append(waiter)
        return self.blocking.wait_for(waiter, timeout) or self._set


class VirtualSemaphore:
    """The `Semaphore` of httpcore for greenlets: who waits for it switches to the loop, and is served in turn."""

    blocking: Blocking

    def __init__(self, bound: int) -> None:
        self._free = bound
        self._waiters: deque[asyncio.Future[None]] = deque()

    def acquire(self) -> None:
        if self.acquire_if_available():
            return
        waiter = self.blocking.loop.create_future()
        self._waiters.append(waiter)
        try:
            self.blocking.wait_for(waiter)
        except BaseException:  # its call was ended from outside: what it waited for is another's
            if waiter.done():
                self.release()
            else:
                self._waiters.remove(waiter)
            raise

    def acquire_if_available(self) -> bool:
        if self._free > 0:
            self._free -= 1
            return True
        return False

    def release(self) -> None:
        if self._waiters:
            self._waiters.popleft().set_result(None)
        else:
            self._free += 1


class VirtualLock(VirtualSemaphore):
    """The `Lock` of httpcore for greenlets. Who shares a connection of HTTP/2 waits for it while another reads."""

    def __init__(self) -> None:
        super().__init__(1)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take_over(blocking: Blocking) -> None:
    """Give blocking code in this process the virtual network, sleeps and events, and httpcore's pools their locks."""

    VirtualEvent.blocking = VirtualSemaphore.blocking = blocking
    replacements = Replacements()
    for library in pool_libraries():
        synchronization: Any = import_module(f"{library.__name__}._synchronization")
        replacements.put(synchronization, "Lock", VirtualLock)
        replacements.put(synchronization, "Semaphore", VirtualSemaphore)
    replacements.put(socket, "create_connection", blocking.connect)
    real_wrap = ssl.SSLContext.wrap_socket

    def wrap_socket(self: ssl.SSLContext, sock: Any, *args: Any, **how: Any) -> Any:
        if isinstance(sock, BlockingSocket):
            return blocking.secure(sock, self, how.get("server_hostname"))
        return real_wrap(self, sock, *args, **how)

    replacements.put_there(ssl.SSLContext, "wrap_socket", wrap_socket)
    replacements.put(threading, "Event", VirtualEvent)
    replacements.put(time, "sleep", blocking.sleep)
    replacements.spread()


def take_over_urllib3(blocking: Blocking) -> None:
    """Give urllib3, and so requests, the virtual network, if it is installed: it opens its sockets by itself."""
    try:
        from urllib3.util import connection
    except ImportError:
        return
    connection.create_connection = blocking.connect  # type: ignore[assignment]  # a socket as far as urllib3 uses it
