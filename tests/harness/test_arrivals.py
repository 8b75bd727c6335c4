"""Schedules: the right rate, the same from the same seed, whatever the number of instances and processes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.harness.arrivals import Arrival, schedule, share
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.inputs.timestamps import read_timestamps

RATES = st.floats(0.5, 40)
LENGTHS = st.floats(1, 60)
SEEDS = st.integers(0, 2**63 - 1)
STEPS: dict[str, Any] = {
    "steps": [{"for": "10s", "rate": "5/s"}, {"for": "5s", "rate": "0/s"}, {"for": "1s", "rate": "20/s"}]
}


def load(arrivals: Any = "poisson", rate: float | None = 10.0, **more: Any) -> Load:
    said = {} if rate is None else {"rate": f"{rate}/s"}
    return Load.model_validate({"arrivals": arrivals, "deadline": "10s", **said, **more})


def times(arrivals: list[Arrival], letter: str) -> list[float]:
    return [arrival.intended_s for arrival in arrivals if arrival.call_id[0] == letter]


@given(rate=RATES, length=LENGTHS, seed=SEEDS)
def test_constant_rate(rate: float, length: float, seed: int) -> None:
    """Constant arrivals are one over the rate apart from t0 on, before it and after the phases too."""
    arrivals = schedule(load("constant", rate), length, 5.0, 10.0, seed)
    gaps = [after.intended_s - before.intended_s for before, after in pairwise(arrivals)]
    assert all(abs(gap - 1 / rate) < 3e-6 for gap in gaps)
    assert times(arrivals, "c")[0] == 0.0
    assert abs(len(times(arrivals, "c")) - rate * length) <= 1


@given(rate=st.floats(5, 40), seed=SEEDS)
@settings(max_examples=50)
def test_poisson_rate(rate: float, seed: int) -> None:
    """Poisson arrivals are as many as the rate says, within five standard deviations, in each section."""
    arrivals = schedule(load("poisson", rate), 100.0, 50.0, 60.0, seed)
    for letter, length in (("w", 50.0), ("c", 100.0), ("t", 60.0)):
        assert abs(len(times(arrivals, letter)) - rate * length) <= 5 * math.sqrt(rate * length)


@given(seed=SEEDS)
@settings(max_examples=30)
def test_poisson_gaps(seed: int) -> None:
    """The gaps of Poisson arrivals are exponential: their standard deviation is their mean."""
    found = times(schedule(load("poisson", 20), 200.0, 0.0, 0.0, seed), "c")
    gaps = [after - before for before, after in pairwise(found)]
    assert 0.85 < math.sqrt(pvariance(gaps)) / fmean(gaps) < 1.15


@given(
    start=st.floats(0, 20),
    end=st.floats(0.5, 20),
    length=st.floats(5, 60),
    spacing=st.sampled_from(["constant", "poisson"]),
)
def test_ramp(start: float, end: float, length: float, spacing: str) -> None:
    """A ramp has as many calls in either half of the phases as the area below it."""
    shape = {"spacing": spacing, "ramp": {"from": f"{start}/s", "to": f"{end}/s"}}
    found = times(schedule(load(shape, None), length, 0.0, 0.0, 1), "c")
    middle = (start + end) / 2
    for low, high, area in (
        (0.0, length / 2, (start + middle) / 2 * length / 2),
        (length / 2, length, (middle + end) / 2 * length / 2),
    ):
        count = sum(low <= time < high for time in found)
        assert abs(count - area) <= (2 if spacing == "constant" else 5 * math.sqrt(area) + 2)


def test_steps() -> None:
    """Each step has its rate for its length, and the last one goes on into the tail."""
    arrivals = schedule(load({"spacing": "constant", **STEPS}, None), 20.0, 4.0, 10.0, 1)
    found = times(arrivals, "c")
    assert [sum(low <= time < high for time in found) for low, high in ((0, 10), (10, 15), (15, 20))] == [
        50,
        0,
        100,
    ]
    assert len(times(arrivals, "t")) == 200
    assert len(times(arrivals, "w")) == 20


@given(rate=RATES, seed=SEEDS, instances=st.integers(1, 9))
def test_instances_move_nothing(rate: float, seed: int, instances: int) -> None:
    """The number of instances changes who makes a call, and neither when nor which."""
    one = schedule(load("poisson", rate), 20.0, 5.0, 10.0, seed)
    many = schedule(load("poisson", rate, instances=instances), 20.0, 5.0, 10.0, seed)
    assert [(a.call_id, a.intended_s) for a in one] == [(a.call_id, a.intended_s) for a in many]
    assert all(arrival.instance == arrival.index % instances for arrival in many)


@given(seed=SEEDS, processes=st.integers(1, 5), more=st.integers(0, 4))
def test_processes_share_without_overlap(seed: int, processes: int, more: int) -> None:
    """Every arrival is played by exactly one process, and an instance never by two."""
    arrivals = schedule(load("poisson", 10, instances=processes + more), 20.0, 5.0, 10.0, seed)
    shares = [share(arrivals, process, processes) for process in range(processes)]
    assert sorted(arrival.call_id for part in shares for arrival in part) == sorted(
        a.call_id for a in arrivals
    )
    owners = [{arrival.instance for arrival in part} for part in shares]
    assert sum(map(len, owners)) == len(set().union(*owners))


@given(rate=RATES, seed=SEEDS)
def test_deterministic(rate: float, seed: int) -> None:
    """The same arguments give the same schedule, in order of time and numbered from 0 in each section."""
    arrivals = schedule(load("poisson", rate), 20.0, 5.0, 10.0, seed)
    assert arrivals == schedule(load("poisson", rate), 20.0, 5.0, 10.0, seed)
    assert [a.intended_s for a in arrivals] == sorted(a.intended_s for a in arrivals)
    for letter in "wct":
        numbers = [a.index for a in arrivals if a.call_id[0] == letter]
        assert sorted(numbers) == list(range(len(numbers)))
    assert all(arrival.call_id == f"{arrival.call_id[0]}{arrival.index}" for arrival in arrivals)


@given(seed=SEEDS, warmup=st.floats(0, 20), tail=st.floats(0, 30))
def test_sections_are_apart(seed: int, warmup: float, tail: float) -> None:
    """Warm-up lies before t0, measured calls in the phases, the tail after; none moves another."""
    arrivals = schedule(load(), 20.0, warmup, tail, seed)
    plain = schedule(load(), 20.0, 0.0, 0.0, seed)
    assert [arrival for arrival in arrivals if arrival.measured] == plain
    assert all(-warmup <= time <= 0 for time in times(arrivals, "w"))
    assert all(20.0 <= time <= 20.0 + tail for time in times(arrivals, "t"))


def test_another_seed_is_another_schedule() -> None:
    """Poisson arrivals differ between seeds."""
    assert schedule(load(), 20.0, 0.0, 0.0, 1) != schedule(load(), 20.0, 0.0, 0.0, 2)


def replay(found: list[float]) -> Load:
    return load({"replay": "times.txt", "times_s": found}, None)


def test_replay_is_as_in_the_file() -> None:
    """Replayed calls are due at the file's times; warm-up and tail play the file's own beginning and continuation."""
    arrivals = schedule(replay([0.0, 0.5, 3.0, 11.0, 14.0]), 10.0, 2.0, 5.0, 1)
    assert times(arrivals, "c") == [0.0, 0.5, 3.0]
    assert times(arrivals, "w") == [-2.0, -1.5]
    assert times(arrivals, "t") == [11.0, 14.0]


def test_replay_that_ends_with_the_phases_goes_on() -> None:
    """Where the file ends before the tail, its last seconds are played again: a provider is not left in peace."""
    arrivals = schedule(replay([0.0, 6.0, 9.0]), 10.0, 0.0, 10.0, 1)
    assert times(arrivals, "t") == [10.0, 16.0, 19.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0\n0.5\n\n# a comment\n1.25  # and another\n", (0.0, 0.5, 1.25)),
        ("2.5\n3\n", (2.5, 3.0)),
        ("1700000000.5\n1700000001\n", (0.0, 0.5)),
        ("1700000000123\n1700000000623\n", (0.0, 0.5)),
        ("1700000000123456\n1700000000123457\n", (0.0, 0.000001)),
        ("1700000000123456789\n1700000002123456789\n", (0.0, 2.0)),
        ("2026-01-01T00:00:00Z\n2026-01-01T00:00:02+00:00\n", (0.0, 2.0)),
    ],
)
def test_timestamps(tmp_path: Path, text: str, expected: tuple[float, ...]) -> None:
    """Seconds count from t0; epoch seconds and ISO times count from the first line."""
    (tmp_path / "times.txt").write_text(text)
    assert read_timestamps(tmp_path / "times.txt") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\n2\n1\n", "times.txt:3: found '1', expected times that do not decrease"),
        ("0\nsoon\n", "times.txt:2: found 'soon', expected a time: seconds from t0"),
        ("-1\n", "times.txt:1: found '-1', expected a time"),
        ("nan\n", "times.txt:1: found 'nan', expected a time"),
        ("inf\n", "times.txt:1: found 'inf', expected a time"),
        (
            "1\n1700000000\n",
            "times.txt:2: found '1700000000' (epoch seconds) after seconds from t0, expected times of",
        ),
        (
            "1700000000\n1700000001000\n",
            "times.txt:2: found '1700000001000' (epoch milliseconds) after epoch seconds",
        ),
        ("\ufeff1\n2\n", "times.txt:1: found UTF-8 with a byte order mark, expected UTF-8 without"),
        ("# nothing\n", "times.txt: found no timestamps"),
    ],
)
def test_bad_timestamps(tmp_path: Path, text: str, message: str) -> None:
    """A file of timestamps that cannot be played is refused with the line of its first mistake."""
    (tmp_path / "times.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        read_timestamps(tmp_path / "times.txt")
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_absent_timestamps(tmp_path: Path) -> None:
    """A file of timestamps that is not there is an input error."""
    with pytest.raises(InputError, match="no such file"):
        read_timestamps(tmp_path / "times.txt")


def hourly(arrivals: list[Arrival], hours: int, hour_s: float = 3600.0) -> list[int]:
    """How many measured calls are due in each hour."""
    found = times(arrivals, "c")
    return [sum(n * hour_s <= time < (n + 1) * hour_s for time in found) for n in range(hours)]


def test_daily_curve() -> None:
    """The rate follows the curve, evenly between its factors, from the time of day at t0 on, day after day."""
    curve = [0.0] * 8 + [1.0] * 8 + [0.0] * 8
    flat = schedule(load({"spacing": "constant", "daily": curve}, 0.1), 48 * 3600.0, 0.0, 0.0, 0)
    counts = hourly(flat, 48)
    # From 7 to 8 the rate rises from nothing, from 15 to 16 it falls: half an hour's calls in each.
    day = [0] * 7 + [180] + [360] * 7 + [180] + [0] * 8
    assert all(abs(found - right) <= 1 for found, right in zip(counts, day * 2, strict=True))
    shifted = {"spacing": "constant", "daily": {"curve": curve, "starts": "7h"}}
    moved = hourly(schedule(load(shifted, 0.1), 24 * 3600.0, 0.0, 0.0, 0), 24)
    assert all(abs(found - right) <= 1 for found, right in zip(moved, day[7:] + day[:7], strict=True))


def test_daily_curve_of_a_few_factors_and_a_short_day() -> None:
    """Factors are evenly spread over a day of any length; the warm-up has the rate at t0."""
    short = {"spacing": "constant", "daily": {"curve": [1, 3], "day": "20s"}}
    arrivals = schedule(load(short, 10), 40.0, 5.0, 10.0, 0)
    assert abs(len(times(arrivals, "c")) - 800) <= 1
    assert abs(len(times(arrivals, "w")) - 50) <= 1
    assert abs(len(times(arrivals, "t")) - 200) <= 1
    # Up from 10 to 30 a second in ten seconds: 10·5 + 5²
    assert abs(sum(time < 5 for time in times(arrivals, "c")) - 75) <= 1


@pytest.mark.parametrize("seed", [0, 1])
def test_office_day(seed: int) -> None:
    """An office day is busiest in the morning, has a lunch, and a night; the same seed draws the same day."""
    office = load({"daily": "office"}, 0.3)
    arrivals = schedule(office, 24 * 3600.0, 0.0, 0.0, seed)
    counts = hourly(arrivals, 24)
    assert counts.index(max(counts)) in (9, 10, 11, 14, 15)
    assert counts[12] < counts[10]
    assert max(counts[:5]) < 0.1 * counts[10]
    assert arrivals == schedule(office, 24 * 3600.0, 0.0, 0.0, seed)


@pytest.mark.parametrize(
    ("daily", "message"),
    [
        ("weekend", "found 'weekend', expected office, or a list of factors"),
        ([0, 0, 0], "found zeros alone, expected a factor above zero"),
        ([1], "at least 2 items"),
        ([1, -1], "greater than or equal to 0"),
    ],
)
def test_daily_curves_that_are_none(daily: Any, message: str) -> None:
    """A curve that is no curve is refused; so is one beside another shape, or without a rate."""
    with pytest.raises(ValueError, match=message):
        load({"daily": daily}, 1.0)


def test_a_daily_curve_is_of_a_rate() -> None:
    """A curve says how much of the rate there is: one without a rate, or beside another shape, is refused."""
    with pytest.raises(ValueError, match="a rate above zero with its unit"):
        load({"daily": "office"}, None)
    with pytest.raises(ValueError, match="ramp and daily"):
        load({"daily": "office", "ramp": {"from": "1/s", "to": "2/s"}}, None)
