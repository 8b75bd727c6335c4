"""`windtunnel serve`: run the mock alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from windtunnel.harness.cli.exit_codes import INPUT_WRONG
from windtunnel.harness.cli.groups import grouped

if TYPE_CHECKING:
    from windtunnel.mock_server.server.options import ServeOptions


@dataclass(frozen=True, slots=True)
class MockOptions:
    """The mock that is run: what it plays, where it listens, and what it accepts."""

    scenario: Annotated[
        str | None, typer.Option(help="Faults, provider and phases of this scenario. Default: healthy.")
    ] = None
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0
    admin_port: Annotated[
        int, typer.Option(help="The admin API alone; no fault closes it. 0 picks a free one.")
    ] = 0
    host: Annotated[str, typer.Option(help="Anything but loopback needs --admin-token.")] = "127.0.0.1"
    tls: Annotated[
        bool,
        typer.Option("--tls", help="TLS in front of every region; the JSON line names the ca_file to trust."),
    ] = False
    journal: Annotated[Path | None, typer.Option(help="Write a record per request into this directory.")] = (
        None
    )
    workers: Annotated[int, typer.Option(help="Server processes; above 1 only without shared state.")] = 1
    admin_token: Annotated[
        str | None,
        typer.Option(
            envvar="WINDTUNNEL_CONTROL_TOKEN", help="Bearer token that the admin API then asks for."
        ),
    ] = None
    time_scale: Annotated[
        str | None, typer.Option(help="How long a second of the scenario takes, such as 1/60.")
    ] = None
    epoch: Annotated[
        Literal["real", "fixed"],
        typer.Option(help="The time that answers state; fixed: equal runs have equal bytes."),
    ] = "real"
    unknown_fields: Annotated[
        Literal["refuse", "accept"],
        typer.Option(
            help="Fields that OpenAI does not have: a 400, or ignored, for tools that send a vLLM's."
        ),
    ] = "refuse"
    unknown_ids: Annotated[
        Literal["refuse", "accept"],
        typer.Option(
            help="Ids that name nothing: a 404, or an object that is made up, for suites with made-up ids."
        ),
    ] = "refuse"

    def asked(self) -> ServeOptions:
        """What the server is started with. Raises InputError for a scenario or an option that is wrong."""
        from windtunnel.harness.inputs.gallery import load_scenario
        from windtunnel.harness.inputs.time_scale import asked_time_scale
        from windtunnel.mock_server.server.options import ServeOptions, default_plan, with_tls

        scale = asked_time_scale(self.time_scale, "serve")
        asked = self.scenario
        plan = load_scenario(asked, time_scale=scale).plan() if asked else default_plan(self.workers)
        return ServeOptions(
            plan=with_tls(plan) if self.tls else plan,
            host=self.host,
            port=self.port,
            admin_port=self.admin_port,
            journal=self.journal,
            workers=self.workers,
            control_token=self.admin_token,
            epoch=self.epoch,
            unknown_fields=self.unknown_fields,
            unknown_ids=self.unknown_ids,
        )


@grouped
def serve(mock: MockOptions) -> None:
    """Run the mock alone; prints one JSON line with its base_url once it is ready."""
    from windtunnel.mock_server.errors import WindtunnelServerError, printable
    from windtunnel.mock_server.server.serve import run as serve_mock

    options = mock.asked()
    try:
        code = serve_mock(options)
    except WindtunnelServerError as error:
        print(f"windtunnel serve: {printable(str(error))}", file=sys.stderr)
        code = INPUT_WRONG
    raise typer.Exit(code)
