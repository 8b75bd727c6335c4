"""pip, as a process: whatever its configuration says about indexes holds for us as well."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from windtunnel.harness.environments.interpreter import clean_environment
from windtunnel.harness.errors import InputError

LAST_LINES = 5
VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")
YANKED = "is a yanked version"


class PipError(Exception):
    """pip did not do what it was asked for; the message is its own, shortened, and `lines` is all that it printed."""

    def __init__(self, told: str, lines: Sequence[str] = ()) -> None:
        self.lines = tuple(lines)
        super().__init__(told)


def pip(*arguments: str, python: str | None = None, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Run pip for the environment of `python`; gives the lines that it printed, each of which `say` has heard.

    Our own pip is used, so that the environment needs none. Raises PipError if it fails.
    """
    if find_spec("pip") is None:
        raise InputError(
            "windtunnel", found="no pip beside it", expected="one", hint=f"{sys.executable} -m ensurepip"
        )
    place = [] if python is None else ["--python", python]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *place, *arguments]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(), "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                say(lines[-1].strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise PipError(complaint_of(lines) or f"pip ended with exit code {process.returncode}", lines)
    return lines


def complaint_of(lines: Sequence[str]) -> str:
    """What pip says is wrong: its lines that say ERROR, or else its last ones."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    told = errors or [line for line in lines if line.strip()][-LAST_LINES:]
    return "; ".join(dict.fromkeys(VERSIONS.sub(_last_versions, line.strip()) for line in told[-LAST_LINES:]))


def _last_versions(found: re.Match[str]) -> str:
    """The newest of the versions that pip lists, all of them if they are few."""
    listed = found[1].split(", ")
    few = listed if len(listed) <= LAST_LINES else ["…", *listed[-LAST_LINES:]]
    return f"(from versions: {', '.join(few)})"
