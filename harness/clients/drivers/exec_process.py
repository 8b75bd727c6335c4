"""One process of a program that makes calls: started, spoken to, watched, and ended with all that it has started.

Four greenlets go with it: one writes lines to it, one reads what it answers, one reads what it complains of, and one
waits for its end. Nothing here knows what a line means.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import gevent
from gevent import subprocess
from gevent.lock import Semaphore
from gevent.os import make_nonblocking, nb_read, nb_write
from gevent.queue import Queue

from windtunnel.harness.clients.drivers import exec_guard
from windtunnel.mock_server.server.end_with_parent import PARENT_PID, die_with_parent

CHUNK: Final = 65_536
END_GRACE_S: Final = 1.0
LAST_LINES: Final = 5
LINE_KEPT: Final = 300
MOST_SAID: Final = 200
"""Lines of what a program complains of that go into the load's log; all of them have been counted."""

LEFT_OUT: Final = (PARENT_PID, "GEVENT_RESOLVER")
"""Variables of a load process that say nothing to a program."""


class _Guard:
    """The one process that ends programs if this process is killed; started with the first of them."""

    def __init__(self) -> None:
        self._owner = 0
        self._process: Any = None
        self._writing = Semaphore()

    def tell(self, sign: str, group: int) -> None:
        with self._writing:
            if self._owner != os.getpid():  # a forked process has a guard of its own
                self._start()
            nb_write(self._process.stdin.fileno(), f"{sign}{group}\n".encode())

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(exec_guard.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        make_nonblocking(self._process.stdin.fileno())
        self._owner = os.getpid()


_GUARD = _Guard()


class ClientProcess:
    """A started program. `heard` gets what it writes, in pieces, and `over` is called once when it has ended."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str,
        variables: Mapping[str, str],
        name: str,
        heard: Callable[[bytes], None],
        over: Callable[[], None],
    ) -> None:
        """Start it. Raises OSError if it cannot be started."""
        inherited = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
        self._process: Any = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={**inherited, **variables},
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self._name = name
        self._heard = heard
        self._over = over
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._complaints = 0
        self._unsent: Queue[bytes] = Queue()
        self._over_and_told = False
        self.ending = False
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            make_nonblocking(pipe.fileno())
        _GUARD.tell("+", self._process.pid)
        self._writer = gevent.spawn(self._write)
        self._complainer = gevent.spawn(self._note_complaints)
        self._reader = gevent.spawn(self._read)

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        number: int = self._process.pid
        return number

    def send(self, line: bytes) -> None:
        """Write a line to it, as soon as it reads; returns at once."""
        self._unsent.put(line)

    def _write(self) -> None:
        fd = self._process.stdin.fileno()
        try:
            while True:
                left = memoryview(self._unsent.get())
                while left:
                    left = left[nb_write(fd, left) :]
        except OSError:
            return  # it reads no more: it is about to end, which the reader sees

    def _read(self) -> None:
        fd = self._process.stdout.fileno()
        try:
            while data := nb_read(fd, CHUNK):
                self._heard(data)
        except OSError:
            pass
        # It can say nothing any more: if it does not end now, it is ended.
        self._wait(END_GRACE_S)
        self.kill()
        self._complainer.join(END_GRACE_S)  # what it said last says why
        self._over()

    def _note_complaints(self) -> None:
        fd = self._process.stderr.fileno()
        rest = b""
        try:
            while data := nb_read(fd, CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._note(line)
                rest = rest[-CHUNK:]
        except OSError:
            pass
        self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line[: 4 * LINE_KEPT].decode(errors="replace").rstrip()[:LINE_KEPT]
        if not text:
            return
        self._said.append(text)
        self._complaints += 1
        if self._complaints <= MOST_SAID:
            self.say(text)
        elif self._complaints == MOST_SAID + 1:
            self.say("(its further lines are left out)")

    def say(self, text: str) -> None:
        """Write a line into the load's log, with its name in front."""
        print(f"{self._name}: {text}", file=sys.stderr, flush=True)

    def kill(self) -> None:
        """End it and its group for good; returns when it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # also what a dead leader left behind in its group
        self._wait(END_GRACE_S)
        if not self._over_and_told:
            self._over_and_told = True
            _GUARD.tell("-", self._process.pid)

    def end(self) -> None:
        """Close its stdin, by which it knows that there is no more to do; after a moment, kill its group."""
        self.ending = True
        self._writer.kill()
        self._process.stdin.close()
        self._wait(END_GRACE_S)
        self.kill()
        gevent.joinall([self._reader, self._complainer], timeout=END_GRACE_S)
        gevent.killall([self._reader, self._complainer])
        for pipe in (self._process.stdout, self._process.stderr):
            pipe.close()

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def how_it_ended(self) -> str:
        """For a message: `exit status 3`, or the signal, with its last words on stderr."""
        code = self._process.returncode
        if code is None:
            ending = "it still runs"
        elif code < 0:
            ending = f"killed by {signal.Signals(-code).name}"
        else:
            ending = f"exit status {code}"
        return f"{ending}; last on stderr: {' | '.join(self._said)}" if self._said else ending


def folder_of(path: str) -> str:
    """A folder to run in: `path`, or this one if it is not there any more."""
    return path if Path(path).is_dir() else str(Path.cwd())
