"""The interpreters of a machine from which an environment can be made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from windtunnel.harness.environments.interpreter import InterpreterError, clean_environment, find

OLDEST = (3, 11)
VERSION = re.compile(r"3\.\d+(\.\d+)?")
ASK_TIMEOUT_S = 20.0


def base_python(word: str | None, base: Path) -> str:
    """The interpreter that `--python` means: `3.12`, `python3.12`, a path, an environment's name; None is ours.

    Raises InterpreterError if there is none.
    """
    if word is None:
        return sys.executable
    wanted = word.removeprefix("python")
    if VERSION.fullmatch(wanted):
        return _of_version(wanted)
    return find(word, base)


def version_of_python(path: str) -> tuple[int, int]:
    """The version of an interpreter. Raises InterpreterError if it does not say it, or is too old for windtunnel."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [path, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            check=True,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
        )
        major, minor = done.stdout.split()[-1].split(".")
        version = int(major), int(minor)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        raise InterpreterError(f"{path}, which does not run as Python", "a Python interpreter") from None
    if version < OLDEST:
        raise InterpreterError(f"{path}, Python {major}.{minor}", f"Python {OLDEST[0]}.{OLDEST[1]} or newer")
    return version


def _of_version(wanted: str) -> str:
    found = installed_pythons()
    for version, path in found:
        if version == wanted or version.startswith(f"{wanted}."):
            return path
    short = ".".join(wanted.split(".")[:2])
    onpath = shutil.which(f"python{short}")
    if onpath and short == wanted and _runs(onpath):
        return onpath
    usable = [version for version, _ in found if tuple(map(int, version.split(".")))[:2] >= OLDEST]
    known = ", ".join(usable) or "none of pyenv"
    raise InterpreterError(
        f"Python {wanted}, which is not on this machine", f"a path, or one that is ({known})"
    )


def _runs(path: str) -> bool:
    """Whether it is an interpreter: a shim of pyenv may stand for one that is not installed."""
    try:
        version_of_python(path)
    except InterpreterError:
        return False
    return True


def installed_pythons() -> list[tuple[str, str]]:
    """Version and path of every interpreter that pyenv has installed, the newest first."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [
        (path.name, str(path / "bin" / "python"))
        for path in (root.iterdir() if root.is_dir() else ())
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "bin" / "python").is_file()
    ]
    return sorted(found, key=lambda one: tuple(map(int, one[0].split("."))), reverse=True)
