"""The command line: `windtunnel run`, `ab`, `report`, `check` and all others, one file each.

Exit codes: 0 fine, and those of `exit_codes.py`. Progress goes to stderr, results to stdout. A command imports what
does its work when it is called: `--help` is quick, and `serve` and `list` need no more than the core dependencies.
"""

from __future__ import annotations

import errno
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from windtunnel.harness.cli.ab import ab
from windtunnel.harness.cli.baseline import baseline
from windtunnel.harness.cli.bisect import bisect
from windtunnel.harness.cli.bug import BUG, report_bug
from windtunnel.harness.cli.calibrate import calibrate
from windtunnel.harness.cli.capacity import capacity
from windtunnel.harness.cli.check import check
from windtunnel.harness.cli.env import app as env_app
from windtunnel.harness.cli.exit_codes import NOT_VALID
from windtunnel.harness.cli.init import init
from windtunnel.harness.cli.list_command import list_command
from windtunnel.harness.cli.probe import probe
from windtunnel.harness.cli.replay import replay
from windtunnel.harness.cli.report import report
from windtunnel.harness.cli.run import run
from windtunnel.harness.cli.serve import serve
from windtunnel.harness.cli.soak import soak
from windtunnel.harness.errors import HarnessError
from windtunnel.mock_server.errors import printable

OF_THE_SYSTEM = {
    getattr(errno, name)
    for name in (
        *("EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENAMETOOLONG"),
        *("ENFILE", "ENOMEM", "ENOSPC", "EPERM", "EPIPE", "EROFS"),
    )
}
"""What the operating system may refuse to anybody. Any other error of it is a mistake of ours."""
INTERRUPTED = 130

app = typer.Typer(
    name="windtunnel",
    help="A wind tunnel for OpenAI clients.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXAMPLES = {
    "run": (
        "windtunnel run retry_storm",
        "windtunnel run retry_storm --clients openai-default,./my-client.yaml",
        "windtunnel run ./mine.yaml --seeds 20 --check",
        "windtunnel run retry_storm --clock both --out compared",
        "windtunnel run retry_storm server_errors --clients all --out runs/matrix",
        "windtunnel run --resume runs/matrix",
        "windtunnel run runs/20261121-101502-retry_storm/plan.json",
    ),
    "ab": (
        "windtunnel ab retry_storm --a openai-default --b ./my-client.yaml",
        "windtunnel ab retry_storm rate_limit_wave --a openai-default --b polite --floor goodput=0.05",
        "windtunnel ab server_errors --a openai-default --b openai-default --python-b newest",
    ),
    "report": (
        "windtunnel report runs/20261121-101502-retry_storm",
        "windtunnel report runs/20261121-101502-retry_storm --check",
    ),
    "check": (
        "windtunnel check runs/20261121-101502-retry_storm",
        "windtunnel check runs/a runs/b --expect 'amplification@after <= 1.5' --junit check.xml --markdown check.md",
    ),
    "baseline": (
        "windtunnel run ./mine.yaml --seeds 20 --out runs/mine",
        "windtunnel baseline write runs/mine -o mine.baseline.json",
        "windtunnel check runs/mine --baseline mine.baseline.json",
    ),
    "init": ("windtunnel init", "windtunnel init --target myapp:summarise --ci gitlab --yes"),
    "replay": ("windtunnel replay runs/20261121-101502-retry_storm --client naive-loop --call c17",),
    "probe": (
        "windtunnel probe --scenario rate_limit_wave -- node app.js",
        "windtunnel probe --scenario server_errors --min-certainty 0.9 -- python job.py",
        """windtunnel probe --attach http://127.0.0.1:8000/ask --body '{"question": "{{n}}?"}' -- python service.py""",
    ),
    "serve": (
        "windtunnel serve --port 8080",
        "windtunnel serve --scenario rate_limit_wave --port 8080 --journal served",
    ),
    "list": ("windtunnel list scenarios", "windtunnel list faults --json"),
    "soak": (
        "windtunnel soak soak_24h --for 96h",
        "windtunnel soak ./mine.yaml --for 8h --cycle 30m --clients ./my-client.yaml",
        "windtunnel soak server_errors --for 8h --attach http://127.0.0.1:8000/ask --body '{{n}}' -- python app.py",
        "windtunnel soak --resume runs/20261121-101502-soak-server_errors",
    ),
    "bisect": (
        "windtunnel bisect server_errors --package openai --good 2.54.0 --bad newest",
        "windtunnel bisect retry_storm --package openai --good 2.54.0 --bad 3.57.0 --metric goodput@after",
    ),
    "capacity": (
        "windtunnel capacity healthy --slo 'latency_p95_s <= 4, goodput >= 0.99'",
        "windtunnel capacity ./mine.yaml --slo 'ttft_p95_s <= 2, goodput >= 0.99' --clients ./my-client.yaml",
    ),
    "env": (
        "windtunnel env create old --with openai==2.54.0",
        "windtunnel env list",
        "windtunnel env remove old",
    ),
    "calibrate": ("windtunnel calibrate", "windtunnel calibrate --only server,tokens --json"),
}
"""What people type, by command; each is at the end of the command's help."""


def _epilog(command: str) -> str:
    return "\n\n".join(("Examples:", *EXAMPLES[command]))


app.command("run", epilog=_epilog("run"))(run)
app.command("ab", epilog=_epilog("ab"))(ab)
app.command("report", epilog=_epilog("report"))(report)
app.command("check", epilog=_epilog("check"))(check)
app.add_typer(baseline, name="baseline", epilog=_epilog("baseline"))
app.command("init", epilog=_epilog("init"))(init)
app.command("replay", epilog=_epilog("replay"))(replay)
app.command("probe", epilog=_epilog("probe"))(probe)
app.command("serve", epilog=_epilog("serve"))(serve)
app.command("list", epilog=_epilog("list"))(list_command)
app.command("soak", epilog=_epilog("soak"))(soak)
app.command("bisect", epilog=_epilog("bisect"))(bisect)
app.command("capacity", epilog=_epilog("capacity"))(capacity)
app.add_typer(env_app, name="env", epilog=_epilog("env"))
app.command("calibrate", epilog=_epilog("calibrate"))(calibrate)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"windtunnel {version('windtunnel')}")
        raise typer.Exit


@app.callback(epilog="\n\n".join(("Examples:", *(lines[0] for lines in EXAMPLES.values()))))
def windtunnel(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """A wind tunnel for OpenAI clients."""


def main() -> None:
    """Run the command line, and turn the errors that are expected into one message and an exit code."""
    try:
        app()
    except HarnessError as error:
        if error.exit_code == BUG:
            raise SystemExit(report_bug(error)) from None
        print(printable(f"windtunnel: {error}"), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written
        if error.errno not in OF_THE_SYSTEM:
            raise SystemExit(report_bug(error)) from None
        print(printable(f"windtunnel: {error}"), file=sys.stderr)
        raise SystemExit(NOT_VALID) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a bug, and says so
        raise SystemExit(report_bug(error)) from None
