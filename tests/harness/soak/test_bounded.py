"""What keeps a soak bounded: calls drawn cycle by cycle, records that become steps, and how calls are told apart."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.contract.records import CALLS_SCHEMA, CallRow, call_tuple
from windtunnel.harness.contract.steps import CallStep, append_steps, read_steps
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.soak.calls import SeenCall, calls_of_served, steps_of
from windtunnel.harness.soak.due import due_from
from windtunnel.harness.soak.retention import BLOCK_S, RawRecords
from windtunnel.mock_server.journal.columns import SERVED_NAMES
from windtunnel.mock_server.journal.segments import SegmentWriter

LOAD = Load.model_validate({"rate": "2/s", "deadline": "5s"})


def served(call_id: str, arrived: float, **columns: Any) -> dict[str, Any]:
    """A row of the table `served`: a whole answer after 0.5 s, unless columns say otherwise."""
    row = dict.fromkeys(SERVED_NAMES) | {
        "call_id": call_id,
        "arrived_s": arrived,
        "last_byte_s": arrived + 0.5,
        "ended_s": arrived + 0.5,
        "status": 200,
        "ending": "end",
        "abandoned": False,
        "faults": [],
        "stream": False,
    }
    return row | columns


def test_who_goes_on_with_a_soak_goes_on_with_its_calls() -> None:
    """From any moment on the same calls are due, with the same numbers; cycles differ from each other."""
    whole = list(due_from(LOAD, 60.0, 4, seed=7))
    assert whole == sorted(whole, key=lambda one: one[1])
    assert len({number for number, _ in whole}) == len(whole)
    assert list(due_from(LOAD, 60.0, 4, seed=7, from_s=130.0)) == [one for one in whole if one[1] >= 130.0]
    first, second = ([at - 60 * n for _, at in whole if 60 * n <= at < 60 * n + 60] for n in (0, 1))
    assert first != second
    assert list(due_from(LOAD, 60.0, 4, seed=7, from_s=240.0)) == []


def test_a_programs_calls_are_what_the_provider_saw() -> None:
    """A call goes from its first request to the end of its last, which says how it ended."""
    rows = [
        served("a", 1.0, status=503, last_byte_s=1.1),
        served("a", 2.0),
        served("b", 3.0, abandoned=True, abandoned_at_s=3.2, last_byte_s=None),
        served("c", 4.0, faults=["malformed_json"]),
        served("d", 5.0, status=429),
        served("e", 6.0, ending="cut", last_byte_s=None, ended_s=6.4),
    ]
    found = {one.call_id: one for one in calls_of_served(rows, "bot")}
    assert {name: one.outcome for name, one in found.items()} == {
        "a": "ok", "b": "cancelled", "c": "incomplete", "d": "error", "e": "unfinished"
    }  # fmt: skip
    assert (found["a"].intended_s, found["a"].ended_s, found["a"].attempts_seen) == (1.0, 2.5, 2)
    assert found["b"].ended_s == 3.2


def test_steps_say_what_the_records_said() -> None:
    """Waits of the good calls of each ten seconds, and what was under way at its middle."""
    calls = [SeenCall(i * 0.5, i * 0.5, i * 0.5 + 1 + i % 3, ok=i % 5 != 0) for i in range(60)]
    calls.append(SeenCall(12.0, None, None, ok=False))  # due, and never begun
    steps = steps_of(calls, 0.0, 30.0, deadline_s=2.5, connections=((4.0, 7), (9.0, 8)))
    assert [one.at_s for one in steps] == [5.0, 15.0, 25.0]
    assert [one.due for one in steps] == [20, 21, 20]
    inside = [c.ended_s - c.intended_s for c in calls[:20] if c.ok and c.ended_s is not None]
    good = [wait for wait in inside if wait <= 2.5]
    assert steps[0].good == len(good)
    assert steps[0].median_s == statistics.median(good)
    assert steps[0].p95_s == pytest.approx(statistics.quantiles(good, n=20, method="inclusive")[-1])
    for step in steps:
        under_way = sum(
            c.started_s <= step.at_s < c.ended_s for c in calls[:60] if c.started_s is not None and c.ended_s
        )
        assert step.in_flight == under_way
    assert [one.connections for one in steps] == [7, 8, None]
    assert steps_of([], 0.0, 10.0, 1.0)[0].median_s is None


def test_old_records_become_steps_and_nothing_is_lost_between(tmp_path: Path) -> None:
    """Over ten hours the disk holds an hour and some, and steps and records together have every call once."""
    raw = RawRecords(tmp_path, "bot", keep_s=3600.0, deadline_s=5.0, driven=True)
    writer = SegmentWriter(tmp_path / "calls-1.arrows", CALLS_SCHEMA)
    most = 0
    for at in range(36_000):
        row = CallRow(
            "c", "bot", 0, 0, "", "", "", stream=False, phase=None, warmup=False, intended_s=float(at)
        )
        row.started_s, row.ended_s, row.outcome = float(at), at + 1.0, "ok"
        writer.add(call_tuple(row))
        if (at + 1) % BLOCK_S == 0:
            writer.cut()
            raw.saw(at + 1.0, 3)
            raw.block(at + 1.0)
            most = max(most, len(list(tmp_path.glob("*.arrows"))))
    writer.close()
    assert most <= 3600 / BLOCK_S + 8
    steps = read_steps(tmp_path)
    assert steps[-1].end_s == raw.kept_from_s >= 36_000 - 3600 - 6 * BLOCK_S
    assert [one.at_s for one in steps] == [5.0 + 10 * i for i in range(len(steps))]
    assert {(one.due, one.good, one.median_s) for one in steps} == {(10, 10, 1.0)}
    left = RawRecords(tmp_path, "bot", keep_s=0.0, deadline_s=5.0, driven=True)
    assert left.kept_from_s == raw.kept_from_s, "who goes on knows from where"


def test_steps_survive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    """A kill in the middle of a line costs that line."""
    assert read_steps(tmp_path) == ()
    step = CallStep(5.0, 1, 1, 0.5, 0.5, 0)
    (tmp_path / "steps.jsonl").write_text('{"steps_version":1}\n{"at_s":5.0,"due":1,"good":1,"me')
    assert read_steps(tmp_path) == ()
    append_steps(tmp_path, [step])
    assert read_steps(tmp_path) == (step,)
