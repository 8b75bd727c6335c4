"""One step of a bisect: a release gets an environment, and one virtual run is played there and measured.

Environments are kept, by the names `bisect-PACKAGE-VERSION`, among those of `windtunnel env list`. Runs are kept too:
the same cells, code and packages give the same records, so a step that has been played is not played again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from windtunnel.harness.bisect.search import BrokenReleaseError
from windtunnel.harness.contract.files import read_json
from windtunnel.harness.environments.create import Environment, below_of, build, made_of
from windtunnel.harness.environments.home import RECORD, env_folder, home, python_in
from windtunnel.harness.environments.interpreter import Interpreter, InterpreterError, ask
from windtunnel.harness.environments.pip import PipError
from windtunnel.harness.environments.probe import code_digest
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.plan import CellPlan, RunPlan
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.run import RunOptions, plan_for
from windtunnel.harness.run.run import run as play

Say = Callable[[str], None]
RESULTS = "bisect"
"""The folder of kept runs in the data folder."""

NAMES_A_CLIENT = ("client", "dir", "versions")
"""What of a cell's plan only says who played it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it: `digest` of behaviour, values by `metric` and `metric@phase`; `trouble`: it does not count."""

    digest: str
    values: Mapping[str, float | None]
    trouble: str = ""


Measure = Callable[[Path], Measured]
"""From a run directory to its figures."""


@dataclass(frozen=True, slots=True)
class Step:
    """A release that was played. `folder` is its run directory, `kept`: it had been played before."""

    version: str
    client: str
    folder: Path
    measured: Measured
    packages: Mapping[str, str]
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """What is the same in all steps. `base` is the interpreter over which each environment is laid."""

    package: str
    options: RunOptions
    client: str
    base: Interpreter
    requirements: Sequence[str] = ()
    pip_arguments: Sequence[str] = ()


class NotInstalledError(BrokenReleaseError):
    """A release that pip does not install, or that was withdrawn."""


def play_step(
    options: StepOptions, version: str, folder: Path, measure: Measure, reporter: Reporter, say: Say
) -> Step:
    """Play a release into `folder`. Raises BrokenReleaseError if it cannot be installed or played."""
    environment = _environment(options, version, say)
    packages = environment.interpreter.packages
    client = f"{options.package}-{version}".replace("+", "-")
    profile = load_profile(options.client, python=environment.interpreter.path)
    profile = profile.model_copy(update={"name": client})
    run = replace(options.options, out=folder, profiles=(profile,))
    kept = home() / RESULTS / _key(plan_for(run), packages)
    if (kept / "plan.json").exists():
        shutil.copytree(kept, folder)
        found = measure(folder)
        return Step(version, client, folder, found, packages, kept=True)
    say("playing")
    records = play(run, reporter)
    if records.interrupted:
        raise KeyboardInterrupt
    if records.failures:
        raise BrokenReleaseError(f"it cannot be played: {records.failures[0]}")
    found = measure(folder)
    if found.trouble:
        raise BrokenReleaseError(f"it cannot be measured: {found.trouble}")
    _keep(folder, kept)
    return Step(version, client, folder, found, packages)


def _environment(options: StepOptions, version: str, say: Say) -> Environment:
    """The environment of a release: the one that is there, if nothing below it has changed, or a new one."""
    folder = env_folder(f"bisect-{options.package}-{version}")
    wanted = [f"{options.package}=={version}", *options.requirements]
    record = read_json(folder / RECORD)
    if record.get("with") == wanted and record.get("below") == below_of(options.base):
        try:
            environment = made_of(folder, ask(str(python_in(folder))))
        except InterpreterError:
            record = {}
        else:
            return _not_withdrawn(environment, options.package)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        environment = build(
            folder, wanted, base=options.base.path, pip_arguments=options.pip_arguments, check=False, say=say
        )
    except PipError as error:
        raise NotInstalledError(f"pip does not install it: {error}") from error
    except InterpreterError as error:
        raise NotInstalledError(f"its environment cannot play: {error.found}") from error
    return _not_withdrawn(environment, options.package)


def _not_withdrawn(environment: Environment, package: str) -> Environment:
    if any(f"'{package}' candidate" in line for line in environment.yanked):
        raise NotInstalledError("it is yanked")
    return environment


def _key(plan: RunPlan, packages: Mapping[str, str]) -> str:
    """A digest of all on which the records of a run depend."""
    python = plan.cells[0].versions.get("python", "")
    parts = [code_digest(), python, dict(packages), [_of_behaviour(cell) for cell in plan.cells]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _of_behaviour(cell: CellPlan) -> dict[str, Any]:
    data = cell.model_dump(mode="json", by_alias=True, exclude=set(NAMES_A_CLIENT))
    data["profile"] = {key: value for key, value in data["profile"].items() if key not in ("name", "python")}
    # Code of one's own may change between two plays, which no version tells.
    own = cell.profile.target
    folders = cell.profile.target_folders if own else ()
    data["code"] = [
        (str(path), path.stat().st_mtime_ns)
        for folder in folders[:1]
        for path in sorted(Path(folder).glob("*.py"))
    ]
    return data


def _keep(folder: Path, kept: Path) -> None:
    """Keep a copy of a run; whole, or not at all."""
    part = kept.with_name(f"{kept.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, part)
    part.replace(kept)
