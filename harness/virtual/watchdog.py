"""Ends a process on the virtual clock that gets nowhere, and says who waits for what and what to do.

    nothing ready, no timer ──► DeadlockError of the loop     code that never comes back ──► seen here, by a signal
    polling without a pause ──► SpinError of the loop         time that crawls ──► seen here
    calls that survive the end ──► StuckError of the crew     threads, sleeps, sockets ──► refused by guard.py

It looks at the wall clock from a signal handler, so that it also sees code that never comes back to the loop. The
message's last line says everything in short: it is what the supervisor shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Coroutine
from types import FrameType
from typing import Any, NoReturn, TextIO

from greenlet import greenlet

from windtunnel.harness.virtual import guard
from windtunnel.harness.virtual.guard import INSTEAD, culprit, set_real_timer
from windtunnel.harness.virtual.loop import DeadlockError, SpinError, VirtualLoop
from windtunnel.harness.virtual.network.blocking import GreenletWake

LOOK_EVERY_S = 2.0
STUCK_S = 30.0
"""Seconds of real time in which virtual time does not move (then something spins, or blocks), or moves less than real
time does while nothing is sent (then somebody polls in tiny steps)."""

MOST_SHOWN = 20
MOST_IN_SHORT = 3
STUCK_EXIT = 3


class StuckError(RuntimeError):
    """Something on the virtual clock does not end. The message is whole: who, where, what to do."""


class Watchdog:
    """Looks every `look_s` real seconds whether the cell gets on, and gives up after `stuck_s` without.

    `also` is called on the loop after each look (to write progress).
    """

    def __init__(
        self,
        loop: VirtualLoop,
        *,
        out: TextIO | None = None,
        also: Callable[[], None] = lambda: None,
        look_s: float = LOOK_EVERY_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._loop = loop
        self._out = sys.stderr if out is None else out
        self._also = also
        self._look_s = look_s
        self._stuck_s = stuck_s
        self._seen_s = -1.0
        self._still_s = 0.0
        self._since_s, self._messages, self._idle_s = 0.0, -1, 0.0
        self._asked = False

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run `main` under watch. Ends the process if it gets stuck, or tries what cannot run on the clock."""
        loop = self._loop
        guard.on_refusal = lambda error: give_up(f"stuck: {error}", self._out)
        self.start()
        try:
            loop.run_until_complete(main)
        except StuckError as error:
            give_up(str(error), self._out)
        except DeadlockError as error:
            give_up(
                stuck(loop, f"{error} at {loop.time():.6f} s", "see to it that somebody wakes them"),
                self._out,
            )
        except SpinError as error:
            who = [spinner(handle) for handle in error.who] or [describe(task) for task in _all(loop)]
            give_up(told(f"somebody polls: {error}", "wait for an event, or pause", who), self._out)
        finally:
            self.stop()

    def start(self) -> None:
        """Begin to look. Only the main thread can."""
        signal.signal(signal.SIGALRM, self._look)
        set_real_timer(signal.ITIMER_REAL, self._look_s, self._look_s)

    def stop(self) -> None:
        set_real_timer(signal.ITIMER_REAL, 0.0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        """The signal's handler: only looks; what writes is done on the loop, between its callbacks."""
        now = self._loop.time()
        self._still_s = self._still_s + self._look_s if now == self._seen_s else 0.0
        self._seen_s = now
        if self._still_s >= self._stuck_s:
            where = culprit(traceback.extract_stack(frame))
            told = f"time stands still at {now:.6f} s: {where} runs or blocks without coming back to the loop"
            self._give_up(told, "let it await what it waits for")
        self._look_for_crawling(now)
        if not self._asked:
            self._asked = True
            self._loop.call_soon(self._do_also)

    def _look_for_crawling(self, now: float) -> None:
        messages = self._loop.network.messages
        if messages != self._messages:
            self._since_s, self._messages, self._idle_s = now, messages, 0.0
            return
        self._idle_s += self._look_s
        if self._idle_s >= self._stuck_s and now - self._since_s < self._idle_s:
            told = f"time crawls at {now:.6f} s and nothing is sent: somebody polls in tiny steps"
            self._give_up(told, "wait for an event, or in longer steps")

    def _do_also(self) -> None:
        self._asked = False
        self._also()

    def _give_up(self, reason: str, instead: str) -> NoReturn:
        give_up(stuck(self._loop, reason, instead), self._out)


async def within(seconds: float, tasks: Collection[asyncio.Task[Any]], reason: str, instead: str) -> None:
    """Wait until all tasks are over, however they end. Raises `StuckError` after `seconds`, naming those that go on."""
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=seconds)
    if pending:
        raise StuckError(
            told(
                f"{reason} for {seconds:.0f} virtual seconds",
                instead,
                [describe(task) for task in sorted(pending, key=hash)],
            )
        )


async def blocked(worker: greenlet, over: asyncio.Future[None]) -> None:
    """Wait for the end of a greenlet that has ignored its own; `describe` finds it here."""
    while not worker.dead:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(over)


def give_up(message: str, out: TextIO | None = None) -> NoReturn:
    """Print why, and end this process at once."""
    print(message, file=sys.stderr if out is None else out, flush=True)
    sys.stdout.flush()
    os._exit(STUCK_EXIT)


def _all(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    return sorted(asyncio.all_tasks(loop), key=hash)


def spinner(handle: asyncio.Handle) -> str:
    """Who is due again and again: a task, a greenlet that waits, or a function and where it stands."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # typeshed hides it
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return describe(owner)
    if isinstance(callback, GreenletWake) and (frame := callback.waiting.gr_frame) is not None:
        return f"a greenlet at {culprit(traceback.extract_stack(frame))}"
    while isinstance(callback, functools.partial):
        callback = callback.func
    name = getattr(callback, "__qualname__", repr(callback))
    code = getattr(callback, "__code__", None)
    host = getattr(owner, "_host_task", None)  # whom a cancel scope of anyio cancels
    whose = f", for {describe(host)}" if isinstance(host, asyncio.Task) else ""
    place = "" if code is None else f" at {code.co_filename}:{code.co_firstlineno}"
    return f"the callback {name}{place}{whose}"


def stuck(loop: asyncio.AbstractEventLoop, reason: str, instead: str) -> str:
    """Every task that waits and where; in the last line the reason, the first of them, and what to do."""
    return told(reason, instead, [describe(task) for task in _all(loop)])


def told(reason: str, instead: str, described: list[str]) -> str:
    """The same for some who are described."""
    lines = [f"waiting: {one}" for one in described[:MOST_SHOWN]]
    if len(described) > MOST_SHOWN:
        lines.append(f"… and {len(described) - MOST_SHOWN} tasks more")
    short = "; ".join(described[:MOST_IN_SHORT]) or "nobody"
    if len(described) > MOST_IN_SHORT:
        short += f" and {len(described) - MOST_IN_SHORT} more"
    lines.append(f"stuck: {reason}. Waiting: {short}. To do: {instead}, or {INSTEAD}")
    return "\n".join(lines)


def describe(task: asyncio.Task[Any]) -> str:
    """A task by its name, and the innermost place where it (or its greenlet) waits."""
    coroutine: Any = task.get_coro()
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    call = getattr(task, "call", "")
    whose = task.get_name() + ("" if not call or call in task.get_name() else f" of call {call}")
    return f"{whose} ({name}) at {waits_at(coroutine)}"


def waits_at(coroutine: Any) -> str:
    """The place in the code that awaits innermost, through all coroutines that wait for each other."""
    frames: list[traceback.FrameSummary] = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            frames.append(_summary(frame))
            worker = frame.f_locals.get("worker")
            if isinstance(worker, greenlet) and worker.gr_frame is not None:
                frames += traceback.extract_stack(worker.gr_frame)
        inner = getattr(coroutine, "cr_await", None)
        coroutine = inner if inner is not None else getattr(coroutine, "gi_yieldfrom", None)
    return culprit(frames)


def _summary(frame: FrameType) -> traceback.FrameSummary:
    code = frame.f_code
    return traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name, lookup_line=False)
