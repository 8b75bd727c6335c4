"""Options that several commands have, each declared once. A group of them is a dataclass, for `grouped`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.probe.options import ServiceCall

ScenarioName: TypeAlias = Annotated[
    str, typer.Argument(help="A scenario of the gallery by name, or a YAML file.")
]
ScenarioSeed: TypeAlias = Annotated[int | None, typer.Option(help="In place of the scenario's seed.")]
OutFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Where all of it goes: absent or empty. Default: a new folder in runs/."),
]
OnlyClients: TypeAlias = Annotated[
    str | None, typer.Option(help="Only these clients, with commas between. Default: all of the run.")
]
Check: TypeAlias = Annotated[
    bool,
    typer.Option("--check", help="Exit 1 if an expectation of the scenario fails, 3 if one is undecided."),
]
Strict: TypeAlias = Annotated[bool, typer.Option("--strict", help="Exit 3 also if the measurement is noisy.")]
StrictOfSeveral: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Exit 3 also if a measurement is noisy.")
]


def pip_arguments(command: str, text: str) -> tuple[str, ...]:
    """The words of `--pip-args`. Raises InputError, as one of `command`, where a quotation is not closed."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        expected = "arguments as for a shell, each quotation closed"
        raise InputError(command, path="--pip-args", found=f"{text} ({error})", expected=expected) from None


def metrics_port_option(when: str) -> Any:
    """The option `--metrics-port`, for what is played `when`."""
    told = f"Serve /metrics for Prometheus {when}, on this port of loopback; 0: any free one."
    return typer.Option(min=0, max=65_535, help=told)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """A service that is called, and what with."""

    attach: Annotated[
        str | None,
        typer.Option(
            help="Call this URL at the scenario's rate: a service, which calls the mock.", metavar="URL"
        ),
    ] = None
    method: Annotated[str, typer.Option(help="With --attach: the method.")] = "POST"
    body: Annotated[
        str | None,
        typer.Option(
            help="With --attach: the body, or @FILE. {{n}} is the number of the call, in the URL too."
        ),
    ] = None
    header: Annotated[
        list[str] | None, typer.Option(help="With --attach: a header, such as 'authorization: Bearer x'.")
    ] = None

    def call(self, command: str) -> ServiceCall | None:
        """What a user of the service sends; None without `--attach`.

        Raises InputError, as one of `command`, for what is wrong, or is there without `--attach`.
        """
        from windtunnel.harness.probe.options import ServiceCall, asked_body, asked_headers

        if self.attach is None:
            self._refuse_any(command)
            return None
        text = asked_body(self.body, command)
        return ServiceCall(
            self.attach, self.method.upper(), text, asked_headers(self.header or [], text, command)
        )

    def _refuse_any(self, command: str) -> None:
        """Raise InputError for what would be said to a service that there is none of."""
        method = None if self.method == "POST" else self.method
        header = ", ".join(self.header or ())
        for option, value in (("--method", method), ("--body", self.body), ("--header", header or None)):
            if value is not None:
                expected = "--attach URL as well: it is for a service"
                raise InputError(command, path=option, found=value, expected=expected)
