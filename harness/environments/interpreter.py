"""Another interpreter that plays a cell: found by its path or its environment's name, and asked whether it can.

`python:` of a profile ─► find ─► ask (`probe.py` in that interpreter) ─► Interpreter, or the command that cures it
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.files import PLAN_VERSION, read_json
from windtunnel.harness.environments.home import RECORD, env_folder, env_names, home, python_in
from windtunnel.harness.environments.own_wheel import installed
from windtunnel.harness.environments.probe import ANSWER, code_digest, code_folder
from windtunnel.harness.environments.versions import version_of
from windtunnel.harness.errors import InputError, nearest

PROBE = "windtunnel.harness.environments.probe"
PROBE_TIMEOUT_S = 60.0
LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
"""Variables of this process that would put its own packages into another interpreter."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that has this windtunnel, and what else it has."""

    path: str
    versions: dict[str, str]
    packages: dict[str, str]
    sites: tuple[str, ...]
    base: str


class InterpreterError(Exception):
    """An interpreter that cannot play: what was found, what was expected, and the command that cures it."""

    def __init__(self, found: str, expected: str = "", cure: str = "") -> None:
        self.found = found
        self.expected = expected
        self.cure = cure
        super().__init__(found)

    def told(self, where: str, path: str) -> InputError:
        """The same as a mistake of an option or of a key."""
        return InputError(where, path=path, found=self.found, expected=self.expected, hint=self.cure)


def find(word: str, base: Path) -> str:
    """The path of the interpreter that a word means. Raises InterpreterError if there is none.

    A word with a slash is a file, or the folder of a virtual environment, as seen from `base`; any other is the name of
    an environment that `windtunnel env create` made. Links are not followed: of a virtual environment it is one.
    """
    if "/" not in word:
        return _named(word)
    given = Path(os.path.normpath(base.absolute() / Path(word).expanduser()))
    path = python_in(given) if given.is_dir() else given
    if not path.is_file():
        raise InterpreterError(
            f"'{word}', and there is no file {path}", "a Python interpreter", create_command()
        )
    if not os.access(path, os.X_OK):
        raise InterpreterError(f"{path}, which may not be run", "a Python interpreter")
    return str(path)


def _named(name: str) -> str:
    try:
        path = python_in(env_folder(name))
    except InputError as error:
        raise InterpreterError(f"'{name}'", f"the name of an environment: {error.expected}") from None
    if path.is_file():
        return str(path)
    if read_json(env_folder(name) / RECORD).get("npm"):
        raise InterpreterError(f"'{name}', an environment of npm's without a Python", "one with a Python")
    near = nearest(name, env_names())
    cure = f"{near} Or make it: {create_command(name)}" if near else create_command(name)
    raise InterpreterError(
        f"'{name}', and there is no such environment",
        "a path (with a slash in it), or what `windtunnel env list` shows",
        cure,
    )


def create_command(name: str = "NAME", requirements: tuple[str, ...] = (), *, replace: bool = False) -> str:
    """The command that makes an environment."""
    wanted = requirements or ("openai==VERSION",)
    options = [word for one in wanted for word in ("--with", one)]
    return shlex.join(["windtunnel", "env", "create", name, *options, *(["--replace"] if replace else [])])


@cache
def ask(path: str) -> Interpreter:
    """What an interpreter has. Raises InterpreterError, with the cure, unless it can play cells of this windtunnel."""
    done = _run(path)
    lines = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if done.returncode != 0 or not lines:
        raise _without(path, done)
    told = json.loads(lines[-1].removeprefix(ANSWER))
    _check_same(path, told)
    if told["missing"]:
        raise InterpreterError(
            f"{path}, which lacks {', '.join(told['missing'])}", "what plays a cell", install_command(path)
        )
    return Interpreter(path, told["versions"], told["packages"], tuple(told["sites"]), told["base"])


def ours() -> Interpreter:
    """The interpreter that runs this."""
    return ask(sys.executable)


def _run(path: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [path, "-m", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            cwd="/",  # where nothing stands that would be imported
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise InterpreterError(
            f"{path}, which says nothing for {PROBE_TIMEOUT_S:.0f} s", "a Python interpreter"
        ) from None
    except OSError as error:
        raise InterpreterError(
            f"{path}, which does not start: {error.strerror}", "a Python interpreter"
        ) from error


def clean_environment() -> dict[str, str]:
    """This process's variables, without those that bring its packages along."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT}


def _without(path: str, done: subprocess.CompletedProcess[str]) -> InterpreterError:
    """Why an interpreter cannot be asked: there is no windtunnel, an older one, or it is not Python at all."""
    last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    if ("No module named" in last and "windtunnel" in last) or "for 'windtunnel" in last:
        # An older windtunnel lacks the probe.
        some = "'windtunnel'" in last and not last.endswith("environments'")
        what = "without windtunnel" if some else "with another windtunnel"
        return InterpreterError(f"{path}, {what}", _expected(), install_command(path))
    return InterpreterError(f"{path}, which fails: {last}", f"a Python interpreter with {_expected()}")


def _check_same(path: str, told: dict[str, Any]) -> None:
    """Raise InterpreterError if the windtunnel there is not the one here."""
    if told["code"] == str(code_folder()):
        return
    same = told["behaviour"] == BEHAVIOUR and told["plan_version"] == PLAN_VERSION
    if same and told["digest"] == code_digest():
        return
    theirs = told["windtunnel"]
    if theirs == version_of("windtunnel"):
        theirs += " with other code"
    raise InterpreterError(
        f"{path}, with windtunnel {theirs}", _expected(), install_command(path, again=True)
    )


def _expected() -> str:
    return f"windtunnel {version_of('windtunnel')}, as here"


def install_command(path: str, *, again: bool = False) -> str:
    """The command after which an interpreter has this windtunnel."""
    folder = Path(path).parent.parent
    if folder.parent == home() / "envs":
        record = read_json(folder / RECORD)
        return create_command(folder.name, tuple(record.get("with", ())), replace=True)
    force = ["--force-reinstall", "--no-deps"] if again and "-e" not in installable() else []
    return shlex.join(["python", "-m", "pip", "--python", path, "install", *force, *installable()])


def installable() -> list[str]:
    """What pip is told to install this windtunnel: its folder if it is editable, its file, or its version."""
    told = json.loads(installed().read_text("direct_url.json") or "{}")
    url = urlsplit(str(told.get("url", "")))
    place = Path(unquote(url.path))
    if url.scheme == "file" and place.exists():
        editable = bool(told.get("dir_info", {}).get("editable"))
        return [*(["-e"] if editable else []), f"{place}[lab]"]
    return [f"windtunnel[lab]=={version_of('windtunnel')}"]
