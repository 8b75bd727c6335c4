"""A load process from its cell's plan to its last row, against a server of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.harness.clients.conftest import profile_of
from tests.harness.clients.fault_server import Exchange, FaultServer, Handler, completion
from windtunnel.harness.contract.records import ATTEMPTS_SCHEMA, CALLS_SCHEMA, LAG_SCHEMA
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.mock_server.journal.segments import read_segments

SCHEMAS = {"calls": CALLS_SCHEMA, "attempts": ATTEMPTS_SCHEMA, "lags": LAG_SCHEMA}
READY_TIMEOUT_S = 60.0


def plan_of(driver: str, target: str | None = None, **load: Any) -> CellPlan:
    """Forty calls in two phases of a second each, with 0.5 s before and after."""
    scenario = Scenario.model_validate(
        {
            "name": "tested",
            "about": "A test.",
            "seed": 5,
            "load": {"arrivals": "constant", "rate": "20/s", "deadline": "10s", "instances": 3, **load},
            "phases": [{"name": "one", "for": "1s"}, {"name": "two", "for": "1s"}],
            "clients": ["openai-default"],
        }
    )
    plan = resolve(
        scenario,
        [Profile.model_validate(profile_of(driver, **({"target": target} if target else {})))],
        clock="real",
    )
    return plan.cells[0].model_copy(update={"warmup_s": 0.5, "tail_s": 0.5})


class Share:
    """The records that the processes of one cell left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = {
            name: read_segments(folder.glob(f"{name}-*.arrows"), schema).to_pandas()
            for name, schema in SCHEMAS.items()
        }
        self.progress = [json.loads(path.read_text()) for path in sorted(folder.glob("progress-*.json"))]

    @property
    def calls(self) -> pd.DataFrame:
        return self.tables["calls"]


Play = Callable[..., Share]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`play(handler, driver, processes=…, **load)` plays a cell and reads what it recorded."""

    def run(
        handler: Handler, driver: str, *, processes: int = 1, target: str | None = None, **load: Any
    ) -> Share:
        cell = tmp_path / "cell.json"
        plan_of(driver, target, **load).write_json(cell)
        script = str(Path(__file__).parent / "load_process.py")
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "WINDTUNNEL_PARENT_PID": str(os.getpid())}
        with FaultServer(handler).running() as server:
            workers = [
                subprocess.Popen(
                    [sys.executable, script, str(cell), str(number), str(processes), server.base_url],
                    env=environment,
                )
                for number in range(processes)
            ]
            begin_when_ready(tmp_path, workers)
            assert [worker.wait(60) for worker in workers] == [0] * processes
        return Share(tmp_path)

    return run


def begin_when_ready(folder: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    """Announce t0 once every process has said that it is ready."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    pause = threading.Event()
    while len(list(folder.glob("ready-*.json"))) < len(workers):
        assert time.monotonic() < deadline
        assert all(worker.poll() is None for worker in workers)
        pause.wait(0.02)
    part = folder / "start.part"
    part.write_text(json.dumps({"t0": time.monotonic() + 1.0}))
    part.rename(folder / "start.json")


@pytest.mark.parametrize(("target", "leaked"), [("leaks", 4), ("tidy", 0)])
def test_connections_that_are_lost_are_told_from_those_that_are_kept(
    play: Play, target: str, leaked: int
) -> None:
    """Each refused answer that is kept unread costs a connection; those that wait for their next request do not."""

    def refuses_four(exchange: Exchange) -> None:
        if exchange.headers.get("x-windtunnel-call") in ("c5", "c15", "c25", "c35"):
            exchange.json({"error": {"message": "no"}}, status=429)
        else:
            exchange.json(completion())

    share = play(refuses_four, "python", target=f"targets:{target}")
    found = json.loads((share.folder / "pools-0.json").read_text())
    assert (found["pools"], found["leaked"]) == (3, leaked)
    assert found["idle"] > 0


def healthy(exchange: Exchange) -> None:
    exchange.json(completion())


@pytest.mark.parametrize("driver", ["openai", "openai-async", "httpx2"])
def test_every_scheduled_call_is_made_once_at_its_time(play: Play, driver: str) -> None:
    """The calls of the schedule, and no others, are started in their order, in their phase, on their instance."""
    share = play(healthy, driver)
    expected = {arrival.call_id: arrival for arrival in plan_of(driver).schedule()}
    calls = share.calls.set_index("call_id")
    assert sorted(calls.index) == sorted(expected)
    for call_id, row in calls.iterrows():
        arrival = expected[str(call_id)]
        assert (row["intended_s"], row["instance"]) == (arrival.intended_s, arrival.instance)
        assert row["warmup"] == (arrival.intended_s < 0)
        assert row["started_s"] - row["intended_s"] > -0.002
    measured = calls[calls["phase"].notna()]
    assert dict(measured["phase"].value_counts()) == {"one": 20, "two": 20}
    assert set(calls["outcome"]) == {"ok"}
    (progress,) = share.progress
    counts = (progress["intended"], progress["ended"], progress["ok"], progress["attempts"])
    assert (counts, progress["done"]) == ((40, 40, 40, 40), True)


@pytest.mark.parametrize("driver", ["openai", "openai-async"])
def test_processes_share_the_schedule_without_overlap(play: Play, driver: str) -> None:
    """Two processes together make exactly the calls of one, each those of its own instances."""
    share = play(healthy, driver, processes=2)
    expected = sorted(arrival.call_id for arrival in plan_of(driver).schedule())
    assert sorted(share.calls["call_id"]) == expected
    assert set(share.calls["worker"] - share.calls["instance"] % 2) == {0}
    assert [progress["done"] for progress in share.progress] == [True, True]


@pytest.mark.alone
@pytest.mark.parametrize("driver", ["openai", "openai-async"])
def test_calls_wait_for_a_free_worker_and_the_wait_counts(play: Play, driver: str) -> None:
    """With one worker an instance, a call behind a slow one starts late, by the client's own limit."""
    release = threading.Event()

    def slow_at_first(exchange: Exchange) -> None:
        if exchange.headers.get("x-windtunnel-call") == "c0":
            release.wait(0.5)
        exchange.json(completion())

    share = play(slow_at_first, driver, instances=1, concurrency=1)
    calls = share.calls.set_index("call_id")
    assert calls.loc["c0", "lateness_cause"] == ""
    behind = calls.loc["c1"]
    assert behind["lateness_cause"] == "client_limit"
    assert behind["started_s"] >= calls.loc["c0", "ended_s"] - 0.001
    assert behind["started_s"] - behind["intended_s"] > 0.3


@pytest.mark.parametrize("driver", ["openai", "openai-async", "httpx2"])
def test_what_still_runs_at_the_end_is_unfinished(play: Play, driver: str) -> None:
    """Calls that nobody answers are unfinished once schedule and tail are over, with their attempts."""

    def ignore_some(exchange: Exchange) -> None:
        if exchange.headers.get("x-windtunnel-call") in ("c3", "c30"):
            exchange.until_left()
        else:
            exchange.json(completion())

    share = play(ignore_some, driver)
    cut = share.calls[share.calls["outcome"] == "unfinished"]
    assert sorted(cut["call_id"]) == ["c3", "c30"]
    assert (cut["ended_s"] >= 2.5).all()
    assert "cancelled" not in set(share.calls["outcome"])
    attempts = share.tables["attempts"]
    assert set(attempts[attempts["status"].isna()]["call_id"]) == {"c3", "c30"}


@pytest.mark.parametrize(("driver", "sources"), [("openai", {"hub"}), ("openai-async", {"hub", "loop"})])
def test_a_process_notes_how_late_it_is_for_its_own_clock(play: Play, driver: str, sources: set[str]) -> None:
    """The hub, and the loop where there is one, leave a heartbeat about every 20 ms with the CPU time so far."""
    lags = play(healthy, driver).tables["lags"]
    assert set(lags["source"]) == sources
    for _, beats in lags[lags["at_s"].between(0, 2)].groupby("source"):
        assert len(beats) <= 101
        assert (beats["lag_s"] >= -0.002).all()
        assert beats["at_s"].is_monotonic_increasing
        assert beats["cpu_s"].is_monotonic_increasing
