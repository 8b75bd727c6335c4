"""The command line, as far as no load is played: what it offers, refuses and prints."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from windtunnel.harness.cli import lab
from windtunnel.harness.cli.main import EXAMPLES, app, main
from windtunnel.harness.errors import HarnessError, InputError

COMMANDS = (
    *(
        "run",
        "ab",
        "report",
        "check",
        "init",
        "replay",
        "probe",
        "serve",
        "list",
        "soak",
        "bisect",
        "capacity",
    ),
    "calibrate",
)
HEAVY = (*lab.LAB_MODULES, "aiohttp", "httpx2")


def test_every_command_is_listed() -> None:
    """`--help` names exactly the commands that exist, in the order of their use."""
    assert [command.name for command in app.registered_commands] == list(COMMANDS)
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(command in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(command: str) -> None:
    """`--help` of a command says in a sentence what it does."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    callback = next(one.callback for one in app.registered_commands if one.name == command)
    assert callback is not None
    assert callback.__doc__
    assert callback.__doc__.split("\n")[0] in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "healthy", "--clock", "sundial"],
        ["run", "healthy", "--repeat", "often"],
        ["ab", "healthy", "--a", "openai-default"],
        ["replay", "somewhere"],
        ["serve", "--port", "http"],
        ["list", "colours"],
        ["calibrate", "--no-such-option"],
        ["juggle"],
    ],
    ids=" ".join,
)
def test_wrong_options_exit_2(arguments: list[str]) -> None:
    """What the command line cannot read ends with exit code 2, before anything is done."""
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize("listed", ["scenarios", "clients", "faults", "metrics"])
def test_lists_are_the_same_as_text_and_as_json(listed: str) -> None:
    """`list` prints a line for each name; `--json` has the same names with what is known about them."""
    text = CliRunner().invoke(app, ["list", listed]).stdout
    entries = json.loads(CliRunner().invoke(app, ["list", listed, "--json"]).stdout)
    assert entries
    assert [line.split()[0] for line in text.splitlines()] == [entry["name"] for entry in entries]
    assert all(entry["about"] for entry in entries)


def test_what_is_expected_to_go_wrong_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of the user is a line on stderr and exit code 2, without a traceback."""
    monkeypatch.setattr(sys, "argv", ["windtunnel", "serve", "--scenario", "retry_strom"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("windtunnel: ")
    assert "retry_storm" in printed.err
    assert "Traceback" not in printed.err


def test_a_full_disk_exits_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An error of the operating system ends with exit code 3, and is named."""

    def full(_command: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("windtunnel.harness.cli.report.require_lab", full)
    monkeypatch.setattr(sys, "argv", ["windtunnel", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "No space left on device" in capsys.readouterr().err


def test_a_missing_lab_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a module of the lab is absent, the message names it and the one line that brings it."""
    monkeypatch.setattr(
        lab, "find_spec", lambda name: None if name == "locust" else importlib.util.find_spec(name)
    )
    with pytest.raises(InputError, match=r"^run: needs locust, .*: pip install 'windtunnel\[lab\]'$"):
        lab.require_lab("run")


def test_the_command_line_is_light() -> None:
    """Importing every command imports nothing that takes long."""
    code = "import sys, windtunnel.harness.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) & set(HEAVY) == set()


def test_the_version_is_printed() -> None:
    """`--version` prints name and version, and needs no command."""
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.stdout == f"windtunnel {importlib.metadata.version('windtunnel')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str) -> None:
    """Every command shows what people type, and the options in it exist."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    examples = [line.strip() for line in shown.splitlines() if line.strip().startswith("windtunnel ")]
    assert examples == list(EXAMPLES[command])
    for option in {word for line in examples for word in line.split() if word.startswith("--")}:
        assert option in shown.split("Examples:")[0]


def test_completion_can_be_installed() -> None:
    """The shell's completion is typer's own."""
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize(
    "bug",
    [KeyError("call_id"), RecursionError("deep"), FileNotFoundError(2, "No such file"), HarnessError("?")],
)
def test_a_bug_of_ours_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bug: Exception, tmp_path: Path
) -> None:
    """What nobody expected exits with 70, and says type, place and where the traceback is."""

    def broken(_command: str) -> None:
        raise bug

    monkeypatch.setattr("windtunnel.harness.cli.report.require_lab", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["windtunnel", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 70
    said = capsys.readouterr().err
    assert type(bug).__name__ in said
    assert "test_commands.py:" in said
    (kept,) = tmp_path.glob("windtunnel-bug-*.txt")
    assert str(kept) in said
    assert "Traceback (most recent call last)" in kept.read_text()
