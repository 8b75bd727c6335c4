"""Code of one's own is played twice; where it is not the same again, the call is named and nothing is claimed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from windtunnel.harness.plan import RunPlan
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, failures_of, plan_for
from windtunnel.harness.virtual.behaviour import parts_of
from windtunnel.harness.virtual.cell_queue import VirtualSupervisor

APPLICATION = """
import asyncio, os, random, time
from pathlib import Path
from openai import AsyncOpenAI

STATE = Path(__file__).parent / "state"

def client(call):
    return AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, http_client=call.http_client)

async def steady(call):
    headers = {**call.headers, "x-drawn": str(random.Random().random())}
    return await client(call).chat.completions.create(**call.body, extra_headers=headers)

async def pids(call):
    third = call.headers["x-windtunnel-call"].endswith("2")
    headers = {**call.headers, "x-process": str(os.getpid()) if third else "0"}
    return await client(call).chat.completions.create(**call.body, extra_headers=headers)

async def counts(call):
    with STATE.open("a") as file:
        file.write("x" * call.headers["x-windtunnel-call"].startswith("c"))
    if STATE.stat().st_size > 6:
        await asyncio.sleep(0.25)
    return await client(call).chat.completions.create(**call.body, extra_headers=call.headers)

async def gives_up(call):
    STATE.touch()
    if STATE.stat().st_size > 3:
        raise RuntimeError("seen before")
    STATE.write_text(STATE.read_text() + "x")
    return await client(call).chat.completions.create(**call.body, extra_headers=call.headers)
"""
CLIENT = """
name: NAME
about: One's own.
driver: python
target: own_code:NAME
timeouts: {total: 4s}
pool: {connections: 100, keepalive: 20, expiry: 5s}
retries: {kind: none, tries: 1}
"""
SCENARIO = """
name: small
about: One phase.
clients: [CLIENT]
load: {api: chat, stream: false, arrivals: constant, rate: 1/s, instances: 1, deadline: 4s}
phases: [{name: calm, for: 4s}]
warmup: 0s
"""


def plan(folder: Path, name: str, seeds: int | None = None) -> RunPlan:
    """The plan of a small run of one of the functions above."""
    (folder / "own_code.py").write_text(APPLICATION)
    (folder / f"{name}.yaml").write_text(CLIENT.replace("NAME", name))
    (folder / "small.yaml").write_text(SCENARIO.replace("CLIENT", str(folder / f"{name}.yaml")))
    return plan_for(RunOptions(str(folder / "small.yaml"), clock="virtual", seeds=seeds))


def play(plan: RunPlan, folder: Path, *, verify: bool | None = None) -> list[str]:
    """Play it; gives a line for each cell of which nothing can be claimed."""
    import asyncio

    supervisor = VirtualSupervisor(
        plan, folder, jobs=1, reporter=reporter(Console(file=sys.stderr)), verify=verify
    )
    asyncio.run(supervisor.play())
    return failures_of(supervisor.cells)


def test_code_that_is_the_same_again_is_left_alone(tmp_path: Path) -> None:
    """What draws, and reads clocks, is the same the second time; nothing of that second play stays."""
    planned = plan(tmp_path, "steady")
    assert play(planned, tmp_path / "run") == []
    left = {path.name for path in (tmp_path / "run" / planned.cells[0].dir).iterdir()}
    assert "calls.parquet" in left
    assert not left & {"behaviour.json", "verify", "tmp"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("pids", ["call c2 ", "it sent another header x-process"], id="header"),
        pytest.param("counts", ["call c2 ", "started_s of its attempts is"], id="time"),
        pytest.param(
            "gives_up", ["the warm-up call first0 ", "it did nothing in the second play"], id="outcome"
        ),
    ],
)
def test_the_first_call_that_differs_is_named(tmp_path: Path, name: str, said: list[str]) -> None:
    """The cell is not measured, and its reason names the call, where it differs, and what may be the cause."""
    failures = play(plan(tmp_path, name), tmp_path / "run")
    assert len(failures) == 1
    words = [f"{name}-0: played twice with one seed", *said, "process ids"]
    assert [word for word in words if word not in failures[0]] == []


def test_of_many_seeds_the_first_is_verified_unless_all_are_asked_for(tmp_path: Path) -> None:
    """By default one cell of each client pays for a second play; with `verify` all do, and with False none."""
    planned = plan(tmp_path, "pids", seeds=2)
    assert len(play(planned, tmp_path / "some")) == 1
    assert len(play(planned, tmp_path / "all", verify=True)) == 2
    assert play(planned, tmp_path / "none", verify=False) == []


def test_a_request_is_told_by_its_parts() -> None:
    """Line, headers and body have names and checksums, and no values."""
    parts = parts_of(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n\r\n{}")
    assert [name for name, _ in parts] == ["request line", "header host", "header authorization", "body"]
    assert [name for name, _ in parts_of(b'{"a": 1}')] == ["body"]
    assert "secret" not in str(parts)
