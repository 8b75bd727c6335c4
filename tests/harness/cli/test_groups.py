"""Options that a command takes as one dataclass."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from windtunnel.harness.cli.given import given
from windtunnel.harness.cli.groups import grouped


@dataclass(frozen=True)
class Wind:
    """How the wind blows."""

    speed: Annotated[int, typer.Option(help="In knots.")]
    gusts: Annotated[bool, typer.Option("--gusts")] = False


@grouped
def sail(
    context: typer.Context,
    to: Annotated[str, typer.Argument()] = "home",
    *,
    wind: Wind,
    crew: Annotated[int, typer.Option()] = 2,
) -> None:
    """Set the sails."""
    print(to, wind, crew, sorted(given(context)))


def test_a_field_is_an_option_in_the_place_of_its_group() -> None:
    """The command has the fields in the place of the group, and keeps its name and text."""
    assert list(inspect.signature(sail).parameters) == ["context", "to", "speed", "gusts", "crew"]
    assert (sail.__name__, sail.__doc__) == ("sail", "Set the sails.")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--speed", "7"], f"home {Wind(7)} 2 ['speed']"),
        (
            ["away", "--speed", "7", "--gusts", "--crew", "3"],
            f"away {Wind(7, True)} 3 ['crew', 'gusts', 'speed', 'to']",
        ),
    ],
)
def test_the_command_is_given_the_filled_group(arguments: list[str], printed: str) -> None:
    """What was typed, and the defaults of what was not, arrive as one object."""
    app = typer.Typer()
    app.command()(sail)
    ran = CliRunner().invoke(app, arguments)
    assert ran.stdout == f"{printed}\n"


def test_a_field_without_a_default_is_required() -> None:
    """A group's required option is asked for as any other."""
    app = typer.Typer()
    app.command()(sail)
    ran = CliRunner().invoke(app, [])
    assert ran.exit_code == 2
    assert "--speed" in ran.stderr


def test_two_options_of_one_name_are_refused() -> None:
    """A group that brings a parameter which the command has is a mistake of the one who declares it."""

    def twice(wind: Wind, speed: int) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'speed'"):
        grouped(twice)
