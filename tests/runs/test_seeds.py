"""`windtunnel run --seeds` as a user has it: one report, each seed replayable, nothing left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.command import NOT_VALID, begin, finish
from tests.runs.test_failures import all_gone, descendants, wait_until

pytestmark = pytest.mark.timeout(200)

TINY = """
name: tiny
about: A few calls, some of which fail at first.
seed: 20
clock: virtual
warmup: 1s
provider: {answer: {first_token: {median: 100ms, p99: 300ms}, tokens: 8}}
load: {api: chat, stream: true, arrivals: poisson, rate: 5/s, deadline: 5s}
phases:
  - {name: calm, for: 3s}
  - {name: bad, for: 3s, rules: [{fault: overloaded, rate: 0.5}]}
clients: [openai-default]
"""
MANY = "400"
CLIENT = "openai-default"


def played_by_itself(cell: Path) -> str:
    """The digest of a cell that is played again without a shard, in a fresh process with another hash seed."""
    alone = cell.parent / "alone"
    alone.mkdir()
    (alone / "cell.json").write_bytes((cell / "cell.json").read_bytes())
    command = [sys.executable, "-m", "windtunnel.harness.virtual", "."]
    subprocess.run(command, cwd=alone, env={**os.environ, "PYTHONHASHSEED": "5"}, check=True, timeout=100)
    return str(json.loads((alone / "digest.json").read_text())["digest"])


def test_a_seed_is_played_again_by_itself_to_the_same_digest(tmp_path: Path) -> None:
    """Three seeds are one report; `--seed` of one of them, in another process, has the same records and figures."""
    together = finish(begin(tmp_path, TINY, "--seeds", "3", "--jobs", "1"), tmp_path / "run")
    assert together.code == 0, together.err
    cells = together.metrics["cells"]
    assert [cell["seed"] for cell in cells] == [20, 21, 22]
    assert len({cell["digest"] for cell in cells}) == 3
    assert together.value(CLIENT, "offered", "bad") > 5
    spread = together.metrics["clients"][CLIENT]["seeds"]["amplification"]
    assert spread["min"]["value"] >= 1.0
    assert spread["max"]["seed"] in (20, 21, 22)
    again = tmp_path / "again"
    again.mkdir()
    alone = finish(begin(again, TINY, "--seed", "22"), again / "run").metrics["cells"][0]
    assert (alone["digest"], alone["overall"]) == (cells[2]["digest"], cells[2]["overall"])
    assert not list((tmp_path / "run").glob("shard-*"))
    assert played_by_itself(tmp_path / "run" / "cells" / f"{CLIENT}-1") == cells[1]["digest"]


def test_an_interrupt_reports_the_seeds_that_were_played(tmp_path: Path) -> None:
    """Ctrl-C ends the shards at once; the report is over the whole cells and partial, the exit code 3."""
    running = begin(tmp_path, TINY, "--seeds", MANY, "--jobs", "2")
    cells = tmp_path / "run" / "cells"
    wait_until(lambda: len(list(cells.glob("*/calls.parquet"))) >= 2, "two cells have been played")
    family = descendants(running)
    running.send_signal(signal.SIGINT)
    played = finish(running, tmp_path / "run")
    assert played.code == NOT_VALID
    assert "stopped before it began" in played.err
    assert (played.metrics["partial"], played.metrics["validity"]["state"]) == (True, "valid")
    assert played.metrics["clients"][CLIENT]["seeds"]["goodput"]["count"] >= 2
    wait_until(lambda: all_gone(family), "every child has ended")


def test_a_killed_supervisor_leaves_no_shard(tmp_path: Path) -> None:
    """After kill -9 of the supervisor, the shards and the cells they play end by themselves."""
    running = begin(tmp_path, TINY, "--seeds", MANY, "--jobs", "2")
    cells = tmp_path / "run" / "cells"
    wait_until(lambda: bool(list(cells.glob("*/calls-*"))), "a cell is being played")
    family = descendants(running)
    assert len(family) >= 3
    running.kill()
    running.communicate()
    wait_until(lambda: all_gone(family), "every child has ended")
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["seeds"] == int(MANY)
