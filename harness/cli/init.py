"""`windtunnel init`: the first scenario, profile and CI job of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from windtunnel.harness.cli.lab import require_lab


def init(
    target: Annotated[
        str | None,
        typer.Option(help="Your function that makes one call, async or plain: package.module:function."),
    ] = None,
    example: Annotated[
        Literal["async", "async-stream", "plain", "plain-stream"] | None,
        typer.Option(help="Write a function of this kind to begin with, in place of --target."),
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="starter (the default), or a scenario of the gallery by name.")
    ] = None,
    ci: Annotated[
        Literal["github", "gitlab", "none"] | None, typer.Option(help="The CI system. Default: github.")
    ] = None,
    folder: Annotated[
        str, typer.Option("--dir", help="The folder for scenario and profile, below this one.")
    ] = "resilience",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Write a scenario, a profile for your own function, and a CI job; what is not given is asked for."""
    require_lab("init")
    from windtunnel.harness.init.files import STARTER, Wanted, planned, write

    if not yes and is_terminal():
        if not target and example is None:
            target = typer.prompt(
                "Your function that makes one call (package.module:function; empty: write an example)",
                default="",
            )
            example = None if target else _asked_kind()
        scenario = scenario or typer.prompt("Scenario (starter, or a name of the gallery)", default=STARTER)
        ci = ci or _asked_ci()
    found = planned(Wanted(target or "", scenario or STARTER, ci or "github", folder, example), Path())
    write(found)
    for path in found:
        print(path)
    print(f"Play it:         windtunnel run {folder}/scenario.yaml --seeds 20 --out runs/first")
    print("Judge it:        windtunnel check runs/first")
    print(f"Keep a baseline: windtunnel baseline write runs/first -o {folder}/baseline.json")


def _asked_kind() -> Literal["async", "async-stream", "plain", "plain-stream"]:
    while True:
        match typer.prompt("Example (async, async-stream, plain, plain-stream)", default="async"):
            case "async":
                return "async"
            case "async-stream":
                return "async-stream"
            case "plain":
                return "plain"
            case "plain-stream":
                return "plain-stream"


def _asked_ci() -> Literal["github", "gitlab", "none"]:
    while True:
        match typer.prompt("CI system (github, gitlab, none)", default="github"):
            case "github":
                return "github"
            case "gitlab":
                return "gitlab"
            case "none":
                return "none"


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()
