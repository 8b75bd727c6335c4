"""One asyncio loop per process, in a native thread: Locust's gevent patches stay out of it.

`asyncio.run` in several greenlets fails, and a patched thread would be a greenlet of the hub. The loop is uvloop, whose
sockets and timers gevent cannot patch.
"""

from __future__ import annotations

import asyncio
import math
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import gevent
import uvloop
from gevent import monkey

from windtunnel.harness.clients.hosts import Hosts
from windtunnel.harness.load.dialling import DiallingLoop

T = TypeVar("T")
SWITCH_INTERVAL_S = 0.0005
POLL_S = 0.02


class InlineExecutor(ThreadPoolExecutor):
    """Runs what it gets at once, on the loop itself.

    What arrives here (through `asyncio.to_thread`) is the SDK looking up its platform once; a pool of patched
    threads would wait for a hub that this thread does not have. uvloop insists on the base class.
    """

    def submit(self, fn: Callable[..., T], /, *arguments: Any, **keywords: Any) -> Future[T]:
        """Run `fn` and give its result as a future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*arguments, **keywords))
        except Exception as error:  # noqa: BLE001  # whatever it raises belongs to the future
            future.set_exception(error)
        return future


class LoopThread:
    """The loop and its thread; coroutines are handed over from the hub's thread."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        """With `hosts` the loop looks up and dials by them."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)  # the hub must not wait 5 ms for the loop's thread to let go
        platform.platform()  # kept by the module: it starts a process, which only the hub's thread can do here
        self.loop = uvloop.Loop() if hosts is None else DiallingLoop()
        if isinstance(self.loop, DiallingLoop) and hosts is not None:
            self.loop.hosts = hosts
        self.loop.set_default_executor(InlineExecutor())
        start_new_thread = monkey.get_original("_thread", "start_new_thread")
        start_new_thread(self._run, ())

    def _run(self) -> None:
        self.loop.run_forever()

    def wait_for(self, work: Coroutine[Any, Any, T], timeout_s: float = math.inf) -> T:
        """Run a coroutine on the loop while this greenlet waits. Raises `TimeoutError` if it takes longer."""
        done: list[asyncio.Task[T]] = []
        self.loop.call_soon_threadsafe(lambda: done.append(self.loop.create_task(work)))
        deadline = time.monotonic() + timeout_s
        while not done or not done[0].done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing after {timeout_s:g} s")
            gevent.sleep(POLL_S)
        return done[0].result()

    def stop(self) -> None:
        """End the loop; its thread ends with it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
