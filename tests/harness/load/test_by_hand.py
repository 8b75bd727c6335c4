"""Locust by hand, as the manual prints it: the totals count calls, a report is left, and nothing else."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = """
name: by_hand
about: Half of all attempts fail.
warmup: 0s
provider: {answer: {first_token: 20ms, tokens: 2}}
load: {api: chat, arrivals: constant, rate: 4/s, deadline: 1s}
phases: [{name: broken, for: 3s, rules: [{fault: server_error, rate: 0.5}]}]
clients: [openai-default]
"""


@pytest.mark.timeout(150)
def test_locust_by_hand(tmp_path: Path) -> None:
    """One test of Locust's is one run directory; attempts have rows of their own, and are not in the total."""
    (tmp_path / "by_hand.yaml").write_text(SCENARIO)
    litter = tmp_path / "tmp"
    litter.mkdir()
    command = [sys.executable, "-m", "windtunnel.scenarios.locustfile", "--scenario", "by_hand.yaml"]
    done = subprocess.run(
        [*command, "--headless", "-u", "1", "-r", "1", "--csv", "stats"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(litter)},
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "stats_stats.csv").read_text().splitlines()))
    counts = {row["Type"] or row["Name"]: int(row["Request Count"]) for row in rows}
    assert counts["ATTEMPT"] > counts["CALL"]
    assert counts["Aggregated"] == counts["CALL"]
    (run,) = (tmp_path / "runs").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["partial"] is False
    assert metrics["clients"]["openai-default"]["overall"]["offered"]["value"] == 12
    assert (run / "report.html").is_file()
    assert list(litter.glob("windtunnel-*")) == []
