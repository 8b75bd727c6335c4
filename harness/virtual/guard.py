"""What cannot run on a clock that jumps raises at once, and says what to do: threads, blocking waits, real sockets.

    user code ──► threading.Thread.start, time.sleep, socket.connect, os.fork … ─► ForbiddenError: what, where, instead

Libraries swallow exceptions and try again; so the process of a cell also hears of the first one through
`on_refusal`, and ends with it.
"""

from __future__ import annotations

import _posixsubprocess
import _thread
import os
import signal
import socket
import subprocess
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from windtunnel.harness.environments.versions import installed_folders
from windtunnel.harness.virtual.replacing import Replacements

set_real_timer = signal.setitimer
"""For the watchdog alone, which looks at the wall clock."""

INSTEAD = "run it with --clock real"
REFUSED = " on the virtual clock, in "
"""What stands in every refusal, and by which the supervisor knows one."""

_HERE = str(Path(__file__).parent)
_HARNESS = str(Path(__file__).parents[1])
_RECORDING = str(Path(_HARNESS, "clients", "recording"))
"""Its wrappers stand between own code and what it does, threads too."""
_STANDARD = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")})
_INSTALLED = tuple(installed_folders())


class ForbiddenError(RuntimeError):
    """Something that cannot run on the virtual clock was tried."""


def _ignore(error: ForbiddenError) -> None:
    """Raising is enough."""


on_refusal: Callable[[ForbiddenError], None] = _ignore
"""Told of everything that is refused, before it is raised."""


instead_of_all = INSTEAD
"""What can always be done instead, where this process plays; a test has another way out than a cell."""


connect_instead = "connect through asyncio or socket.create_connection"
"""What can be done instead of using a real socket."""


def refuse(what: str, instead: str, *, place: str = "") -> NoReturn:
    """Raise `ForbiddenError`: `what` was tried, and what can be done `instead`. `place` is where, if that is known."""
    error = ForbiddenError(f"{what}{REFUSED}{place or culprit()}: {instead}, or {instead_of_all}")
    on_refusal(error)
    raise error


def culprit(stack: Iterable[traceback.FrameSummary] | None = None) -> str:
    """The place that did it: the innermost frame outside of this package and the standard library; if that is in an
    installed library, with the place in somebody's own code that called it."""
    frames = list(traceback.extract_stack() if stack is None else stack)
    outside = [frame for frame in reversed(frames) if not _is_plumbing(frame.filename)]
    if not outside:
        return "an unknown place"
    place = _place(outside[0])
    if outside[0].filename.startswith(_INSTALLED):
        own = [one for one in outside if not one.filename.startswith((*_INSTALLED, _HARNESS))]
        place += f", called from {_place(own[0])}" if own else ""
    return place


def _is_plumbing(file: str) -> bool:
    if file.startswith((_HERE, _RECORDING, "<frozen")):
        return True
    return file.startswith(_STANDARD) and not file.startswith(_INSTALLED)


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} ({frame.name})"


def forbid(replacements: Replacements) -> None:
    """From now on threads, blocking sleeps, processes and real connections raise `ForbiddenError` in this process,
    until the replacements are restored."""
    _forbid_threads(replacements)
    _forbid_sockets(replacements)
    _forbid_processes(replacements)
    _forbid_alarms(replacements)

    def sleep(seconds: float) -> None:
        refuse(f"time.sleep({seconds:g})", "await asyncio.sleep")

    replacements.put(time, "sleep", sleep)


def _forbid_threads(replacements: Replacements) -> None:
    alone = "everything runs on one loop: use an async client"

    def start(self: threading.Thread) -> None:
        refuse(f"thread {self.name!r} was started", alone)

    def start_new_thread(function: Any, *_: Any) -> None:
        refuse(f"thread {getattr(function, '__name__', function)!r} was started", alone)

    replacements.put_there(threading.Thread, "start", start)
    replacements.put_there(_thread, "start_new_thread", start_new_thread)


def _forbid_sockets(replacements: Replacements) -> None:
    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
    real_listen, real_sendto = socket.socket.listen, socket.socket.sendto

    def check(sock: socket.socket, doing: str) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            refuse(f"a real socket was to {doing}", connect_instead)

    def connect(self: socket.socket, address: Any) -> None:
        check(self, f"connect to {address!r}")
        real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        check(self, f"connect to {address!r}")
        return real_connect_ex(self, address)

    def listen(self: socket.socket, *backlog: int) -> None:
        check(self, "listen")
        real_listen(self, *backlog)

    def sendto(self: socket.socket, *args: Any) -> int:
        check(self, f"send to {args[-1]!r}")
        return real_sendto(self, *args)

    for function in (connect, connect_ex, listen, sendto):
        replacements.put_there(socket.socket, function.__name__, function)


def _forbid_processes(replacements: Replacements) -> None:
    alone = "nothing outside of this process follows its clock"

    class Process(subprocess.Popen[Any]):
        def __init__(self, args: Any, *_: Any, **__: Any) -> None:
            refuse(f"process {args!r} was started", alone)

        def __del__(self, *_: Any) -> None:
            """Nothing was started."""

    def forbidden(name: str) -> Callable[..., None]:
        def start(*_: Any, **__: Any) -> None:
            refuse(f"a process was started with {name}", alone)

        return start

    replacements.put_there(subprocess, "Popen", Process)
    for name in ("fork", "forkpty", "system", "posix_spawn", "posix_spawnp", "execv", "execve"):
        replacements.put_there(os, name, forbidden(f"os.{name}"))
    # `multiprocessing` starts its processes past `subprocess`.
    replacements.put_there(_posixsubprocess, "fork_exec", forbidden("multiprocessing"))


def _forbid_alarms(replacements: Replacements) -> None:
    def alarm(*_: Any) -> None:
        refuse("a signal was asked for after real time", "use a timeout of asyncio")

    replacements.put_there(signal, "alarm", alarm)
    replacements.put_there(signal, "setitimer", alarm)
