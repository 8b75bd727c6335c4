"""Make, list and remove environments that have the same windtunnel and other versions of what else is installed.

By default an environment is a layer: it has what is asked for and what that needs, and takes everything else from the
environment below, which is the one that windtunnel runs in. That takes seconds and a few megabytes, has the code and
the libraries of the user, and always plays with this very windtunnel. Over another Python, or if asked to be isolated,
it has everything of its own, windtunnel from its own wheel.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path

from windtunnel.harness.contract.files import read_json, write_json
from windtunnel.harness.environments.home import RECORD, env_folder, env_names, python_in
from windtunnel.harness.environments.interpreter import Interpreter, InterpreterError, ask, clean_environment
from windtunnel.harness.environments.own_wheel import own_wheel
from windtunnel.harness.environments.pip import YANKED, PipError, pip
from windtunnel.harness.environments.pythons import version_of_python
from windtunnel.harness.errors import InputError

Say = Callable[[str], None]
BELOW = "_windtunnel_below.pth"
"""The file that puts the environment below behind the layer's own packages."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A made environment. `warnings` is what pip says does not go together, `yanked` which of it is withdrawn."""

    folder: Path
    interpreter: Interpreter
    layer: bool
    warnings: tuple[str, ...] = ()
    yanked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """An environment as `env list` shows it; `wrong` says why it cannot play."""

    name: str
    path: str
    requirements: tuple[str, ...]
    versions: dict[str, str]
    wrong: str = ""
    cure: str = ""
    npm: tuple[str, ...] = ()


def create(
    name: str,
    requirements: Sequence[str],
    *,
    base: str,
    isolated: bool = False,
    replace: bool = False,
    pip_arguments: Sequence[str] = (),
    say: Say = lambda _: None,
) -> Environment:
    """Make the environment of a name. Raises InputError if there is one already, or pip cannot make it."""
    folder = env_folder(name)
    if (folder / RECORD).exists() and not replace:
        raise InputError(
            "windtunnel env create",
            path="NAME",
            found=f"'{name}', which there is already",
            expected="another name, or --replace",
        )
    if folder.exists():
        shutil.rmtree(folder)
    try:
        made = build(folder, requirements, base=base, isolated=isolated, pip_arguments=pip_arguments, say=say)
    except PipError as error:
        raise InputError(
            "windtunnel env create", path="--with", found=", ".join(requirements) or "none", hint=str(error)
        ) from error
    except InterpreterError as error:
        raise error.told("windtunnel env create", "--python") from error
    return made


def build(
    folder: Path,
    requirements: Sequence[str],
    *,
    base: str,
    isolated: bool = False,
    pip_arguments: Sequence[str] = (),
    check: bool = True,
    say: Say = lambda _: None,
) -> Environment:
    """Make an environment in `folder`, whole or not at all. Raises PipError, or InterpreterError for the base.

    `check`: look whether all that is in it goes together.
    """
    version_of_python(base)
    below = None if isolated else _below(base)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        say(f"making {folder} with {base}")
        _venv(base, folder)
        python = str(python_in(folder))
        printed: list[str] = []
        if below is not None:
            _lay_over(folder, below)
            wanted = list(requirements)
        else:
            wanted = ["", *requirements]
        with tempfile.TemporaryDirectory(prefix="windtunnel-env-") as made:
            if below is None:
                say("packing this windtunnel")
                wanted[0] = f"{own_wheel(Path(made))}[lab]"
            if wanted:
                printed = pip(
                    "install", "--progress-bar", "off", *pip_arguments, *wanted, python=python, say=say
                )
        interpreter = ask.__wrapped__(python)
        warnings = [*_out_of_range(interpreter.packages), *_conflicts(python)] if wanted and check else []
        write_json(
            folder / RECORD,
            {
                "with": list(requirements),
                "base": base,
                "layer": below is not None,
                "below": below_of(below),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "versions": interpreter.versions,
                "warnings": warnings,
                "yanked": [line for line in printed if YANKED in line],
            },
            indent=1,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return made_of(folder, interpreter)


def below_of(below: Interpreter | None) -> str:
    """A digest of all that a layer takes from below; what it needed besides depends on that. Empty without one."""
    if below is None:
        return ""
    text = json.dumps([below.path, below.packages])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def made_of(folder: Path, interpreter: Interpreter) -> Environment:
    """An environment that is there, as its record has it."""
    record = read_json(folder / RECORD)
    return Environment(
        folder,
        interpreter,
        bool(record.get("layer")),
        tuple(record.get("warnings", ())),
        tuple(record.get("yanked", ())),
    )


def _below(base: str) -> Interpreter | None:
    """The interpreter to lay an environment over; None if it has no windtunnel, and everything must be installed."""
    try:
        return ask(base)
    except InterpreterError:
        return None


def _venv(base: str, folder: Path) -> None:
    command = [base, "-m", "venv", "--without-pip", str(folder)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        last = ((done.stderr or done.stdout).strip().splitlines() or ["no message"])[-1]
        raise InterpreterError(
            f"{base}, which makes no virtual environment: {last}", "one with the module venv"
        )


def _lay_over(folder: Path, below: Interpreter) -> None:
    site = next((folder / "lib").glob("python*")) / "site-packages"
    # addsitedir rather than the bare paths: packages that are installed as editable are links in .pth files there.
    lines = [f"import site; site.addsitedir({place!r})" for place in below.sites]
    (site / BELOW).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _out_of_range(packages: dict[str, str]) -> list[str]:
    """What of an environment is outside of windtunnel's own ranges; `pip check` does not look at extras."""
    from packaging.requirements import Requirement

    told = []
    for line in distribution("windtunnel").requires or ():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": "lab"}):
            continue
        found = packages.get(needed.name.lower().replace("_", "-"))
        if found is not None and not needed.specifier.contains(found, prereleases=True):
            told.append(f"windtunnel is tested with {needed.name}{needed.specifier}, and this is {found}")
    return told


def _conflicts(python: str) -> list[str]:
    """What `pip check` says does not go together, in lines."""
    try:
        pip("check", python=python)
    except PipError as error:
        return [line for line in error.lines if " but you have " in line or " which is not installed" in line]
    return []


def list_environments() -> list[Listed]:
    """All that there are, in order of their names."""
    return [_listed(name) for name in env_names()]


def _listed(name: str) -> Listed:
    folder = env_folder(name)
    path = str(python_in(folder))
    record = read_json(folder / RECORD)
    wanted = tuple(record.get("with", ()))
    if not record:
        return Listed(name, path, (), {}, "not finished", f"windtunnel env remove {name}")
    if npm := tuple(record.get("npm", ())):
        return Listed(name, str(folder), wanted, dict(record.get("versions", {})), npm=npm)
    try:
        return Listed(name, path, wanted, ask(path).versions)
    except InterpreterError as error:
        return Listed(name, path, wanted, dict(record.get("versions", {})), error.found, error.cure)


def remove(name: str) -> Path:
    """Remove an environment. Raises InputError if there is none of the name."""
    folder = env_folder(name)
    if not folder.is_dir():
        names = ", ".join(env_names()) or "there is none"
        raise InputError("windtunnel env remove", path="NAME", found=f"'{name}'", expected=f"one of: {names}")
    shutil.rmtree(folder)
    return folder
