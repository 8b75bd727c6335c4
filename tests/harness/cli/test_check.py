"""`windtunnel check` as a command: exit codes, files, and what it says inside GitHub Actions."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.reports.page.queue_simulation import CLIENTS, Phase
from tests.reports.page.rundir import write_run
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten healthy seconds."""
    folder = tmp_path_factory.mktemp("runs") / "calm"
    phases = (Phase("only", 0, 10),)
    return write_run(folder, clients=CLIENTS[:1], phases=phases, name="calm", expect=("goodput >= 0.9",))


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def test_files_are_written_also_when_it_fails(calm: Path, tmp_path: Path) -> None:
    """All three forms are there, in a folder that is made, and the exit code is 1."""
    files = {name: tmp_path / "new" / f"check.{name}" for name in ("junit", "markdown", "json")}
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    shown = CliRunner().invoke(app, ["check", str(calm), "--expect", "goodput >= 2", *options])
    assert shown.exit_code == 1, shown.output
    assert Xml.parse(files["junit"]).getroot().get("failures") == "1"
    assert "1 failed" in files["markdown"].read_text()
    assert json.loads(files["json"].read_text())["exit_code"] == 1


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--json"])
@pytest.mark.parametrize("place", ["folder", "below a file", "/proc/windtunnel/x"])
def test_a_file_that_cannot_be_written_is_told_before_anything_else(
    tmp_path: Path, option: str, place: str
) -> None:
    """Exit 2 with the option and the path; not even that there is no such run is told before."""
    (tmp_path / "file").write_text("")
    path = {"folder": tmp_path, "below a file": tmp_path / "file" / "x"}.get(place, Path(place))
    shown = CliRunner().invoke(app, ["check", str(tmp_path / "no-run"), option, str(path)])
    assert isinstance(shown.exception, InputError)
    assert str(shown.exception).startswith(f"{option}: {path}: found ")
    assert shown.stdout == ""


def test_two_forms_in_one_file_are_refused(calm: Path, tmp_path: Path) -> None:
    """The second would replace the first."""
    shown = CliRunner().invoke(
        app, ["check", str(calm), "--junit", str(tmp_path / "x"), "--json", str(tmp_path / "x")]
    )
    assert isinstance(shown.exception, InputError)


def test_an_unknown_metric_is_told_with_the_nearest_one() -> None:
    """An --expect is checked before any run is read."""
    shown = CliRunner().invoke(app, ["check", "no-run", "--expect", "goodputt >= 1"])
    assert isinstance(shown.exception, InputError)
    assert "did you mean 'goodput'?" in str(shown.exception)


def test_inside_github_it_annotates_and_writes_the_summary(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option: errors as annotations, and the Markdown behind what the summary has already."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    shown = CliRunner().invoke(app, ["check", str(calm), "--expect", "goodput >= 2"])
    assert shown.exit_code == 1
    assert "::error title=windtunnel%3A calm::openai-default: goodput is" in shown.stdout
    assert summary.read_text().startswith("before\n## windtunnel: ✗ failed")


def test_a_summary_that_cannot_be_written_changes_no_verdict(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is not the user's input: it is told, and the exit code stays."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    shown = CliRunner().invoke(app, ["check", str(calm)])
    assert shown.exit_code == 0
    assert "no job summary" in shown.stderr
