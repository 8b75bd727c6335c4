"""The program of `driver: exec`: what its command comes to, and the one command that makes what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from windtunnel.harness.environments.home import HOME, RECORD
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.installed import check_installed, missing_program
from windtunnel.harness.inputs.profile import Profile, load_profile_file
from windtunnel.harness.inputs.program import adapters_folder, program_of, versions_of
from windtunnel.harness.plan import resolve

MINE: dict[str, Any] = {"name": "mine", "about": "A.", "driver": "exec", "timeouts": {}, "pool": {}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    return tmp_path / "home"


def read(tmp_path: Path, **more: Any) -> Profile:
    file = tmp_path / "mine.yaml"
    YAML(typ="safe").dump({**MINE, **more}, file)
    return load_profile_file(file)


def make_environment(home: Path, name: str) -> Path:
    folder = home / "envs" / name
    for path in (folder / "node_modules" / ".bin" / "node", folder / "bin" / "python"):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (folder / RECORD).write_text("{}")
    return folder


def test_words(tmp_path: Path, home: Path) -> None:
    """`python` is this one, or the environment's; a path is one from the file; {adapters} is where they are."""
    program = program_of(read(tmp_path, command=["python", "{adapters}/x.py", "--now"]))
    assert program.argv == (sys.executable, f"{adapters_folder()}/x.py", "--now")
    assert program.folder == str(tmp_path)
    own = tmp_path / "mine"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert program_of(read(tmp_path, command=["./mine"])).argv == (str(own),)
    folder = make_environment(home, "e")
    program = program_of(read(tmp_path, command=["node", "x.mjs"], env="e"))
    assert program.argv == (str(folder / "node_modules" / ".bin" / "node"), "x.mjs")
    assert program.variables["WINDTUNNEL_ENV"] == str(folder)
    assert program_of(read(tmp_path, command=["python"], env="e")).argv == (str(folder / "bin" / "python"),)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {
                "command": ["python"],
                "env": {"name": "router", "with": ["litellm==1.2.3"]},
            },
            "the client mine: env: found 'router', and there is no such environment, expected one that there is "
            "(windtunnel env create router --with litellm==1.2.3)",
        ),
        (
            {"command": ["no-such-program-at-all"]},
            "the client mine: command: found 'no-such-program-at-all', which is not on the PATH, expected a program "
            "that is installed",
        ),
        ({"command": ["./mine"]}, "the client mine: command: found './mine', and there is no file"),
        ({"command": ["./mine.yaml"]}, "mine.yaml, which may not be run, expected a program (chmod +x"),
    ],
)
def test_what_is_missing_is_said_before_a_run(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_installed([read(tmp_path, **more)])
    assert says in str(caught.value)


def test_the_versions_of_its_environment_are_written_down(tmp_path: Path, home: Path) -> None:
    folder = make_environment(home, "e")
    (folder / RECORD).write_text('{"npm": ["openai@6"], "versions": {"node": "20.1.0", "openai": "6.49.0"}}')
    profile = read(tmp_path, command=["node", "x.mjs"], env="e")
    plan = resolve(load_scenario("healthy"), [profile], clock="real")
    assert plan.cells[0].versions == {"node": "20.1.0", "openai": "6.49.0"}
    assert versions_of(read(tmp_path, command=["python"])) == {}


def test_what_there_is_is_not_missing(tmp_path: Path) -> None:
    assert missing_program(read(tmp_path, command=["python"])) is None


def test_it_is_played_in_real_time(tmp_path: Path) -> None:
    """By choice with the reason, and the virtual clock is refused."""
    profile = read(tmp_path, command=["python"])
    plan = resolve(load_scenario("healthy"), [profile], clock="auto")
    assert (plan.clock, plan.clock_reason) == ("real", "mine: a program of its own (driver exec)")
    with pytest.raises(InputError, match="clock: found virtual, and mine with the driver exec"):
        resolve(load_scenario("healthy"), [profile], clock="virtual")
