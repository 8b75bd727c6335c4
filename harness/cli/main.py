"""The command line: `windtunnel run | report | replay | serve | list | calibrate`.

Exit codes: 0 fine, 1 an expectation failed (with `--check`), 2 the input is wrong, 3 the measurement is not
valid or not whole (3 wins over 1). Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from windtunnel.harness.errors import HarnessError

app = typer.Typer(
    name="windtunnel",
    help="A wind tunnel for OpenAI clients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXPECTATION_FAILED, INPUT_WRONG, NOT_VALID = 1, 2, 3


def main() -> None:
    """The console script: runs a command and turns the errors it expects into one message and an exit code."""
    try:
        app()
    except HarnessError as error:
        print(f"windtunnel: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"windtunnel: {error}", file=sys.stderr)
        raise SystemExit(NOT_VALID) from None


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A scenario of the gallery by name, or a YAML file.")],
    clients: Annotated[
        str | None, typer.Option(help="Client profiles (names or files), with commas between.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run directory: absent or empty. Default: a new one in runs/.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(help="Play every client this often, each time with another seed.")
    ] = 1,
    jobs: Annotated[
        int | None, typer.Option(help="Cells side by side. Default: two per core, one on the virtual clock.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's seed.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Load processes per cell, at most one per instance.")
    ] = None,
    time_scale: Annotated[
        str | None,
        typer.Option(
            help="How long a second of the incident takes, such as 1/60. Default: the scenario's own."
        ),
    ] = None,
    clock: Annotated[
        Literal["real", "virtual"] | None,
        typer.Option(help="virtual: time jumps, bit for bit reproducible. Default: the scenario's own."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Play every client with so many seeds, counting up from --seed: one report over all. "
            "Needs the virtual clock."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 if an expectation of the scenario fails.")
    ] = False,
) -> None:
    """Play SCENARIO against each client, cells side by side, and write the report."""
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.harness.run.progress import reporter
    from windtunnel.harness.run.run import RunOptions, run

    names = [name.strip() for name in clients.split(",") if name.strip()] if clients else None
    options = RunOptions(
        scenario, names, out, repeat, jobs, seed, processes, asked_time_scale(time_scale, "run"), clock, seeds
    )
    records = run(options, reporter(Console(stderr=True)))
    for failure in records.failures:
        print(f"not whole: {failure}", file=sys.stderr)
    raise typer.Exit(_report(records.folder, check=check, whole=not records.failures))


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 if an expectation of the scenario fails.")
    ] = False,
) -> None:
    """Rebuild metrics, charts and page from the records of RUN_DIR."""
    raise typer.Exit(_report(run_dir, check=check, whole=True))


def _report(folder: Path, *, check: bool, whole: bool) -> int:
    """Write the report, print its summary, and last the run directory's path; returns the exit code."""
    from windtunnel.reports.build import write_report
    from windtunnel.reports.errors import ReportsError
    from windtunnel.reports.gate.expectations import input_errors

    console = Console(stderr=True)
    try:
        with console.status("Writing the report …") as status:
            result = write_report(
                folder, told=lambda done, of: status.update(f"Writing the report: {done} of {of} cells …")
            )
    except ReportsError as error:
        print(f"windtunnel: {error}", file=sys.stderr)
        return INPUT_WRONG if whole else NOT_VALID
    print((folder / "summary.md").read_text())
    wrong = input_errors(result.metrics["expectations"])
    for message in wrong:
        print(f"windtunnel: {message}", file=sys.stderr)
    print(folder)
    if not result.valid or result.partial or not whole:
        return NOT_VALID
    if wrong:
        return INPUT_WRONG
    failed = [expectation for expectation in result.metrics["expectations"] if not expectation["passed"]]
    return EXPECTATION_FAILED if check and failed else 0


@app.command()
def replay(
    run_dir: Annotated[Path, typer.Argument(help="A run directory, of a run with --clock virtual.")],
    call: Annotated[str, typer.Option(help="The call's id, as calls.parquet and the report have it.")],
    client: Annotated[
        str | None, typer.Option(help="The client's name; not needed where there is one.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="The number of the repeat, from 0.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every event with all details, as JSON.")] = False,
) -> None:
    """Play a cell of RUN_DIR again up to one call's end, and tell what happened to that call."""
    from windtunnel.harness.replay.command import replay_command

    raise typer.Exit(replay_command(run_dir, call, client=client, repeat=repeat, as_json_text=as_json))


@app.command()
def serve(
    scenario: Annotated[
        str | None, typer.Option(help="Faults, provider and phases of this scenario. Default: healthy.")
    ] = None,
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0,
    admin_port: Annotated[
        int, typer.Option(help="The admin API alone; no fault closes it. 0 picks a free one.")
    ] = 0,
    host: Annotated[str, typer.Option(help="Anything but loopback needs --admin-token.")] = "127.0.0.1",
    journal: Annotated[
        Path | None, typer.Option(help="Write a record per request into this directory.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Server processes; above 1 only without shared state.")] = 1,
    admin_token: Annotated[
        str | None,
        typer.Option(
            envvar="WINDTUNNEL_CONTROL_TOKEN", help="Bearer token that the admin API then asks for."
        ),
    ] = None,
    time_scale: Annotated[
        str | None, typer.Option(help="How long a second of the scenario takes, such as 1/60.")
    ] = None,
    epoch: Annotated[
        Literal["real", "fixed"],
        typer.Option(help="The time that answers state; fixed: equal runs have equal bytes."),
    ] = "real",
) -> None:
    """Run the mock alone; prints one JSON line with its base_url once it is ready."""
    from windtunnel.harness.inputs.gallery import load_scenario
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.mock_server.errors import WindtunnelServerError
    from windtunnel.mock_server.server.options import ServeOptions, default_plan
    from windtunnel.mock_server.server.serve import run as serve_mock

    scale = asked_time_scale(time_scale, "serve")
    plan = load_scenario(scenario, time_scale=scale).plan() if scenario else default_plan(workers)
    options = ServeOptions(
        plan=plan,
        host=host,
        port=port,
        admin_port=admin_port,
        journal=journal,
        workers=workers,
        control_token=admin_token,
        epoch=epoch,
    )
    try:
        code = serve_mock(options)
    except WindtunnelServerError as error:
        print(f"windtunnel serve: {error}", file=sys.stderr)
        code = INPUT_WRONG
    raise typer.Exit(code)


class Kind(StrEnum):
    """What `windtunnel list` can list."""

    scenarios = "scenarios"
    clients = "clients"
    faults = "faults"
    metrics = "metrics"


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything known about each, as JSON.")] = False,
) -> None:
    """Say what there is, a line each."""
    found = _entries(kind)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    width = max(len(entry["name"]) for entry in found)
    for entry in found:
        print(f"{entry['name']:<{width}}  {entry['about']}")


def _entries(kind: Kind) -> list[dict[str, Any]]:
    """Name, about and more of everything of a kind."""
    if kind in (Kind.scenarios, Kind.clients):
        from windtunnel.harness.inputs.gallery import list_clients, list_scenarios

        found = list_scenarios() if kind is Kind.scenarios else list_clients()
        return [{"name": entry.name, "about": entry.about, "file": str(entry.path)} for entry in found]
    if kind is Kind.faults:
        from windtunnel.mock_server.faults import FAULTS
        from windtunnel.mock_server.manual.faults import describe

        return describe(FAULTS.values())
    from windtunnel.reports.metrics import describe as describe_metrics

    return describe_metrics()


@app.command()
def calibrate(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON on stdout.")] = False,
    long: Annotated[
        bool,
        typer.Option(
            "--long", help="Also what takes its time: memory, a virtual day, verdicts on both clocks."
        ),
    ] = False,
    peers: Annotated[
        Path | None,
        typer.Option(help="Also beside aimock and llmock, where they are installed in this folder."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="These alone, with commas between: server, tokens, harness, rules, virtual, peers, memory."
        ),
    ] = None,
    fidelity: Annotated[
        bool,
        typer.Option(
            "--fidelity", help="How true the virtual clock is: the same on both clocks. Nothing else."
        ),
    ] = False,
) -> None:
    """Measure how fast and how true windtunnel is on this machine, each figure beside its yardstick."""
    from windtunnel.harness.calibrate.command import measure_all
    from windtunnel.harness.calibrate.finding import as_json as findings_as_json
    from windtunnel.harness.calibrate.finding import show

    progress = Console(stderr=True)
    findings, machine = measure_all(
        long=long,
        say=lambda message: progress.print(message, style="dim", highlight=False),
        only=[
            *([name.strip() for name in only.split(",")] if only else []),
            *(["fidelity"] if fidelity else []),
        ],
        peers=peers,
    )
    if as_json:
        print(json.dumps(findings_as_json(findings, machine), indent=1))
    else:
        show(findings, Console(width=140) if not sys.stdout.isatty() else Console())
