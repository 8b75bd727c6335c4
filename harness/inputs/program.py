"""The program of `driver: exec`: what its `command` comes to on this machine, and what is missing for it.

`command` and `env` of a profile ─► program_of ─► ClientProgram, or the command that makes it possible
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from windtunnel.harness.contract.files import read_json
from windtunnel.harness.environments.home import RECORD, env_folder, python_in
from windtunnel.harness.environments.interpreter import InterpreterError, ask

if TYPE_CHECKING:
    from windtunnel.harness.inputs.profile import EnvNeeded, Profile

ADAPTERS: Final = "{adapters}"
"""Stands in a command for the folder of the adapters that come with windtunnel."""

ENV_VARIABLE: Final = "WINDTUNNEL_ENV"
"""Where a program finds the folder of its environment: an adapter for Node imports its packages from there."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """What is started: `argv` in `folder`, with `variables` besides those that there are."""

    argv: tuple[str, ...]
    folder: str
    variables: Mapping[str, str]


def adapters_folder() -> Path:
    """Where the adapters are, wherever windtunnel is installed."""
    return Path(__file__).resolve().parents[1] / "adapters"


def is_own_program(profile: Profile) -> bool:
    """Whether the client is a program of the user's own, rather than an adapter of windtunnel's."""
    return bool(profile.command) and not any(ADAPTERS in word for word in profile.command or ())


def program_of(profile: Profile) -> ClientProgram:
    """What a profile with the driver exec starts. Raises InterpreterError, with the cure, if it cannot be started."""
    command = [word.replace(ADAPTERS, str(adapters_folder())) for word in profile.command or ()]
    folder = profile.command_folder or str(Path.cwd())
    places = [] if profile.env is None else _places(profile.env)
    variables = {"PATH": os.pathsep.join([*places, os.environ.get("PATH", os.defpath)])}
    if profile.env is not None:
        variables[ENV_VARIABLE] = str(env_folder(profile.env.name))
    return ClientProgram(
        (_executable(command[0], profile, folder, variables["PATH"]), *command[1:]), folder, variables
    )


def _places(env: EnvNeeded) -> list[str]:
    """The folders of an environment in which commands stand. Raises InterpreterError if there is none of the name."""
    folder = env_folder(env.name)
    if not (folder / RECORD).is_file():
        raise InterpreterError(
            f"'{env.name}', and there is no such environment", "one that there is", create_command(env)
        )
    # Of npm first: a package may bring another Node along.
    return [str(folder / "node_modules" / ".bin"), str(folder / "bin")]


def versions_of(profile: Profile) -> dict[str, str]:
    """What the environment of a program has: its language and the packages that were asked for; empty without one."""
    if profile.env is None:
        return {}
    folder = env_folder(profile.env.name)
    record = read_json(folder / RECORD)
    if record.get("npm"):
        return dict(record.get("versions", {}))
    try:
        there = ask(str(python_in(folder)))
    except InterpreterError:  # no windtunnel is needed there, and it was another one that made it
        return dict(record.get("versions", {}))
    asked = {re.split(r"[\[<>=!~; ]", one)[0].lower().replace("_", "-") for one in record.get("with", ())}
    return {
        **there.versions,
        **{name: there.packages[name] for name in sorted(asked) if name in there.packages},
    }


def create_command(env: EnvNeeded) -> str:
    """The one command that makes an environment."""
    wanted = [word for one in env.with_ for word in ("--with", one)]
    wanted += [word for one in env.npm for word in ("--npm", one)]
    if not wanted:
        wanted = ["--with", "PACKAGE==VERSION"]
    return shlex.join(["windtunnel", "env", "create", env.name, *wanted])


def _executable(word: str, profile: Profile, folder: str, path: str) -> str:
    if "/" in word:
        given = str(Path(folder) / Path(word).expanduser())
        if not os.path.isfile(given):  # noqa: PTH113  # a path that is only looked at
            raise InterpreterError(f"'{word}', and there is no file {given}", "a program")
        if not os.access(given, os.X_OK):
            raise InterpreterError(
                f"{given}, which may not be run", "a program", f"chmod +x {shlex.quote(given)}"
            )
        return given
    if word in ("python", "python3"):
        if profile.env is None:
            return sys.executable
        own = python_in(env_folder(profile.env.name))
        if not own.is_file():
            raise InterpreterError(
                f"'{word}', and the environment '{profile.env.name}' has no Python",
                "an environment with one",
                f"windtunnel env create {profile.env.name} --with PACKAGE==VERSION --replace",
            )
        return str(own)
    found = shutil.which(word, path=path)
    if found is None:
        raise InterpreterError(f"'{word}', which is not on the PATH", "a program that is installed")
    return found
