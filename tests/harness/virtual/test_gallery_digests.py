"""The gallery on the virtual clock: every scenario plays, and every process comes to the same digest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from tests.harness.virtual.shards import play
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.virtual.virtual_cell import VirtualCell
from windtunnel.mock_server.journal.segments import read_segments

PATIENCE_S = 500.0
pytestmark = pytest.mark.timeout(PATIENCE_S + 60)
"""The whole gallery is played, in three processes: a minute, or several on a machine that does other work."""

PLAYED = {
    "healthy": ("openai-default", 1 / 12),
    "malformed_json": ("httpx2-async-default", 1 / 12),
    "rate_limit_wave": ("polite", 1 / 12),
    "region_failover": ("failover-next", 1 / 12),
    "retry_storm": ("openai-4s-timeout", 1 / 12),
    "server_errors": ("openai-aiohttp", 1 / 12),
    "soak_24h": ("openai-async-default", 1 / 1440),
    "stalled_streams": ("openai-async-default", 1 / 12),
}
"""Of each scenario a client, all kinds of drivers among them, and the share of its time that is played here."""

HASH_SEEDS = (1, 2)
LEAST_OK = {"retry_storm": 0.02, "malformed_json": 0.3}
"""Shares of calls that end well at least, where it is not most of them."""


def cells(folder: Path, names: Sequence[str]) -> list[Path]:
    """A cell's directory for each scenario, ready to be played."""
    found = []
    for name in names:
        client, scale = PLAYED[name]
        plan = resolve(load_scenario(name, time_scale=scale), [load_profile(client)], clock="virtual")
        cell = VirtualCell(plan.cells[0], folder / name, processes=1)
        cell.prepare()
        found.append(cell.folder)
    return found


def python(hash_seed: int, *arguments: str) -> None:
    """Run a module in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=False,
    )
    assert process.returncode == 0, process.stderr


def digests(folder: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads((folder / "digest.json").read_text())
    return read


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same cells, played by two processes with different hash seeds."""
    folders = []
    for seed in HASH_SEEDS:
        folder = tmp_path_factory.mktemp(f"gallery-{seed}")
        assert play(cells(folder, list(PLAYED)), seed, PATIENCE_S) == [0] * len(PLAYED)
        folders.append(folder)
    return folders


@pytest.mark.parametrize("name", PLAYED)
def test_two_processes_agree(runs: list[Path], name: str) -> None:
    """Two processes with different hash seeds record the same, to the last byte on the wire."""
    one, other = (digests(run / name) for run in runs)
    assert one == other


@pytest.mark.parametrize("name", PLAYED)
def test_calls_fare_as_the_scenario_says(runs: list[Path], name: str) -> None:
    """Equal digests are not those of a run in which everything failed: every call is there, and most end well."""
    folder = runs[0] / name
    due = pd.read_parquet(folder / "schedule.parquet", columns=["call_id"])
    calls = read_segments(folder.glob("calls-0-*.arrows")).to_pandas()
    calls = calls[~calls["call_id"].str.startswith("first")]
    assert set(calls["call_id"]) == set(due["call_id"])
    assert (calls["outcome"] == "ok").mean() >= LEAST_OK.get(name, 0.6)
    if name == "soak_24h":
        assert 0 < calls["stream"].mean() < 0.3


def test_who_forks_and_who_does_not_agree(runs: list[Path], tmp_path: Path) -> None:
    """A cell that has a process of its own records what it does in a shard."""
    (cell,) = cells(tmp_path, ["retry_storm"])
    python(3, "windtunnel.harness.virtual", str(cell))
    assert digests(cell) == digests(runs[0] / "retry_storm")
