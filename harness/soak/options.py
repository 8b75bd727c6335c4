"""What `windtunnel soak` was asked for where the client is a process, checked; and how long texts are said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from windtunnel.harness.contract.files import read_json, write_json
from windtunnel.harness.errors import InputError
from windtunnel.harness.probe.options import ServiceCall, check_process

COMMAND: Final = "windtunnel soak"
ASKED_FILE: Final = "soak-options.json"
"""In the folder of a soak of a process: what it was asked for, so that it can be resumed."""
KEEP_RAW_S: Final = 2 * 3600.0
READY_S: Final = 180.0
"""Seconds that a service has to listen, after its start."""
_INTERPRETERS: Final = re.compile(r"(python|node|deno|bun|ruby|bash|sh)[\d.]*")
_LEAST_RATE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSoak:
    """A soak of a process: a program that is started (`command`), a service that is called (`attach`), or both.

    `incidents`: the seed of random ones, in days in place of cycles. `pid`: the process that is watched where none is
    started. `restart`: a program that ends is started again.
    """

    scenario: str
    for_s: float
    cycle_s: float | None = None
    incidents: int | None = None
    seed: int | None = None
    command: Sequence[str] = ()
    attach: ServiceCall | None = None
    pid: int | None = None
    port: int = 0
    keep_raw_s: float = KEEP_RAW_S
    restart: bool = False

    @property
    def client(self) -> str:
        """What the process is called in files and on the page: the name of its program, or of the service's host."""
        if not self.command:
            assert self.attach is not None  # `check` has seen to it
            return _as_name(urlsplit(self.attach.url).hostname or "service")
        first, *others = self.command
        name = Path(first).name
        if _INTERPRETERS.fullmatch(name) and others and not others[0].startswith("-"):
            name = Path(others[0]).stem
        return _as_name(name)

    def check(self) -> None:
        """Raise `InputError` for options that do not fit each other."""
        if not self.command and self.attach is None:
            raise InputError(
                COMMAND, found="no program", expected="-- and the command that starts it, or --attach URL"
            )
        if self.attach is not None:
            self.attach.check(COMMAND)
        check_process(COMMAND, self.command, self.port, self.seed)
        if self.command and self.pid is not None:
            raise InputError(
                COMMAND, path="--pid", found="a program that is started as well", expected="one of both"
            )
        if self.pid is not None and not psutil.pid_exists(self.pid):
            raise InputError(
                COMMAND, path="--pid", found=f"{self.pid}", expected="the id of a process that runs"
            )
        if self.restart and not self.command:
            raise InputError(
                COMMAND, path="--restart", found="no program", expected="-- and the command that starts it"
            )

    def write(self, folder: Path) -> None:
        """Write it down for `read_asked`."""
        write_json(folder / ASKED_FILE, asdict(self), indent=1)


def read_asked(folder: Path) -> ProcessSoak:
    """What the soak in `folder` was asked for. Raises `InputError` if it is none of a process."""
    told = read_json(folder / ASKED_FILE)
    if not told:
        raise InputError(
            folder, path="--resume", found="no soak", expected="the folder of one, as it was given or printed"
        )
    attach: Mapping[str, Any] | None = told.pop("attach", None)
    try:
        return ProcessSoak(**told, attach=None if attach is None else ServiceCall(**attach))
    except TypeError as error:  # a key too few or too many
        found = str(error).partition(".__init__() ")[2] or str(error)
        raise InputError(folder / ASKED_FILE, found=found, expected="what `windtunnel soak` wrote") from None


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "program"
