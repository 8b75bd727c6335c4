"""A probe, played: the mock with the scenario, an unmodified program pointed at it, and what both leave behind."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.probe.attach import LEAD_S, AttachedLoad, until_there
from windtunnel.harness.probe.options import ProbeOptions
from windtunnel.harness.run.children import Child, start_mock
from windtunnel.harness.run.process import Program, program_environment
from windtunnel.harness.run.stopping import stopping
from windtunnel.harness.run.trust import trusting
from windtunnel.mock_server.journal.segments import compact

READY_TIMEOUT_S = 90.0
END_S = 15.0
POLL_S = 0.25
AFTER_S = 60.0
"""Seconds that a program has after the last phase, for what it has under way."""

API_KEY = "windtunnel-probe"
AZURE_VERSION = "2024-10-21"


@dataclass(slots=True)
class Played:
    """What a probe has left: the folder with the records, and what is known of the program."""

    folder: Path
    seed: int
    lasted_s: float = 0.0
    environment: tuple[str, ...] = ()
    program: dict[str, Any] | None = None
    how_it_ended: str = ""
    running_at_end: bool = False
    interrupted: bool = False
    peers: set[str] = field(default_factory=set)
    users: Path | None = None


def pointing_at(base_url: str) -> dict[str, str]:
    """The variables that libraries read to find their provider, for the mock at `base_url` (it ends in /v1)."""
    root = base_url.removesuffix("/v1")
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_BASE": base_url,  # what LangChain and openai before 1.0 read
        "OPENAI_API_KEY": API_KEY,
        "AZURE_OPENAI_ENDPOINT": root,
        "AZURE_OPENAI_API_KEY": API_KEY,
        "OPENAI_API_VERSION": os.environ.get("OPENAI_API_VERSION", AZURE_VERSION),
        # With the keys of both, openai's module-level client wants to be told.
        "OPENAI_API_TYPE": os.environ.get("OPENAI_API_TYPE", "openai"),
    }


async def play(options: ProbeOptions, scenario: Scenario, folder: Path) -> Played:
    """Play it. Raises `InputError` for a program that cannot be started, `MeasurementError` if a part of ours dies."""
    seed = scenario.seed if options.seed is None else options.seed
    plan = scenario.plan(seed=seed).model_dump(mode="json", by_alias=True)
    write_json(folder / "server_plan.json", plan, indent=1)
    played = Played(folder, seed)
    mock = await start_mock(folder, "server_plan.json", "--port", str(options.port), journal=".")
    try:
        announced = await mock.announcement(READY_TIMEOUT_S)
        with stopping() as stop:
            await _with_mock(options, scenario, mock, announced, played, stop)
    finally:
        await mock.end(END_S)
        await asyncio.to_thread(_compact, folder)
    return played


async def _with_mock(
    options: ProbeOptions,
    scenario: Scenario,
    mock: Child,
    announced: Mapping[str, Any],
    played: Played,
    stop: asyncio.Event,
) -> None:
    """Start the program and the load, as asked for, and watch until they are over."""
    variables = pointing_at(announced["base_url"]) | trusting(announced)
    played.environment = tuple(variables)
    limit_s = options.length_s or scenario.length_s + AFTER_S
    program = None
    load = None
    try:
        began = time.monotonic()
        await _begin(announced["admin_url"], began)
        if options.command:
            program = await Program.start(
                "program", options.command, cwd=Path.cwd(), env=program_environment(variables)
            )
        if options.attach is not None:
            there = until_there(options.attach.url, options.ready_s, program)
            if not await _unless(stop, there):
                played.interrupted = True
                return
            began = time.monotonic() + LEAD_S
            await _begin(announced["admin_url"], began)
            load = await AttachedLoad.start(options.attach, scenario, played.seed, played.folder, began)
            played.users = load.rows
        while not stop.is_set() and time.monotonic() - began < limit_s:
            if not mock.running:
                raise MeasurementError(f"the mock died ({mock.how_it_ended()})")
            if load is not None:
                if not load.running:
                    load.raise_if_failed()
                    break
            elif program is not None and await program.wait_all(0):
                break
            if program is not None:
                played.peers |= await asyncio.to_thread(program.peers)
                if load is None:
                    await program.wait_all(POLL_S)
                    continue
            await asyncio.sleep(POLL_S)
        played.interrupted = stop.is_set()
        played.lasted_s = time.monotonic() - began
    finally:
        if load is not None:
            await load.end()
        if program is not None:
            played.running_at_end = not await program.wait_all(0)
            await program.end()
            _keep(program, played)


def _keep(program: Program, played: Played) -> None:
    played.program = program.record()
    played.how_it_ended = program.how_it_ended()
    write_whole(played.folder / "stdout.txt", program.stdout_kept.text())
    write_whole(played.folder / "stderr.txt", program.stderr_kept.text())


async def _begin(admin: str, t0: float) -> None:
    """Let the first phase begin at `t0` (monotonic seconds); what is sent before meets its conditions, too."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{admin}/reset", json={"t0": t0}) as answer,
    ):
        answer.raise_for_status()


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do `work`; False if the user asks to stop first."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        for task in (doing, stopping):
            task.cancel()


def _compact(folder: Path) -> None:
    """One Parquet file a table in place of the journal's segments."""
    for table in ("served", "connections", "lags"):
        segments = sorted(folder.glob(f"{table}-*.arrows"))
        if segments:
            compact(segments, folder / f"{table}.parquet")
            for segment in segments:
                segment.unlink()
