"""What a cell on the virtual clock costs is told by clocks that are not virtual."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.runs.command import finish, start

SCENARIO = """
name: short
about: Twenty seconds of nothing special.
provider: {answer: {first_token: 50ms, tokens: 4}}
load: {api: chat, stream: false, arrivals: constant, rate: 2/s, deadline: 5s}
phases: [{name: steady, for: 20s}]
clients: [openai-async-default]
"""


def test_a_cell_costs_real_seconds_and_cpu(tmp_path: Path) -> None:
    """Neither is zero, and neither is the incident's length."""
    (tmp_path / "short.yaml").write_text(SCENARIO)
    finish(start("run", "short.yaml", "--clock", "virtual", "--out", "run", cwd=tmp_path), tmp_path / "run")
    (cell,) = (path.parent for path in tmp_path.glob("run/**/cell.json"))
    again = tmp_path / "again"
    again.mkdir()
    (again / "cell.json").write_bytes((cell / "cell.json").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "windtunnel.harness.calibrate.virtual_cell", str(again)],
        cwd=again,
        check=True,
        timeout=100,
        capture_output=True,
        text=True,
    )
    cost = json.loads(done.stdout.splitlines()[-1])
    assert cost["cpu_s"] > 0.01
    assert cost["real_s"] > 0.01
    assert cost["cpu_s"] < 1.5 * cost["real_s"] + 1  # one thread works, and on this clock nobody waits
