"""A program that is not ours: started, watched, ended with everything that it has started.

    async with await Program.start("service", ["node", "app.js"], cwd=folder, env=program_environment({})) as program:
        ended = await program.wait(60)  # None: it still runs
        ended = await program.end()     # politely, then for good
    program.record()                    # exit status, output, CPU, memory, descriptors, threads

A guard stands between us and the program (`guard.py`): when we end, however, it kills all that is left, what has made
itself a daemon too. `Child` in `children.py` is for processes of our own, which see to that themselves.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.run.children import END_GRACE_S
from windtunnel.harness.run.kept_output import KeptOutput
from windtunnel.harness.run.usage import MOST_SAMPLES, Usage, remote_peers, sockets_by_state, thinned, usage

SAMPLE_S = 1.0
START_TIMEOUT_S = 30.0
LINE_BYTES = 2**20
"""The longest line of a program that speaks (`asyncio.StreamReader`); a longer one raises `ValueError` there."""

OUTPUT_GRACE_S = 2.0
"""Seconds that the rest of the output is waited for when all processes have ended."""

_CHUNK = 65_536
_WHY = {
    errno.ENOENT: ("no such executable", "a program on the PATH, or its path"),
    errno.EACCES: ("a file that may not be executed", "an executable"),
    errno.ENOEXEC: ("a file in no format that can be executed", "a program, or a script that begins with #!"),
    errno.E2BIG: ("too many arguments", "fewer"),
}


def require_executable(name: str, program: str) -> None:
    """Raise the InputError that starting `program` would, as far as it is known before anything is started."""
    if shutil.which(program) is not None:
        return
    there = os.sep in program and Path(program).exists()
    found, expected = _WHY[errno.EACCES if there else errno.ENOENT]
    raise InputError(program or "''", path=name, found=found, expected=expected)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended: its exit `code`, or the `signal` that killed it; `at_s` is seconds since its start.

    `asked`: we had asked it to end. `left` processes of it still ran then: children, or the daemon that it became.
    """

    code: int | None
    signal: str | None
    at_s: float
    asked: bool
    left: int

    def words(self) -> str:
        """For a message: `exit code 1` or `killed by SIGKILL`."""
        how = f"killed by {self.signal}" if self.signal else f"exit code {self.code}"
        if not self.left:
            return how
        return f"{how}, with {self.left} {'process' if self.left == 1 else 'processes'} of it still running"


class Program:
    """A running program. `start` makes one, `wait` and `end` tell its `Ending`; use it as a context to be sure.

    `stdin` and `stdout` are there if it was started to speak; otherwise stdin is empty and stdout is kept.
    """

    def __init__(self, name: str, guard: asyncio.subprocess.Process, control: int) -> None:
        self.name = name
        self.pid = 0
        self.stdout_kept = KeptOutput()
        self.stderr_kept = KeptOutput()
        self.samples: list[Usage] = []
        self.ending: Ending | None = None
        self.cpu_s: float | None = None
        self._guard = guard
        self._control: int | None = control
        self._started = time.monotonic()
        self._asked = False
        self._started_or_not: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._gone = asyncio.Event()
        self._reading: list[asyncio.Task[None]] = []
        self._sampling: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        speaks: bool = False,
        sample_s: float | None = SAMPLE_S,
        line_bytes: int = LINE_BYTES,
    ) -> Program:
        """Start `command` with `env` as its whole environment (`program_environment` makes one).

        `speaks`: its stdin and stdout are pipes to the caller. `sample_s`: how often its usage is sampled, None: never.
        Raises `InputError` if it cannot be executed.
        """
        if not command:
            raise InputError(name, found="an empty command", expected="a program and its arguments")
        control_read, control = os.pipe()
        status, status_write = os.pipe()
        try:
            guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))),
                *(str(control_read), str(status_write), *command),
                stdin=asyncio.subprocess.PIPE if speaks else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(control_read, status_write),
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
                limit=line_bytes,
            )
        except BaseException:
            os.close(status)
            os.close(control)
            raise
        finally:
            os.close(control_read)
            os.close(status_write)
        program = cls(name, guard, control)
        try:
            await program._begin(command, status, speaks=speaks, sample_s=sample_s)
        except BaseException:
            await program.close()
            raise
        return program

    async def _begin(
        self, command: Sequence[str], status: int, *, speaks: bool, sample_s: float | None
    ) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(status, "rb", buffering=0)
        )
        self._reading.append(asyncio.create_task(self._follow(reader)))
        for stream, kept in (
            (None if speaks else self._guard.stdout, self.stdout_kept),
            (self._guard.stderr, self.stderr_kept),
        ):
            if stream is not None:
                self._reading.append(asyncio.create_task(_keep(stream, kept)))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                failed = await self._started_or_not
        except TimeoutError:
            raise MeasurementError(f"{self.name}: not started within {START_TIMEOUT_S:g} s") from None
        if failed:
            found, expected = _WHY.get(failed, (os.strerror(failed), "a program that can be started"))
            raise InputError(command[0], path=self.name, found=found, expected=expected)
        if sample_s is not None:
            self._sampling = asyncio.create_task(self._sample(sample_s))

    async def __aenter__(self) -> Program:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def running(self) -> bool:
        """Whether the program itself runs; processes that it has left behind do not count."""
        return self.ending is None

    @property
    def stdin(self) -> asyncio.StreamWriter:
        """What the program reads. Raises `ValueError` if it was not started to speak."""
        if self._guard.stdin is None:
            raise ValueError(f"'{self.name}' was not started to speak")
        return self._guard.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What the program writes. Raises `ValueError` if it was not started to speak."""
        if self._guard.stdin is None or self._guard.stdout is None:
            raise ValueError(f"'{self.name}' was not started to speak")
        return self._guard.stdout

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    async def wait(self, timeout_s: float | None = None) -> Ending | None:
        """How the program ended, as soon as it has; None if it still runs after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        return self.ending

    async def wait_all(self, timeout_s: float | None = None) -> bool:
        """Wait until no process of it is left; False if one still runs after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        return self._gone.is_set()

    async def end(self, grace_s: float = END_GRACE_S) -> Ending:
        """End the program and all processes below it: SIGTERM, and after `grace_s` SIGKILL."""
        self._asked = self._asked or self.running
        if not self._gone.is_set():
            self._say(b"t")
            await self.wait_all(grace_s)
        await self.close()
        assert self.ending is not None
        return self.ending

    def terminate(self) -> None:
        """Send SIGTERM to all of its processes, and wait for nothing."""
        self._asked = self._asked or self.running
        self._say(b"t")

    def kill(self) -> None:
        """Kill all of its processes, and wait for nothing."""
        self._asked = self._asked or self.running
        self._say(b"k")

    async def close(self) -> None:
        """Kill what is left, and keep the rest of the output."""
        self._asked = self._asked or self.running
        if self._control is not None:
            os.close(self._control)
            self._control = None
        await self._guard.wait()
        if self._sampling is not None:
            self._sampling.cancel()
            with suppress(asyncio.CancelledError):
                await self._sampling
        if self._reading:
            _, late = await asyncio.wait(self._reading, timeout=OUTPUT_GRACE_S)
            for task in late:  # the stream is held open by a process that is not ours to end
                task.cancel()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        if self.ending is None:  # the guard was killed, and the kernel has killed the program then
            self._over(signal.SIGKILL, [])
        self._gone.set()

    def peers(self) -> set[str]:
        """Where its processes have connections to, or try to, beyond loopback (`address:port`)."""
        try:
            return remote_peers(psutil.Process(self._guard.pid))
        except psutil.Error:
            return set()

    def look(self) -> tuple[Usage, dict[str, int]] | None:
        """What its processes use now, and their TCP sockets by state; None when nothing of it is left."""
        try:
            guard = psutil.Process(self._guard.pid)
        except psutil.Error:
            return None
        used = usage(guard, self.age_s)
        return None if used is None or not used.processes else (used, sockets_by_state(guard))

    def record(self) -> dict[str, Any]:
        """What is known of the program, as JSON can say it."""
        return {
            "name": self.name,
            "pid": self.pid,
            "ending": None if self.ending is None else asdict(self.ending),
            "lasted_s": self.age_s if self.ending is None else self.ending.at_s,
            "cpu_s": self.cpu_s
            if self.cpu_s is not None
            else max((s.cpu_s for s in self.samples), default=0.0),
            "most": {
                field: max((getattr(sample, field) for sample in self.samples), default=None)
                for field in ("rss_bytes", "descriptors", "threads", "processes")
            },
            "samples": [asdict(sample) for sample in self.samples],
            "stdout_bytes": self.stdout_kept.total,
            "stderr_bytes": self.stderr_kept.total,
        }

    def last_words(self) -> str:
        """The last line that it printed, on stderr if there is any."""
        return self.stderr_kept.last_line() or self.stdout_kept.last_line()

    def how_it_ended(self) -> str:
        """For a message: `exit code 1; its last words: …`."""
        how = "still running" if self.ending is None else self.ending.words()
        words = self.last_words()
        return f"{how}; its last words: {words}" if words else how

    def _say(self, letter: bytes) -> None:
        if self._control is not None:
            with suppress(BrokenPipeError):
                os.write(self._control, letter)

    async def _follow(self, status: asyncio.StreamReader) -> None:
        """Read what the guard says until it has nothing more to say."""
        while line := await status.readline():
            said = json.loads(line)
            if "started" in said:
                self.pid = said["started"]
                self._started = time.monotonic()
                self._started_or_not.set_result(0)
            elif "failed" in said:
                self._started_or_not.set_result(said["failed"])
            elif "ended" in said:
                self._over(said["ended"], said["left"])
            elif "cpu_s" in said:
                self.cpu_s = said["cpu_s"]
                self._gone.set()
        if not self._started_or_not.done():
            self._started_or_not.set_exception(
                MeasurementError(f"{self.name}: its guard ended before it started the program")
            )
        if self.ending is None:
            self._over(signal.SIGKILL, [])
        self._gone.set()

    def _over(self, status: int, left: Sequence[int]) -> None:
        if self.ending is None:
            code = os.waitstatus_to_exitcode(status)
            self.ending = Ending(
                code=code if code >= 0 else None,
                signal=signal.Signals(-code).name if code < 0 else None,
                at_s=self.age_s,
                asked=self._asked,
                left=len(left),
            )
        self._ended.set()

    async def _sample(self, every_s: float) -> None:
        """Sample the usage until nothing is left."""
        guard = psutil.Process(self._guard.pid)
        while not self._gone.is_set():
            sample = usage(guard, self.age_s)
            if sample is None:
                return
            if sample.processes:
                self.samples.append(sample)
            if len(self.samples) >= MOST_SAMPLES:
                self.samples = thinned(self.samples)
                every_s *= 2
            await self.wait_all(every_s)


async def _keep(stream: asyncio.StreamReader, kept: KeptOutput) -> None:
    while data := await stream.read(_CHUNK):
        kept.add(data)


def program_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `extra` over it: the program is used to it. Loopback goes through no proxy."""
    past = ",".join(
        filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost"))
    )
    return {**os.environ, "NO_PROXY": past, "no_proxy": past, "PYTHONUNBUFFERED": "1", **extra}
