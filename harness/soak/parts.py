"""The parts of a soak of a process that may die and are started again: the mock, the load, the program.

A part is started again within one look of its supervisor; one that dies again and again ends the soak.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from windtunnel.harness.contract.files import write_json
from windtunnel.harness.contract.watch import OutsideView
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.probe.options import ServiceCall
from windtunnel.harness.probe.play import READY_TIMEOUT_S, pointing_at
from windtunnel.harness.run.children import Child, python, start_mock
from windtunnel.harness.run.mock_admin import MockAdmin
from windtunnel.harness.run.process import Program, program_environment
from windtunnel.harness.run.usage import Usage, limits_of, sockets_by_state, usage
from windtunnel.harness.soak.cycles import Cycled
from windtunnel.harness.soak.options import ProcessSoak

END_S: Final = 15.0
MOST_DEATHS: Final = 5
"""So many deaths of a part within `DEATHS_WITHIN_S` end the soak: it does not come to its feet any more."""
DEATHS_WITHIN_S: Final = 60.0
USERS_FILE: Final = "users.json"


class Deaths:
    """The deaths of a part. `count` raises `MeasurementError` where there are too many."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._at: deque[float] = deque(maxlen=MOST_DEATHS)

    def count(self, now_s: float, how: str) -> None:
        """One more, at `now_s`."""
        self._at.append(now_s)
        if len(self._at) == MOST_DEATHS and now_s - self._at[0] <= DEATHS_WITHIN_S:
            raise MeasurementError(
                f"the {self._name} died {MOST_DEATHS} times within {DEATHS_WITHIN_S:.0f} s ({how})"
            )


class MockPart:
    """The mock of a soak: started again on the ports that it had, in the phase that it would be in."""

    def __init__(self, cell: Path, port: int) -> None:
        self._cell = cell
        self._options: tuple[str, ...] = ("--port", str(port))
        self._deaths = Deaths("mock")
        self._child: Child | None = None
        self.admin = MockAdmin("")
        self.base_url = ""

    async def start(self) -> None:
        """Start it. Raises `MeasurementError` if it does not come up."""
        child = await start_mock(self._cell, "server_plan.json", *self._options, journal=".")
        self._child = child
        try:
            announced = await child.announcement(READY_TIMEOUT_S)
        except BaseException:
            await child.end(END_S)
            raise
        self.admin = MockAdmin(announced["admin_url"])
        self.base_url = announced["base_url"]
        ports = ",".join(str(urlsplit(url).port) for url in announced["regions"].values())
        self._options = ("--ports", ports, "--admin-port", str(urlsplit(announced["admin_url"]).port))

    @property
    def pid(self) -> int:
        """Its process id; 0 before its start."""
        return 0 if self._child is None else self._child.process.pid

    async def mended(self, t0: float) -> str:
        """Start it again if it has died; how it had ended, or ''. Raises `MeasurementError` if it dies on and on."""
        if self._child is None or self._child.running:
            return ""
        how = self._child.how_it_ended()
        self._deaths.count(time.monotonic(), how)
        await self.start()
        await self.admin.begin(t0)
        return how

    async def end(self) -> None:
        """Let it write its records and end."""
        if self._child is None:
            return
        if self._child.running:
            try:
                await self.admin.stop()
                await self._child.wait(END_S)
            except OSError:
                pass  # it is ended by signal next, and writes its records then as well
        await self._child.end(END_S)


class LoadPart:
    """Locust, calling a service: one that has died is replaced by one that goes on with the same schedule."""

    def __init__(self, cell: Path, client: str, call: ServiceCall, again: Cycled, seed: int) -> None:
        self._cell = cell
        self._deaths = Deaths("load")
        self._child: Child | None = None
        self._asked = {
            "client": client,
            "url": call.url,
            "method": call.method,
            "body": call.body,
            "headers": dict(call.headers),
            "timeout_s": call.timeout_s,
            "load": again.scenario.load.model_dump(mode="json", by_alias=True),
            "cycle_s": again.cycle_s,
            "cycles": again.cycles,
            "seed": seed,
        }

    @property
    def pid(self) -> int:
        """Its process id; 0 before its start."""
        return 0 if self._child is None else self._child.process.pid

    @property
    def over(self) -> bool:
        """Whether it has made all calls of the soak."""
        return self._child is not None and self._child.process.returncode == 0

    async def start(self, t0: float, from_s: float) -> None:
        """Start it with the calls that are due from `from_s` on, seconds after `t0` (monotonic seconds)."""
        write_json(self._cell / USERS_FILE, {**self._asked, "t0": t0, "from_s": from_s})
        locustfile = str(files("windtunnel.scenarios") / "soak_users.py")
        options = ("--headless", "--only-summary", "-u", "1", "-r", "1", "--exit-code-on-error", "0")
        self._child = await Child.spawn(
            "load",
            python("-m", "locust", "-f", locustfile, *options),
            log=self._cell / "locust.log",
            cwd=self._cell,
            own_code=True,
        )

    async def mended(self, t0: float, from_s: float) -> str:
        """Replace it if it has died; how it had ended, or ''. Raises `MeasurementError` if it dies on and on."""
        if self._child is None or self._child.running or self.over:
            return ""
        how = self._child.how_it_ended()
        self._deaths.count(time.monotonic(), how)
        await self.start(t0, from_s)
        return how

    async def finish(self, timeout_s: float) -> None:
        """Let it wait for the calls that are under way, for `timeout_s` at most; none is due any more."""
        if self._child is not None:
            await self._child.wait(timeout_s)

    async def end(self) -> None:
        """End it."""
        if self._child is not None:
            await self._child.end(END_S)


class ClientPart:
    """The process that is soaked: started by us, or only watched; or neither, if nobody knows which it is."""

    def __init__(self, asked: ProcessSoak) -> None:
        self._asked = asked
        self._deaths = Deaths("program")
        self.program: Program | None = None
        self.starts = 0

    async def start(self, base_url: str) -> None:
        """Start it with the variables that point at the mock. Raises `InputError` if it cannot be executed."""
        if not self._asked.command:
            return
        variables: Mapping[str, str] = pointing_at(base_url)
        self.program = await Program.start(
            "program",
            self._asked.command,
            cwd=Path.cwd(),
            env=program_environment(variables),
            sample_s=None,
        )
        self.starts += 1

    async def ended(self) -> str:
        """How it ended, if nothing of it is left, or ''."""
        if self.program is None or not await self.program.wait_all(0):
            return ""
        return self.program.how_it_ended()

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with an exit code other than 0, or by a signal."""
        ending = None if self.program is None else self.program.ending
        return ending is not None and not ending.asked and ending.code != 0

    async def again(self, base_url: str, how: str) -> None:
        """Start it again. Raises `MeasurementError` if it ends on and on."""
        self._deaths.count(time.monotonic(), how)
        await self.end()
        await self.start(base_url)

    def limits(self) -> Mapping[str, float]:
        """Where its memory and descriptors end, by the names of `OutsideView`; empty where nobody knows which it is."""
        pid = self._asked.pid if self.program is None else self.program.pid
        return {} if pid is None else limits_of(pid)

    def look(self) -> OutsideView | None:
        """What it and its children hold now; None where it is not there, or not known."""
        if self.program is not None:
            seen = self.program.look()
        elif self._asked.pid is not None:
            seen = _look_at(self._asked.pid)
        else:
            seen = None
        if seen is None:
            return None
        used, sockets = seen
        return OutsideView(
            rss_bytes=used.rss_bytes,
            cpu_s=used.cpu_s,
            descriptors=used.descriptors,
            threads=used.threads,
            processes=used.processes,
            sockets=sockets,
        )

    async def end(self) -> None:
        """End it and all that it has started, if we did."""
        if self.program is not None:
            await self.program.end()


def _look_at(pid: int) -> tuple[Usage, dict[str, int]] | None:
    """What a process and its children use; None where it is not there."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    used = usage(process, 0.0, itself=True)
    return None if used is None or not used.processes else (used, sockets_by_state(process, itself=True))
