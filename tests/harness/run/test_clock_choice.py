"""Which clock a run is played on when nobody says: virtual, unless something in it needs real time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import RunPlan, resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.run import RunOptions, run

STORM = load_scenario("retry_storm")
CLIENT = load_profile("openai-default")
FORBIDDEN = """
import time

async def ask(call):
    time.sleep(0.01)
    return ""
"""
FINE = """
import asyncio

async def ask(call):
    await asyncio.sleep(0.01)
    return ""
"""
OWN = """
name: own
about: Code of one's own.
driver: python
target: {module}:ask
timeouts: {{total: 2s}}
pool: {{connections: 100}}
"""
SMALL = """
name: small
about: One phase.
warmup: 0s
clients: [openai-default, ./own.yaml]
load: {api: chat, arrivals: constant, rate: 4/s, deadline: 1s}
phases: [{name: calm, for: 2s}]
"""


class Said:
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, cells: Sequence[Cell]) -> None:
        """Nothing is shown."""

    def say(self, message: str) -> None:
        self.lines.append(message)


def scenario(folder: Path, code: str, module: str) -> str:
    (folder / f"{module}.py").write_text(code)
    (folder / "own.yaml").write_text(OWN.format(module=module))
    (folder / "small.yaml").write_text(SMALL)
    return str(folder / "small.yaml")


def test_auto_is_the_default_and_means_virtual() -> None:
    """Who says nothing gets the virtual clock; what was asked for is in the plan."""
    plan = resolve(STORM, [CLIENT])
    assert (STORM.clock, plan.clock_asked, plan.clock, plan.clock_reason) == ("auto", "auto", "virtual", "")
    assert {cell.clock for cell in plan.cells} == {"virtual"}


def test_what_exists_in_real_time_alone_chooses_it() -> None:
    """Several load processes are a thing of real time: they are the reason for it, but for nobody who said virtual."""
    many = STORM.model_copy(update={"load": STORM.load.model_copy(update={"instances": 2})})
    plan = resolve(many, [CLIENT], processes=2)
    assert plan.clock == "real"
    assert plan.clock_reason.startswith("--processes 2")
    assert resolve(STORM, [CLIENT], processes=1).clock == "virtual"
    assert resolve(many, [CLIENT], clock="real").clock_reason == ""


def test_seeds_go_with_the_clock_that_can_play_them() -> None:
    """`--seeds` alone is enough: nobody has to name the clock."""
    assert resolve(STORM, [CLIENT], seeds=3).clock == "virtual"


def test_virtual_time_is_said_in_one_line(tmp_path: Path) -> None:
    """A run that chose the virtual clock says once how much time it played in how much, and what would be real."""
    said = Said()
    records = run(RunOptions(scenario(tmp_path, FINE, "fine_code"), out=tmp_path / "run"), said)
    assert records.failures == ()
    assert len(said.lines) == 1
    assert said.lines[0].startswith("virtual time: 12 s of incident in ")
    assert "`--clock real` plays it over sockets with Locust (about " in said.lines[0]


@pytest.mark.timeout(150)
def test_a_client_that_needs_real_time_is_named_with_the_reason(tmp_path: Path) -> None:
    """Where own code does what no jumping clock can play, the whole run is played in real time, and it says why."""
    said = Said()
    asked = RunOptions(scenario(tmp_path, FORBIDDEN, "forbidden_code"), out=tmp_path / "run")
    records = run(asked, said)
    assert records.failures == ()
    (line,) = [line for line in said.lines if "own" in line]
    assert line.startswith("real time: the client own needs it (time.sleep(0.01) on the virtual clock, in ")
    assert "forbidden_code.py:5 (ask)" in line
    plan = RunPlan.read_json(tmp_path / "run" / "plan.json")
    assert (plan.clock_asked, plan.clock) == ("auto", "real")
    assert "time.sleep" in plan.clock_reason
    assert all((tmp_path / "run" / cell.dir / "locust.log").is_file() for cell in plan.cells)


@pytest.mark.timeout(150)
def test_seeds_become_repeats_where_a_client_needs_real_time(tmp_path: Path) -> None:
    """Who allows for it gets a few repeats in real time in place of many seeds."""
    said = Said()
    asked = RunOptions(
        scenario(tmp_path, FORBIDDEN, "fallen_back"),
        out=tmp_path / "run",
        seeds=3,
        repeats_in_real=1,
        verify="own",
    )
    assert run(asked, said).failures == ()
    plan = RunPlan.read_json(tmp_path / "run" / "plan.json")
    assert (plan.clock, plan.seeds, plan.repeats) == ("real", None, 1)
    assert all((tmp_path / "run" / cell.dir / "locust.log").is_file() for cell in plan.cells)


def test_who_asks_for_virtual_gets_no_other(tmp_path: Path) -> None:
    """`--clock virtual` is a demand: what cannot be played there fails, with what to do."""
    asked = RunOptions(
        scenario(tmp_path, FORBIDDEN, "demanded_code"), clients=None, out=tmp_path / "run", clock="virtual"
    )
    (failure,) = run(asked, Said()).failures
    assert "or run it with --clock real" in failure


def test_verify_is_of_the_virtual_clock(tmp_path: Path) -> None:
    """In real time no two plays are the same: to ask for both is a mistake that is named."""
    asked = RunOptions("healthy", out=tmp_path / "run", clock="real", verify=True)
    with pytest.raises(InputError, match=r"--verify: found --clock real, expected --clock virtual"):
        run(asked, Said())
