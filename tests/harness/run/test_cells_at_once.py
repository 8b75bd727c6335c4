"""How many cells are played side by side in real time, and what becomes of a cell that was late."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.run.test_clock_choice import Said
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run import run as run_module
from windtunnel.harness.run.cells_at_once import AtOnce, choose, decide
from windtunnel.harness.run.run import RunOptions, run

STORM = load_scenario("retry_storm")
PLAN = resolve(STORM, [load_profile(name) for name in STORM.clients], clock="real")
SHORT = """
name: short
about: One phase.
warmup: 0s
clients: [openai-default, retry-budget]
provider: {answer: {first_token: 20ms, tokens: 2}}
load: {api: chat, arrivals: constant, rate: 4/s, deadline: 1s}
phases: [{name: calm, for: 1s}]
"""


@pytest.mark.parametrize(
    ("call_s", "cores", "jobs"),
    [(0.0055, 2, 2), (0.0120, 2, 1), (0.0010, 2, 4), (0.0055, 8, 4), (0.0001, 64, 4), (9.0, 2, 1)],
)
def test_what_a_call_costs_decides(call_s: float, cores: int, jobs: int) -> None:
    """A dear call means fewer cells at once, more cores more; never more than there are, and at least one."""
    found = decide(PLAN, {"openai-default": call_s, "cheap": call_s / 2}, cores)
    assert found.jobs == jobs
    assert found.why.startswith(f"{jobs} of 4 cells at once: a call of openai-default costs about ")
    assert "--jobs" in found.why


def test_without_a_measurement_cells_go_one_by_one() -> None:
    """A machine on which not even that can be measured gets the most careful choice, and it says why."""
    found = decide(PLAN, {}, 8)
    assert found.jobs == 1
    assert "could not be measured in 3 s" in found.why


def test_the_measurement_is_of_these_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of the plan is named with what its call costs here, and nothing is left behind."""
    monkeypatch.setattr("windtunnel.harness.run.cells_at_once.MEASURE_S", 60.0)
    PLAN.write_json(tmp_path / "plan.json")
    found = choose(PLAN, tmp_path)
    assert found.why.split(" costs")[0].split()[-1] in {cell.client for cell in PLAN.cells}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.timeout(150)
def test_a_late_cell_is_played_again_alone_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status keeps the reason; the other cell is left as it is; nobody looks a second time."""
    monkeypatch.setattr(run_module, "choose", lambda plan, folder: AtOnce(2, "two"))
    (tmp_path / "short.yaml").write_text(SHORT)
    looked: list[float] = []
    said = Said()

    def late(folder: Path) -> dict[str, str]:
        looked.append((folder / "cells" / "openai-default-0" / "status.json").stat().st_mtime)
        return {"retry-budget-0": "Calls were started 40 ms late."}

    asked = RunOptions(str(tmp_path / "short.yaml"), out=tmp_path / "run", clock="real")
    records = run(asked, said, late)
    assert records.failures == ()
    assert len(looked) == 1
    statuses = {
        name: json.loads((tmp_path / "run" / "cells" / name / "status.json").read_text())
        for name in ("openai-default-0", "retry-budget-0")
    }
    assert statuses["retry-budget-0"]["played_again"] == "Calls were started 40 ms late."
    assert statuses["retry-budget-0"]["state"] == "finished"
    assert "played_again" not in statuses["openai-default-0"]
    assert (tmp_path / "run" / "cells" / "openai-default-0" / "status.json").stat().st_mtime == looked[0]
    assert "not valid, played again alone: retry-budget-0" in said.lines
