"""Two digests of a cell: of what the client did, and of everything, its own name included."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console

from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, failures_of, plan_for
from windtunnel.harness.virtual.cell_queue import VirtualSupervisor
from windtunnel.harness.virtual.digests import TableDigests

APPLICATION = """
from openai import AsyncOpenAI

async def made(call, **names):
    client = AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, http_client=call.http_client)
    return await client.chat.completions.create(**call.body, extra_headers={**call.headers, **names})

async def one(call):
    return await made(call)

async def other(call):
    names = {"user-agent": "a-fork/9", "x-stainless-package-version": "9.0.0", "x-stainless-os": "Amiga"}
    return await made(call, **names)

async def twice(call):
    await made(call)
    return await made(call)
"""
CLIENT = """
name: NAME
about: One's own.
driver: python
target: three_clients:NAME
timeouts: {total: 4s}
pool: {connections: 100, keepalive: 20, expiry: 5s}
retries: {kind: none, tries: 1}
"""
SCENARIO = """
name: small
about: One phase, in which some calls fail.
clients: [CLIENTS]
load: {api: chat, stream: false, arrivals: constant, rate: 2/s, instances: 1, deadline: 4s}
phases: [{name: calm, for: 4s, rules: [{fault: overloaded, rate: 0.3}]}]
warmup: 0s
"""


def test_what_only_names_the_client_is_left_out(tmp_path: Path) -> None:
    """Other names in profile and headers leave the digest as it is, and change wire_digest; another request changes
    both."""
    (tmp_path / "three_clients.py").write_text(APPLICATION)
    names = ("one", "other", "twice")
    for name in names:
        (tmp_path / f"{name}.yaml").write_text(CLIENT.replace("NAME", name))
    files = ", ".join(str(tmp_path / f"{name}.yaml") for name in names)
    (tmp_path / "small.yaml").write_text(SCENARIO.replace("CLIENTS", files))
    planned = plan_for(RunOptions(str(tmp_path / "small.yaml"), clock="virtual"))
    quiet = reporter(Console(file=sys.stderr))
    supervisor = VirtualSupervisor(planned, tmp_path / "run", jobs=1, reporter=quiet, verify=False)
    asyncio.run(supervisor.play())
    assert failures_of(supervisor.cells) == []
    one, other, twice = (
        json.loads((tmp_path / "run" / cell.dir / "digest.json").read_text()) for cell in planned.cells
    )
    assert one["digest"] == other["digest"] != twice["digest"]
    assert len({found["wire_digest"] for found in (one, other, twice)}) == 3


def test_a_warm_up_is_no_behaviour() -> None:
    """What was served before the first call counts on the wire alone: libraries write the same body in other bytes."""
    names = ["call_id", "status"]
    one, other = TableDigests(names), TableDigests(names)
    one.add(("first0", 200))
    for table in (one, other):
        table.begin()
        table.add(("c0", 200))
    assert str(one.behaviour) == str(other.behaviour)
    assert str(one.whole) != str(other.whole)
