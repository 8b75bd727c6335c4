"""The parent of a program that is not ours: it starts it, says how it ended, and leaves nothing of it behind.

`process.py` runs this file by itself (`python -I -S guard.py`), so it imports little, and nothing of ours. The program
knows nothing of it:

    windtunnel ──control──► guard ──► program ──► whatever that starts
               ◄──status───

Who loses its parent down there becomes a child of the guard (Linux: PR_SET_CHILD_SUBREAPER), a daemon too: so all can
be found, and ended. When `control` is closed, because windtunnel wants it or because it has died, all is killed.
Letters on `control`: `t` asks all processes to end (SIGTERM), `k` kills them.

Lines on `status` are JSON: `{"started": pid}` or `{"failed": errno}`; `{"ended": wait status, "left": pids}` when the
program itself is over; at last `{"cpu_s": …}`, of all together, when nothing is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.02
"""How often what is to be killed is looked for again: it may start others meanwhile."""

LINUX = sys.platform == "linux"


def descendants() -> list[int]:
    """Return the processes below this one that still run, parents before children; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    names = os.listdir("/proc") if LINUX else []  # noqa: PTH208  # pathlib takes longer to import than this to run
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123  # as above
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):  # it has just ended
                continue
            if state not in (b"Z", b"X"):
                children.setdefault(int(parent), []).append(int(name))
    found = [os.getpid()]
    for pid in found:  # it grows while it is read
        found += children.get(pid, [])
    return found[1:]


class Guard:
    """One program under guard; `run` returns when nothing of it is left."""

    def __init__(self, control: int, status: int) -> None:
        self._control = control
        self._status = status
        self._main = 0
        self._main_runs = False
        self._killing = False
        self._others = True

    def run(self, command: list[str]) -> None:
        """Start `command` and stay until all of its processes are gone."""
        prctl = ctypes.CDLL(None).prctl if LINUX else None
        if prctl is not None:
            prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        if not self._start(command, prctl):
            return
        # The program alone holds its standard streams, so that their end is seen.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        heard = [self._control, woken]
        while self._main_runs or self._others:
            ready, _, _ = select.select(heard, [], [], POLL_S if self._killing else None)
            if woken in ready:
                os.read(woken, 4096)
            if self._control in ready and not self._obey(os.read(self._control, 64)):
                heard.remove(self._control)
            if self._killing:
                self._send(signal.SIGKILL)
            self._reap()
        times = os.times()
        self._tell(cpu_s=times.children_user + times.children_system)

    def _start(self, command: list[str], prctl: object) -> bool:
        """Fork and execute `command` in a session of its own; whether that could be done."""
        failed, failing = os.pipe()  # closed by a successful exec
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                if callable(prctl):
                    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                signal.set_wakeup_fd(-1)
                # An ignored signal stays ignored in a program, and Python ignores these two.
                for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
                    signal.signal(number, signal.SIG_DFL)
                os.execvp(command[0], command)
            except OSError as error:
                os.write(failing, str(error.errno).encode())
            finally:
                os._exit(127)
        os.close(failing)
        reason = os.read(failed, 16)
        os.close(failed)
        if reason:
            self._tell(failed=int(reason))
            return False
        self._main, self._main_runs = pid, True
        self._tell(started=pid)
        return True

    def _obey(self, letters: bytes) -> bool:
        """Do what was asked on `control`; False when it is closed."""
        if not letters or b"k" in letters:
            self._killing = True
        elif b"t" in letters:
            self._send(signal.SIGTERM)
        return bool(letters)

    def _send(self, number: int) -> None:
        """Send a signal to every process below this one, the youngest generation last."""
        below = descendants()
        if not LINUX and self._main_runs:
            os.killpg(self._main, number)
        for pid in below:
            try:
                os.kill(pid, number)
            except OSError:  # it has just ended, or may not be signalled
                continue

    def _reap(self) -> None:
        """Collect every child that has ended, and tell how the program did."""
        while True:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = how = 0
                self._others = False
            if pid == 0:
                return
            if pid == self._main:
                self._main_runs = False
                self._tell(ended=how, left=descendants())

    def _tell(self, **line: object) -> None:
        try:
            os.write(self._status, json.dumps(line).encode() + b"\n")
        except OSError:  # whoever is not there any more misses it
            return


def main() -> None:
    """`guard.py CONTROL STATUS COMMAND…`: two descriptors, and what to run."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(control, False)
    os.set_inheritable(status, False)
    Guard(control, status).run(sys.argv[3:])


if __name__ == "__main__":
    main()
