"""`windtunnel env`: environments with other versions in them, which a profile's `python:` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import pip_arguments
from windtunnel.harness.environments.create import Environment, Listed, list_environments
from windtunnel.harness.environments.create import create as create_environment
from windtunnel.harness.environments.create import remove as remove_environment
from windtunnel.harness.environments.interpreter import InterpreterError
from windtunnel.harness.environments.npm import NpmEnvironment, create_npm
from windtunnel.harness.environments.pythons import base_python
from windtunnel.harness.errors import InputError

SHOWN = ("python", "openai", "httpx", "httpx2", "windtunnel")
"""What `env list` says of each environment; `--json` has every version."""

app = typer.Typer(
    help="Environments with other versions in them: `python: NAME` in a profile plays a client there.",
    no_args_is_help=True,
)


class Steps:
    """What is being done, on stderr: a line that changes on a terminal, one for each step elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("") if console.is_terminal else None
        self._print = console.print

    def __enter__(self) -> Steps:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, line: str) -> None:
        """Show a step; of what pip prints, that which tells how far it is."""
        text = line if len(line) < 100 else f"{line[:99]}…"
        if self._status is not None:
            self._status.update(escape(text))
        elif line.startswith(("making", "packing", "Installing collected", "Successfully")):
            self._print(text, markup=False, highlight=False, soft_wrap=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the environment is called.")],
    requirements: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="What pip installs, such as 'openai==2.54.0'. May be given more than once."
        ),
    ] = None,
    npm: Annotated[
        list[str] | None,
        typer.Option(
            help="What npm installs, such as openai@6: for programs on Node. May be given more than once.",
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            help="Another Python: 3.12, a path, or the name of an environment. Default: that of windtunnel."
        ),
    ] = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated",
            help="Install everything anew, rather than over what is installed beside windtunnel.",
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make an environment that there is already anew.")
    ] = False,
    pip_args: Annotated[
        str, typer.Option(help="More arguments of `pip install`, such as '--pre' or '--index-url …'.")
    ] = "",
) -> None:
    """Make an environment NAME that has this windtunnel, and the versions that are asked for."""
    if npm:
        if requirements or python or isolated or pip_args:
            raise InputError(
                "windtunnel env create",
                path="--npm",
                found="options for Python beside it",
                expected="two environments",
            )
        with Steps() as steps:
            _tell_npm(create_npm(name, npm, replace=replace, say=steps.say))
        return
    require_lab("env create")
    try:
        base = base_python(python, Path.cwd())
        with Steps() as steps:
            made = create_environment(
                name,
                requirements or [],
                base=base,
                isolated=isolated,
                replace=replace,
                pip_arguments=pip_arguments("windtunnel env create", pip_args),
                say=steps.say,
            )
    except InterpreterError as error:
        raise error.told("windtunnel env create", "--python") from error
    _tell(made)


def _tell(made: Environment) -> None:
    console = Console(stderr=True)
    for line in (*made.yanked, *made.warnings):
        console.print(f"note: {line}", markup=False, highlight=False)
    print(f"{made.folder.name}: {_versions(made.interpreter.versions)}")
    print(f"In a profile: `python: {made.folder.name}`. It is {made.interpreter.path}")


def _tell_npm(made: NpmEnvironment) -> None:
    for line in made.warnings:
        Console(stderr=True).print(f"note: {line}", markup=False, highlight=False)
    print(f"{made.folder.name}: {', '.join(f'{name} {version}' for name, version in made.versions.items())}")
    print(f"In a profile with the driver exec: `env: {made.folder.name}`. It is {made.folder}")


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in SHOWN if versions.get(name, "absent") != "absent")


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="With every version, as JSON.")] = False,
) -> None:
    """Show all environments: name, versions, and where they are."""
    found = list_environments()
    if as_json:
        print(json.dumps([_as_json(one) for one in found], indent=1))
        return
    if not found:
        print("none; make one: windtunnel env create NAME --with openai==VERSION")
        return
    shown = (*SHOWN, "node") if any("node" in one.versions for one in found) else SHOWN
    rows: list[tuple[str, ...]] = [("name", *shown, "path")]
    rows += [(one.name, *(_version(one, name) for name in shown), one.path) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # a path is the last, and never wrapped
        print("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    for one in found:
        if one.wrong:
            print(f"{one.name} cannot play: {one.wrong} ({one.cure})")


def _version(one: Listed, name: str) -> str:
    unknown = "-" if one.npm or name == "node" else "?"
    return one.versions.get(name, unknown).replace("absent", "-")


def _as_json(one: Listed) -> dict[str, object]:
    return {
        "name": one.name,
        "python": one.versions.get("python"),
        "path": one.path,
        "with": list(one.requirements),
        **({"npm": list(one.npm)} if one.npm else {}),
        "versions": one.versions,
        **({"wrong": one.wrong, "cure": one.cure} if one.wrong else {}),
    }


@app.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The environments.")],
) -> None:
    """Remove environments, with everything that is installed in them."""
    for name in names:
        print(f"removed {remove_environment(name)}")
