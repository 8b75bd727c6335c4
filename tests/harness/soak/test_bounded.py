"""What keeps a soak bounded: calls drawn cycle by cycle, records that become steps, and how calls are told apart."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.contract.records import CALLS_SCHEMA, CallRow, call_tuple
from windtunnel.harness.contract.steps import CallStep, append_steps, read_steps
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.load.kept_calls import SeenCall, calls_of_served, steps_of
from windtunnel.harness.load.retention import BLOCK_S, RawRecords, rows_in, truths_of
from windtunnel.harness.soak.cycles import check_disk, cycled
from windtunnel.harness.soak.due import due_from
from windtunnel.mock_server.journal.columns import SERVED_NAMES
from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
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
    most, block = 0, BLOCK_S
    for at in range(36_000):
        row = CallRow(
            "c", "bot", 0, 0, "", "", "", stream=False, phase=None, warmup=False, intended_s=float(at)
        )
        row.started_s, row.ended_s, row.outcome = float(at), at + 1.0, "ok"
        writer.add(call_tuple(row))
        if at + 1 >= block:  # the blocks slip, as they do on a machine with much to do
            block = at + 1 + BLOCK_S + 7
            writer.cut()
            raw.saw(at + 1.0, 3)
            raw.block(at + 1.0)
            most = max(most, len(list(tmp_path.glob("*.arrows"))))
    writer.close()
    assert most <= 3600 / BLOCK_S + 10
    steps = read_steps(tmp_path)
    assert steps[-1].end_s == raw.kept_from_s >= 36_000 - 3600 - 8 * BLOCK_S
    assert [one.at_s for one in steps] == [5.0 + 10 * i for i in range(len(steps))]
    assert {(one.due, one.good, one.median_s) for one in steps} == {(10, 10, 1.0)}
    rest = [row["intended_s"] for row in rows_in(list(tmp_path.glob("*.arrows")), "calls", ["intended_s"])]
    assert [at for at in sorted(rest) if at >= raw.kept_from_s] == list(range(round(raw.kept_from_s), 36_000))
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


def test_what_is_kept_of_a_soak_must_fit_on_the_disk(tmp_path: Path) -> None:
    """With --keep-raw the sum is that of the hours whose records stay, and of the figures of all hours."""
    again = cycled("server_errors", 10 * 24 * 3600.0)
    check_disk(tmp_path, 10**10, again, 1, keep_raw_s=3600.0)
    with pytest.raises(InputError, match=r"for the records of .* \(1 client of .* for the figures of 240 h"):
        check_disk(tmp_path, 10**8, again, 1, keep_raw_s=3600.0)
    with pytest.raises(InputError, match="2 clients of"):
        check_disk(tmp_path, 10**10, again, 2)


def test_a_success_that_is_none_is_no_good_call_of_a_step(tmp_path: Path) -> None:
    """What a client takes for a success is compared with the provider's truth, also where its record is deleted."""
    truths = truths_of([
        served("a", 0.0, served_id="s1", truth_digest="d"),
        served("b", 0.0, served_id="s2", truth_digest="d"),
        served("b", 0.0, served_id="s3", truth_digest="x", status=500),
    ])  # fmt: skip
    assert truths == {"s1": "d", "call a": "d", "s2": "d", "call b": "d", "s3": "x"}
    raw = RawRecords(tmp_path, "bot", keep_s=0.0, deadline_s=5.0, driven=True)
    calls = SegmentWriter(tmp_path / "calls-1.arrows", CALLS_SCHEMA)
    for call_id, served_id, digest, region in (
        ("a", "s1", "d", "local"),
        ("a", "s1", "other", "local"),
        ("b", None, "d", "local"),
        ("c", None, "d", "local"),
        ("d", None, None, ""),
    ):
        row = CallRow(
            call_id, "bot", 0, 0, region, "", "", stream=False, phase=None, warmup=False, intended_s=1.0
        )
        row.started_s, row.ended_s, row.outcome, row.served_id, row.digest = 1.0, 2.0, "ok", served_id, digest
        calls.add(call_tuple(row))
    calls.close()
    answers = SegmentWriter(tmp_path / "served-1.arrows", SERVED_SCHEMA)
    for row_id, name in (("s1", "a"), ("s2", "b")):
        told = served(name, 1.0, served_id=row_id, truth_digest="d")
        answers.add(tuple(told[column] for column in SERVED_NAMES))
    answers.close()
    for block in range(1, 12):
        raw.block(block * BLOCK_S)
    first = read_steps(tmp_path)[0]
    assert (first.due, first.good) == (5, 3), "the true one, one found by its call, and one of a service"
