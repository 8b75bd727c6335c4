"""The command line: `windtunnel run | report | replay | serve | list | calibrate`, one file each.

Exit codes: 0 fine, and those of `exit_codes.py`. Progress goes to stderr, results to stdout. A command imports what
does its work when it is called: `--help` is quick, and `serve` and `list` need no more than the core dependencies.
"""

from __future__ import annotations

import sys

import typer

from windtunnel.harness.cli.calibrate import calibrate
from windtunnel.harness.cli.exit_codes import NOT_VALID
from windtunnel.harness.cli.list_command import list_command
from windtunnel.harness.cli.replay import replay
from windtunnel.harness.cli.report import report
from windtunnel.harness.cli.run import run
from windtunnel.harness.cli.serve import serve
from windtunnel.harness.errors import HarnessError

app = typer.Typer(
    name="windtunnel",
    help="A wind tunnel for OpenAI clients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("run")(run)
app.command("report")(report)
app.command("replay")(replay)
app.command("serve")(serve)
app.command("list")(list_command)
app.command("calibrate")(calibrate)


def main() -> None:
    """Run the command line, and turn the errors that are expected into one message and an exit code."""
    try:
        app()
    except HarnessError as error:
        print(f"windtunnel: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"windtunnel: {error}", file=sys.stderr)
        raise SystemExit(NOT_VALID) from None
