"""The files of a capacity search, from findings that are made up."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from windtunnel.harness.contract.capacity import (
    CapacityFound,
    CapacityStatus,
    ClientCapacity,
    Flow,
    Level,
    LevelIncident,
    LevelState,
    Needs,
    Survival,
    Sweep,
    SweepGap,
    TermFound,
    Wall,
)
from windtunnel.reports.capacity.answer import headline, lines_of, sweep_line
from windtunnel.reports.capacity.as_json import capacity_schema
from windtunnel.reports.capacity.levels import COLUMNS
from windtunnel.reports.capacity.plan import planned
from windtunnel.reports.capacity.write import write_capacity

SLO = "ttft_p95_s <= 2"


def level(rate: float, state: LevelState, wait: float | None) -> Level:
    """A level with one term; a wait of None is that no call got a first token."""
    term = TermFound(SLO, wait, wait, wait, state)
    shown = {"goodput": 1.0 if wait else 0.0, "latency_p95_s": 2.5 if wait else None, "ttft_p95_s": wait}
    shown = {name: value for name, value in shown.items() if value is not None}
    return Level(rate, state, (term,), 1, 10, 0, rate, rate if wait else 0.0, 90.0, 1.0, 0.0, shown)


LEVELS = (
    level(1, "passed", 0.5),
    level(2, "passed", 0.8),
    level(2.08, "failed", 3.0),
    level(4, "failed", None),
)
CLIENT = ClientCapacity(
    "mine", "found", 2, 2, 2.08, LEVELS, 1.0, (Needs(2, 120, 10_800, 2), Needs(1, 60, 5_400, 1))
)
FOUND = CapacityFound(1, "quota", (SLO,), "virtual", 7, 0.04, 1000.0, 1.0, 60, None, 64, (CLIENT,))
REPORT = planned(FOUND)


def test_every_file_is_written_and_says_the_safe_rate(tmp_path: Path) -> None:
    """JSON that fits its schema, a row for each level, words, a page with two charts."""
    write_capacity(tmp_path, REPORT)
    data = json.loads((tmp_path / "capacity.json").read_text())
    jsonschema.validate(data, capacity_schema())
    assert data["clients"][0]["safe"] == 2
    rows = list(csv.reader((tmp_path / "levels.csv").read_text().splitlines()))
    assert rows[0] == list(COLUMNS)
    assert [row[:3] for row in rows[1:]] == [[*("mine", f"{one.rate:g}"), one.state] for one in LEVELS]
    answer = (tmp_path / "answer.md").read_text()
    assert "| mine | 2 | 2 to 2.08 | 100 % | 2 | 10,800 |" in answer
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "safe up to 2 calls/s (2 passed, 2.08 failed) with ttft_p95_s &lt;= 2" in page


def test_the_terminal_says_headroom_and_needs() -> None:
    """Today's rate and the safe one, each with what it needs of the quota."""
    assert list(lines_of(REPORT)) == [
        "mine: safe up to 2 calls/s (2 passed, 2.08 failed) with ttft_p95_s <= 2",
        "  today's 1/s is 50 % of it: 100 % headroom",
        "  2 calls/s need 120 requests and 10,800 billed tokens a minute: 2 keys of 60 RPM",
        "  1 call/s needs 60 requests and 5,400 billed tokens a minute: 1 key of 60 RPM",
        "  no knee but a cliff: good calls collapse between 2.08 and 4 calls/s",
        "  no line of the Universal Scalability Law: only 0 levels are steady, and it needs 6",
    ]


def test_what_is_undecided_is_told_between_both_ends_alone() -> None:
    """Not a short play far below, which need not decide anything."""
    short = replace(level(1, "unresolved", 0.5), scout=True)
    levels = (short, LEVELS[1], level(2.5, "unresolved", 2.0), level(3, "failed", 9.0))
    client = replace(CLIENT, status="unresolved", high=3, levels=levels)
    found = planned(replace(FOUND, clients=(client,)))
    assert next(lines_of(found)) == (
        "mine: unresolved: 2 passed, 3 failed, and 2.5 calls/s cannot be decided with ttft_p95_s <= 2"
    )


def test_a_level_that_is_not_steady_is_told() -> None:
    """With what was under way, and what arrivals and waits make of it."""
    growing = replace(LEVELS[2], flows=(Flow(10, 20, 20, 80, 4, 2, 3, 1),))
    found = replace(FOUND, clients=(replace(CLIENT, levels=(*LEVELS[:2], growing)),))
    assert list(lines_of(planned(found)))[-3] == (
        "  not steady: 2.08 calls/s; at 2.08/s 4 calls were under way, and by Little's law 2 calls/s × 4 s make 8 "
        "(50 % off, where 5 % is the limit)"
    )


def test_hysteresis_is_told_with_the_rate_where_it_is_worst() -> None:
    """The one whose interval lies highest; and none where every interval is low."""
    gaps = (SweepGap(5, 0.01, -0.02, 0.04), SweepGap(6, 0.4, 0.3, 0.5), SweepGap(7, None, None, None))
    sweep = Sweep(3, 60, (), gaps, 0.05, hysteresis=True)
    found = replace(FOUND, clients=(replace(CLIENT, sweep=sweep),))
    assert list(lines_of(planned(found)))[-1] == (
        "  hysteresis: 0.40 less goodput at 6 calls/s on the way down than on the way up (0.30 to 0.50, 3 seeds); "
        "after an overload the safe rate may not be safe"
    )
    assert sweep_line(replace(sweep, gaps=gaps[:1], hysteresis=False)).startswith(
        "no hysteresis: at most 0.01 less"
    )
    wide = SweepGap(6, 0.27, -0.9, 1.4)
    assert sweep_line(replace(sweep, gaps=(gaps[0], wide), hysteresis=False)).startswith(
        "whether there is hysteresis cannot be told: 0.27 less goodput at 6 calls/s"
    )
    assert "cannot be judged" in sweep_line(replace(sweep, gaps=gaps[2:], hysteresis=False))


def test_no_headroom_is_said() -> None:
    """A rate beyond what is safe is told as so many times of it."""
    found = replace(FOUND, today=5.0, clients=(replace(CLIENT, headroom=-0.6),))
    assert "  today's 5/s is 2.50 times what is safe: no headroom" in list(lines_of(planned(found)))


@pytest.mark.parametrize(
    ("wall", "told"),
    [
        (
            Wall("rpm", 3, "9 % of its requests were refused with 429", proven=True, tried=("rpm",)),
            "the wall is the requests per minute (RPM) (9 % of its requests were refused with 429): with it doubled, "
            "3/s keeps the SLO",
        ),
        (
            Wall("client", 3, "", proven=True, tried=("slots", "pool", "instances")),
            "the wall is in the client's own code, such as a semaphore: 3/s breaks the SLO even with all "
            "of slots, pool doubled, and keeps it with twice the instances",
        ),
        (
            Wall(None, 3, "", proven=False, tried=("slots", "pool")),
            "the wall is not known: at 3/s none of slots, pool alone, doubled, made the SLO hold",
        ),
    ],
)
def test_the_wall_is_told_with_its_proof(wall: Wall, told: str) -> None:
    """Which limit, what was seen of it, and what happened when it was doubled."""
    found = replace(FOUND, clients=(replace(CLIENT, wall=wall),))
    assert f"  {told}" in list(lines_of(planned(found)))


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (
            ClientCapacity("mine", "unattainable", None, None, 1, (level(1, "failed", 3.0),)),
            "mine: unattainable: even 1 call/s breaks ttft_p95_s <= 2: ttft_p95_s is 3",
        ),
        (
            ClientCapacity("mine", "out of reach", 8, 8, None, (level(8, "passed", 0.5),)),
            "mine: no level up to 8 calls/s breaks ttft_p95_s <= 2: ttft_p95_s is 0.5 (--most goes further)",
        ),
        (
            ClientCapacity("mine", "unresolved", None, None, 4, (level(2, "unresolved", 2.0), LEVELS[3])),
            "mine: unresolved: 4 failed, and 2 calls/s cannot be decided with ttft_p95_s <= 2",
        ),
    ],
)
def test_no_answer_is_said_with_the_figures(client: ClientCapacity, told: str, tmp_path: Path) -> None:
    """In one sentence; and the page can be drawn of it."""
    found = planned(replace(FOUND, clients=(client,)))
    assert headline(found, client) == told
    write_capacity(tmp_path, found)


@pytest.mark.parametrize(
    ("status", "low", "high", "told"),
    [
        (
            "found",
            1.5,
            1.6,
            "plan with 1.5 calls/s, 25 % less: so much survives 15 s of brownout",
        ),
        ("out of reach", 2.0, None, "all of it survives 15 s of brownout"),
        ("unattainable", None, 1.0, "nothing survives 15 s of brownout"),
        ("unresolved", 1.0, 1.5, "is unresolved: 1 did, 1.5 did not"),
    ],
)
def test_what_survives_an_incident_is_told_beside_what_is_safe(
    tmp_path: Path, status: CapacityStatus, low: float | None, high: float | None, told: str
) -> None:
    """In the answer, and its levels in levels.csv with the name of the incident."""
    survival = Survival(LevelIncident("brownout", 15.0, 30.0), status, low, high, LEVELS[:1])
    report = planned(replace(FOUND, clients=(replace(CLIENT, survival=survival),)))
    write_capacity(tmp_path, report)
    jsonschema.validate(json.loads((tmp_path / "capacity.json").read_text()), capacity_schema())
    assert any(told in line for line in lines_of(report))
    rows = list(csv.DictReader((tmp_path / "levels.csv").read_text().splitlines()))
    assert [row["through"] for row in rows] == ["", "", "", "", "brownout"]
