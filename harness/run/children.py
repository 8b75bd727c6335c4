"""Child processes of a run: how they are started, told to end, and ended.

Every child leads a process group of its own (so a Ctrl-C in the terminal reaches only the supervisor, which
decides), and ends when its parent does: mock and load ask the kernel for it as their first act.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from windtunnel.harness.errors import InputError, MeasurementError

END_GRACE_S = 5.0
LOG_TAIL_BYTES = 4096

STEERING_PREFIXES = ("OPENAI_", "AZURE_OPENAI_", "HTTPX_", "HTTPX2_", "HTTPCORE_", "AIOHTTP_")
"""Of variables that the clients' libraries read, or may: organisation, project, base URL, logs, parsers."""

STEERING = {
    "CURL_CA_BUNDLE",
    "NETRC",
    "REQUESTS_CA_BUNDLE",
    "SSLKEYLOGFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
}


class Child:
    """A started process, its name for messages and its log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @classmethod
    async def spawn(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        capture_stdout: bool = False,
        env: Mapping[str, str] | None = None,
        own_code: bool = False,
    ) -> Child:
        """Start `command`. What it prints goes to `log`, but for its stdout if `capture_stdout`.

        `own_code`: code of the user's own runs there, and finds the variables of `callers_variables`.

        Raises `InputError` if the executable does not exist.
        """
        with log.open("ab") as stream:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE if capture_stdout else stream,
                    stderr=stream,
                    cwd=cwd,
                    env=environment(env or {}, own_code=own_code),
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise InputError(
                    command[0], path=name, found="no such executable", expected="an executable file"
                ) from error
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def first_line(self, timeout_s: float) -> str:
        """The first line on stdout; empty if the child ended or said nothing within `timeout_s`."""
        if self.process.stdout is None:
            raise ValueError(f"the child '{self.name}' was not started to speak")
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout_s)
        except TimeoutError:
            return ""
        return line.decode(errors="replace").strip()

    async def announcement(self, timeout_s: float) -> dict[str, Any]:
        """The JSON object that a server prints as its first line: its addresses.

        Raises `MeasurementError` if it ended or printed nothing within `timeout_s`; it is the caller's to end.
        """
        line = await self.first_line(timeout_s)
        if not line:
            await self.wait(1.0)  # one that is about to end has its exit code then
            raise MeasurementError(f"the {self.name} did not start ({self.how_it_ended()})")
        announced: dict[str, Any] = json.loads(line)
        return announced

    async def wait(self, timeout_s: float) -> int | None:
        """The exit code once the child has ended, or None if it still runs after `timeout_s`."""
        try:
            return await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            return None

    async def end(self, grace_s: float = END_GRACE_S) -> int | None:
        """End the child and its group: politely, and after `grace_s` for good."""
        if self.running:
            self._signal(signal.SIGTERM)
            await self.wait(grace_s)
        self._signal(signal.SIGKILL)  # also what a dead leader left behind in its group
        return await self.wait(grace_s)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def how_it_ended(self) -> str:
        """For a message: `killed by SIGKILL` or `exit code 1`, with the last line of its log."""
        code = self.process.returncode
        if code is None:
            ending = "still running"
        elif code < 0:
            ending = f"killed by {signal.Signals(-code).name}"
        else:
            ending = f"exit code {code}"
        last = last_line(self.log)
        return f"{ending}; its last words: {last}" if last else ending


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, or ''."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - LOG_TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def environment(extra: Mapping[str, str], *, own_code: bool = False) -> dict[str, str]:
    """A child's environment: loopback never goes through a proxy, keys stay out, gevent resolves without threads.

    What would change how a client of the gallery behaves stays out too, unless code of the user's own runs there.
    """
    out = set(removed_variables(own_code=own_code))
    inherited = {name: value for name, value in os.environ.items() if name not in out}
    return {
        **inherited,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "GEVENT_RESOLVER": "ares",
        "PYTHONUNBUFFERED": "1",
        "WINDTUNNEL_PARENT_PID": str(os.getpid()),
        **extra,
    }


def removed_variables(*, own_code: bool) -> list[str]:
    """The names of this process's variables that a child does not get."""
    return sorted(name for name in os.environ if _is_out(name) or (not own_code and _steers(name)))


def callers_variables() -> dict[str, str]:
    """This process's variables that code of the user's own is given, and clients of the gallery are not."""
    return {name: value for name, value in os.environ.items() if _steers(name) and not _is_out(name)}


def _is_out(name: str) -> bool:
    """Whether a variable is a key, or one of Python's own that brings other code along."""
    return name.upper().endswith("_API_KEY") or name.upper() in {"PYTHONPATH", "PYTHONSTARTUP"}


def _steers(name: str) -> bool:
    """Whether an SDK or an HTTP library sends, says or trusts something else because of this variable.

    How loopback is reached is not the caller's to say: `environment` sets it.
    """
    upper = name.upper()
    if upper == "NO_PROXY":
        return False
    return upper.startswith(STEERING_PREFIXES) or upper.endswith("_PROXY") or upper in STEERING


def python(*arguments: str, interpreter: str | None = None) -> list[str]:
    """Return a command that runs an interpreter, by default this one, with `arguments`."""
    return [interpreter or sys.executable, *arguments]


def mock_command(plan_file: str, *options: str, journal: str | None = None) -> list[str]:
    """Return a command that serves the mock of `plan_file` on free ports; it records to `journal`, or in memory."""
    recording = () if journal is None else ("--journal", journal)
    return python(
        *("-m", "windtunnel.mock_server", "--plan", plan_file, "--port", "0", "--with-parent"),
        *recording,
        *options,
    )


async def start_mock(
    folder: Path,
    plan_file: str,
    *options: str,
    name: str = "mock",
    journal: str | None = None,
    prefix: Sequence[str] = (),
) -> Child:
    """Start a mock in `folder`, from which `plan_file` and `journal` are found; its log is `NAME.log` there.

    `prefix` is a command that runs its arguments. Wait for the child's `announcement` next.
    """
    command = [*prefix, *mock_command(plan_file, *options, journal=journal)]
    return await Child.spawn(name, command, log=folder / f"{name}.log", cwd=folder, capture_stdout=True)
