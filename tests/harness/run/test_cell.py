"""A cell of a run: its files, its two processes, and what is said when one of them fails.

Mock and load are real child processes of a few lines; only one test starts the real mock.
"""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.children import Child, python, removed_variables
from windtunnel.mock_server.journal.schemas import LAG_SCHEMA
from windtunnel.mock_server.journal.segments import SegmentWriter

PLAN = resolve(load_scenario("retry_storm"), [load_profile("openai-default")], clock="real").cells[0]
PATIENCE_S = 30.0

LISTENS = "import sys; sys.stdin.read()"
"""A part that runs until it is ended: its stdin is never written to."""

Parts = Callable[..., Awaitable[Cell]]


@pytest.fixture
async def cell_with(tmp_path: Path) -> AsyncIterator[Parts]:
    """Make a cell whose mock and load run these lines of Python; both are ended after the test."""
    children = []

    async def make(*, mock: str = LISTENS, load: str = LISTENS, processes: int = 1) -> Cell:
        cell = Cell(PLAN, tmp_path / "cell", processes)
        cell.prepare()
        for name, code in (("mock", mock), ("load", load)):
            child = await Child.spawn(
                name,
                python("-c", textwrap.dedent(code)),
                log=cell.folder / f"{name}.log",
                cwd=cell.folder,
            )
            children.append(child)
            setattr(cell, f"_{name}", child)
        return cell

    yield make
    for child in children:
        await child.end(grace_s=PATIENCE_S)


def begun(cell: Cell, ago_s: float = 0.0) -> Cell:
    """The cell as it is after `begin`, `ago_s` seconds after its t0."""
    cell.t0 = time.monotonic() - ago_s
    cell.state = "running"
    return cell


def status(cell: Cell) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((cell.folder / "status.json").read_text())
    return content


def report(cell: Cell, number: int, **progress: Any) -> None:
    """Write what load process `number` tells of its progress."""
    (cell.folder / f"progress-{number}.json").write_text(json.dumps(progress))


def test_a_cell_is_prepared_as_files(tmp_path: Path) -> None:
    """Before anything is started, the folder has the plan, the server's plan, the schedule and a status."""
    cell = Cell(PLAN, tmp_path / "runs" / "cell", 1)
    cell.prepare()
    assert CellPlan.read_json(cell.folder / "cell.json") == PLAN
    assert json.loads((cell.folder / "server_plan.json").read_text()) == PLAN.server_plan
    assert pq.read_table(cell.folder / "schedule.parquet").num_rows == len(PLAN.schedule())
    assert status(cell) == {
        "state": "preparing",
        "reason": "",
        "t0": None,
        "last_heartbeat_s": None,
        "processes": 1,
        "environment": {"removed": removed_variables(own_code=False), "kept": []},
        "exit_codes": {},
    }
    assert not list(cell.folder.glob("*.part"))
    with pytest.raises(ValueError, match="openai-default-0: the load has not been started"):
        _ = cell.load_pid


async def test_a_mock_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A mock that ends before it says where it listens fails the cell at once, and no load is started."""
    plan = PLAN.model_copy(update={"server_plan": {"provider": "none"}})
    cell = Cell(plan, tmp_path / "cell", 1)
    cell.prepare()
    with pytest.raises(MeasurementError, match=r"the mock did not start \(exit code 2; its last words: .+\)"):
        await cell.start()
    cell.fail("failed", "the mock did not start")
    await cell.close()
    assert status(cell)["state"] == "failed"
    assert status(cell)["reason"] == "the mock did not start"
    assert status(cell)["exit_codes"] == {"mock": 2}
    assert not (cell.folder / "locust.log").exists()


@pytest.mark.parametrize("part", ["mock", "load"])
async def test_a_part_that_dies_before_the_start_is_named(cell_with: Parts, part: str) -> None:
    """While the load gets ready, the end of either process is the end of the cell, with its exit code."""
    cell = await cell_with(**{part: "raise SystemExit('no more memory')"})
    load = cell._load
    assert load is not None
    for child in (cell._mock, load):
        assert child is not None
        if child.name == part:
            await child.wait(PATIENCE_S)
    expected = rf"the {part} died before the start \(exit code 1; its last words: no more memory\)"
    with pytest.raises(MeasurementError, match=expected):
        await cell._until_ready(load)


async def test_a_load_that_never_gets_ready_is_given_up(
    cell_with: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When not every load process is ready in time, the message says so and where to read more."""
    monkeypatch.setattr("windtunnel.harness.run.cell.READY_TIMEOUT_S", 0.0)
    monkeypatch.setattr("windtunnel.harness.run.cell.POLL_S", 0.0)
    cell = await cell_with(processes=2)
    (cell.folder / "ready-1.json").touch()
    assert cell._load is not None
    with pytest.raises(MeasurementError, match=r"not ready after 0 s; see .*load\.log"):
        await cell._until_ready(cell._load)
    (cell.folder / "ready-2.json").touch()
    await cell._until_ready(cell._load)


@pytest.fixture
async def admin() -> AsyncIterator[tuple[str, list[tuple[str, Any]]]]:
    """An admin API that notes what it is asked: its address and its notes."""
    asked: list[tuple[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, await request.json() if request.can_read_body else None))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{action}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", asked
    await runner.cleanup()


async def test_mock_and_load_are_told_one_moment(
    cell_with: Parts, admin: tuple[str, list[tuple[str, Any]]]
) -> None:
    """`begin` gives the same t0 to the mock, to the load and to the status."""
    cell = await cell_with()
    cell._admin, asked = admin
    await cell.begin(1234.5)
    assert asked == [("/plan", PLAN.server_plan), ("/reset", {"t0": 1234.5})]
    first = json.loads((cell.folder / "warm_up_plan.json").read_text())
    assert not first.keys() & {"rules", "phases"}
    assert first == {key: PLAN.server_plan[key] for key in first}
    assert json.loads((cell.folder / "start.json").read_text()) == {"t0": 1234.5}
    assert (cell.state, cell.t0, status(cell)["state"], status(cell)["t0"]) == (
        "running",
        1234.5,
        "running",
        1234.5,
    )
    assert not list(cell.folder.glob("*.part"))


async def test_a_load_that_played_its_schedule_is_finished(cell_with: Parts) -> None:
    """A load that ends with 0 and has told that it is done makes a finished cell; its counts are the sum of all."""
    cell = begun(await cell_with(load="raise SystemExit(0)", processes=2))
    for number, counts in enumerate(((5, 4, 3, 6), (7, 7, 7, 9))):
        names = ("intended", "ended", "ok", "attempts")
        report(cell, number, done=True, heartbeat_s=1.0 + number, **dict(zip(names, counts, strict=True)))
    await cell.watch()
    assert cell.state == "finished"
    found = cell.progress
    assert (found.intended, found.ended, found.ok, found.attempts) == (12, 11, 10, 15)
    assert found.heartbeats == {"progress-0": 1.0, "progress-1": 2.0}
    await cell.close()
    assert status(cell)["last_heartbeat_s"] == 1.0
    assert status(cell)["exit_codes"]["load"] == 0


async def test_a_load_that_fails_is_told_with_its_last_words(cell_with: Parts) -> None:
    """A load with another exit code than 0 has failed, and its log says why."""
    cell = begun(await cell_with(load="raise SystemExit('out of ports')"))
    with pytest.raises(
        MeasurementError, match=r"the load failed \(exit code 1; its last words: out of ports\)"
    ):
        await cell.watch()
    assert cell.state == "running"


async def test_a_load_that_stops_early_is_not_finished(cell_with: Parts) -> None:
    """A load process that ends with 0 without having played its schedule is named by its file."""
    cell = begun(await cell_with(load="raise SystemExit(0)", processes=2))
    report(cell, 0, done=True)
    report(cell, 1, done=False)
    with pytest.raises(MeasurementError, match=r"before its schedule did \(progress-1\.json\)"):
        await cell.watch()


async def test_a_mock_that_dies_in_mid_run_is_told_with_the_moment(cell_with: Parts) -> None:
    """A mock that ends while the load runs ends the cell; the message says how many seconds after t0."""
    cell = begun(await cell_with(mock="import os; os.kill(os.getpid(), 9)"), ago_s=20.0)
    assert cell._mock is not None
    await cell._mock.wait(PATIENCE_S)
    with pytest.raises(MeasurementError, match=r"the mock died at \+2\d\.\d s \(killed by SIGKILL\)"):
        await cell.watch()


async def test_a_load_that_does_not_end_is_given_up(cell_with: Parts) -> None:
    """Long after the last call was due, a load that still runs fails the cell."""
    cell = begun(await cell_with(), ago_s=PLAN.length_s + PLAN.tail_s + 31)
    with pytest.raises(MeasurementError, match="the load still runs 30 s after its end"):
        await cell.watch()


async def test_a_half_written_progress_counts_as_none(cell_with: Parts) -> None:
    """A file that another process is writing, or that holds something else, is left out of the sum."""
    cell = begun(await cell_with())
    report(cell, 0, intended=3, ended=2, ok=1, attempts=4)
    (cell.folder / "progress-1.json").write_text('{"intended": 5, "en')
    (cell.folder / "progress-2.json").write_text("[1]")
    cell._read_progress()
    assert (cell.progress.intended, cell.progress.attempts) == (3, 4)


@pytest.mark.parametrize(
    ("ago_s", "phase"), [(-60.0, "warm-up"), (1.0, "healthy"), (9.0, "brownout"), (55.0, "tail")]
)
async def test_progress_names_the_phase(cell_with: Parts, ago_s: float, phase: str) -> None:
    """Before t0 is the warm-up, after the last phase the tail."""
    cell = begun(await cell_with(), ago_s)
    cell._read_progress()
    assert cell.progress.phase == phase
    assert ago_s <= cell.progress.at_s < ago_s + PATIENCE_S


def segment(cell: Cell, name: str, *rows: tuple[Any, ...]) -> None:
    """Write rows of the table `lags` as one segment, as a process of the cell does."""
    writer = SegmentWriter(cell.folder / name, LAG_SCHEMA)
    for row in rows:
        writer.add(row)
    writer.close()


def lag(at_s: float) -> tuple[str, int, float, float, float]:
    """A row of `LAG_SCHEMA`."""
    return ("server", 1, at_s, 0.001, at_s / 2)


async def test_a_closed_cell_has_tables_in_place_of_segments(cell_with: Parts) -> None:
    """`close` ends both processes and makes one table of all segments; a table without segments stays absent."""
    cell = await cell_with()
    segment(cell, "lags-1.arrows", lag(1.0), lag(2.0))
    segment(cell, "lags-2.arrows", lag(3.0))
    await cell.close()
    assert pq.read_table(cell.folder / "lags.parquet").num_rows == 3
    assert not list(cell.folder.glob("*.arrows"))
    assert not (cell.folder / "calls.parquet").exists()
    assert set(status(cell)["exit_codes"]) == {"mock", "load"}
    assert all(code is not None for code in status(cell)["exit_codes"].values())


async def test_records_that_cannot_be_closed_stay_as_they_are(cell_with: Parts) -> None:
    """When the tables cannot be written the cell has failed, for the first reason that there was; segments stay."""
    cell = await cell_with()
    segment(cell, "lags-1.arrows", lag(1.0))
    (cell.folder / "lags.parquet").mkdir()
    await cell.close()
    assert (cell.state, (cell.folder / "lags-1.arrows").exists()) == ("failed", True)
    assert cell.reason.startswith("the records could not be closed: ")
    cell.reason = "the mock died"
    await cell.close()
    assert cell.reason == "the mock died"


async def test_a_mock_is_asked_to_stop_before_it_is_ended(
    cell_with: Parts, admin: tuple[str, list[tuple[str, Any]]], tmp_path: Path
) -> None:
    """A mock that runs is asked over its admin API to stop and close its journal, and ends with its own exit code."""
    told = tmp_path / "told"
    os.mkfifo(told)
    cell = await cell_with(mock=f"raise SystemExit(len(open({str(told)!r}).read()))")
    cell._admin, asked = admin
    closing = asyncio.create_task(cell.close())
    async with asyncio.timeout(PATIENCE_S):
        while not asked:  # noqa: ASYNC110  # the API is another task of this loop, which is given its turn
            await asyncio.sleep(0)
        await asyncio.to_thread(told.write_text, "stop!")
        await closing
    assert asked == [("/stop", None)]
    assert status(cell)["exit_codes"]["mock"] == 5
