"""`windtunnel run --resume`: what is missing of a run is played, and nothing else; another run is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.harness.cli.test_several import scenario
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.run.resume import held

CLIENTS = "httpx2-async-default,aiohttp-default"


def play(*arguments: str) -> int:
    """Run the command; its exit code. Raises what the command raises."""
    shown = CliRunner().invoke(app, ["run", *arguments])
    if shown.exception is not None and not isinstance(shown.exception, SystemExit):
        raise shown.exception
    return shown.exit_code


def digests(folder: Path) -> dict[str, str]:
    """The digest of every cell below a folder, by its path in it."""
    found = sorted(folder.rglob("digest.json"))
    return {str(path.parent.relative_to(folder)): json.loads(path.read_text())["digest"] for path in found}


def break_off(cell: Path) -> None:
    """Make a cell look as one that was cut off while it was played."""
    status = json.loads((cell / "status.json").read_text())
    (cell / "status.json").write_text(json.dumps({**status, "state": "running"}))
    (cell / "calls.parquet").unlink()


def when(cell: Path) -> int:
    """When a cell was played."""
    return (cell / "cell.json").stat().st_mtime_ns


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario, and its run with two clients in `run`."""
    folder = tmp_path_factory.mktemp("whole")
    asked = scenario(folder, "first")
    assert play(asked, "--clients", CLIENTS, "--out", str(folder / "run")) == 0
    return folder


def test_only_what_is_missing_is_played(whole: Path) -> None:
    """A cell that was cut off is played again and has the digest that it has in a whole run; the other one stays."""
    run = whole / "run"
    before = digests(run)
    cut, kept = run / "cells/aiohttp-default-0", run / "cells/httpx2-async-default-0"
    break_off(cut)
    of_the_kept = when(kept)
    assert play("--resume", str(run)) == 0
    assert digests(run) == before
    assert json.loads((cut / "status.json").read_text())["state"] == "finished"
    assert when(kept) == of_the_kept


def test_a_whole_run_is_left_as_it_is(whole: Path) -> None:
    """Nothing is missing: no cell is played, and the report is made once more. Scenario and options may be repeated."""
    run = whole / "run"
    times = {cell: when(cell) for cell in (run / "cells").iterdir()}
    again = ("--resume", str(run))
    assert play(*again) == 0
    assert play(str(whole / "first.yaml"), "--clients", CLIENTS, *again) == 0
    assert {cell: when(cell) for cell in (run / "cells").iterdir()} == times


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "9"], r"seed: 9 instead of 1"),
        (["--clients", "polite"], r"clients: polite instead of httpx2-async-default, aiohttp-default"),
        (["--repeat", "2"], r"repeats: 2 instead of 1"),
        (["--clock", "real"], r"clock: real instead of virtual"),
        (["healthy"], r"clients: .*scenario.name: healthy instead of first"),
        (["healthy", "retry_storm"], r"2 scenario\(s\) asked for, expected the 1 of this run: first"),
        (["--out", "elsewhere"], r"--out elsewhere as well, expected one of them"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_another_run_is_refused_with_what_differs(whole: Path, arguments: list[str], said: str) -> None:
    """The run asked for must be the one that is there; the message has the key, what is asked and what is there."""
    with pytest.raises(InputError, match=said) as caught:
        play(*arguments, "--resume", str(whole / "run"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["openai", "windtunnel"])
def test_a_run_of_another_version_is_refused(whole: Path, key: str, tmp_path: Path) -> None:
    """Cells that were played with other packages are not mixed with those of today."""
    plan = json.loads((whole / "run/plan.json").read_text())
    plan["versions"][key] = "0.0.1"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(
        InputError, match=rf"{key}: .* instead of 0\.0\.1, expected the versions that its other"
    ):
        play("--resume", str(tmp_path))


def test_another_form_of_plan_is_refused(whole: Path, tmp_path: Path) -> None:
    """A plan of a later windtunnel says so."""
    plan = json.loads((whole / "run/plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "plan_version": 99}))
    with pytest.raises(InputError, match="plan_version: found 99, expected 1"):
        play("--resume", str(tmp_path))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, one without a plan, and one with something else in its plan."""
    with pytest.raises(InputError, match="no such directory, expected a run directory"):
        play("--resume", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"a directory without plan\.json"):
        play("--resume", str(tmp_path))
    (tmp_path / "plan.json").write_text("[1]")
    with pytest.raises(InputError, match="a plan written by windtunnel"):
        play("--resume", str(tmp_path))


def test_a_run_that_is_still_played_is_refused(whole: Path) -> None:
    """Who plays a run holds its directory."""
    with (
        held(whole / "run"),
        pytest.raises(InputError, match="still being played, expected one that has ended"),
    ):
        play("--resume", str(whole / "run"))


def test_several_scenarios_go_on(tmp_path: Path) -> None:
    """Of two scenarios the first lost a cell and the second was never begun: both are whole afterwards."""
    asked = [scenario(tmp_path, "first"), scenario(tmp_path, "second")]
    out = tmp_path / "out"
    assert play(*asked, "--clients", CLIENTS, "--out", str(out)) == 0
    before = digests(out)
    assert len(before) == 4
    break_off(out / "first/cells/aiohttp-default-0")
    for path in sorted((out / "second").rglob("*"), reverse=True):
        if path.name != "plan.json":
            path.rmdir() if path.is_dir() else path.unlink()
    assert play("--resume", str(out)) == 0
    assert digests(out) == before
    with pytest.raises(InputError, match=r"first: --resume: found seed: 5 instead of 1"):
        play("--resume", str(out), "--seed", "5")
    (out / "runs.json").write_text("{}")
    with pytest.raises(InputError, match=r"runs\.json: found runs_version None, expected 1"):
        play("--resume", str(out))


def test_neither_scenario_nor_run_is_refused() -> None:
    """`run` needs something to play."""
    assert play() == 2
