"""`windtunnel run` with several scenarios at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from windtunnel.harness.cli.exit_codes import worst
from windtunnel.harness.cli.main import app
from windtunnel.harness.cli.several import run_several
from windtunnel.harness.errors import InputError
from windtunnel.harness.run.run import RunOptions

SCENARIO = """
name: {name}
about: A second of calls.
seed: 1
load: {{api: chat, arrivals: constant, rate: 5/s, deadline: 10s}}
warmup: 0s
phases: [{{name: p, for: 1s}}]
clients: [httpx2-async-default]
expect: ["goodput >= {limit}"]
"""


def scenario(folder: Path, name: str, *, limit: float = 0.5, file: str = "") -> str:
    """A scenario of one second; its expectation fails if `limit` is above 1."""
    path = folder / f"{file or name}.yaml"
    path.write_text(SCENARIO.format(name=name, limit=limit))
    return str(path)


def test_each_scenario_gets_its_run_directory(tmp_path: Path) -> None:
    """Two scenarios are played into two folders of one, the last line is that one, and the worst exit code wins."""
    out = tmp_path / "out"
    asked = [scenario(tmp_path, "first"), scenario(tmp_path, "second", limit=2)]
    shown = CliRunner().invoke(app, ["run", *asked, "--out", str(out), "--check"])
    assert shown.exit_code == 1, shown.output
    assert shown.stdout.splitlines()[-1] == str(out)
    told = {name: json.loads((out / name / "metrics.json").read_text()) for name in ("first", "second")}
    assert {name: one["scenario"] for name, one in told.items()} == {"first": "first", "second": "second"}
    assert [told[name]["expectations"][0]["result"] for name in told] == ["passed", "failed"]


def test_a_mistake_in_the_last_is_found_before_the_first_is_played(tmp_path: Path) -> None:
    """Nothing is played, and no folder is made, if any of the scenarios is wrong."""
    with pytest.raises(InputError, match="nowhere"):
        run_several(
            RunOptions("", out=tmp_path / "out"),
            [scenario(tmp_path, "first"), str(tmp_path / "nowhere.yaml")],
            lambda _: pytest.fail("played"),
        )
    assert not (tmp_path / "out").exists()


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    """They would be played into one folder."""
    asked = [scenario(tmp_path, "one"), scenario(tmp_path, "one", file="other")]
    with pytest.raises(InputError, match="'one' twice"):
        run_several(RunOptions("", out=tmp_path / "out"), asked, lambda _: pytest.fail("played"))


@pytest.mark.parametrize(
    ("codes", "said"), [([0, 0], 0), ([0, 1], 1), ([1, 2], 2), ([3, 1, 2], 3), ([], 0)], ids=str
)
def test_the_worst_exit_code_wins(codes: list[int], said: int) -> None:
    """A measurement that is not valid wins over wrong input, and that over a failed expectation."""
    assert worst(codes) == said
