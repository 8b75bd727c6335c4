"""Budget, limiter and deadline: small states with exact promises."""

from __future__ import annotations

from statistics import median_high
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.inputs.policies import Budget
from windtunnel.harness.policies.budget import RetryBudget
from windtunnel.harness.policies.deadline import REMEMBERED, RecentTimes, fits
from windtunnel.harness.policies.limiter import LocalLimiter


def budget(**parts: Any) -> RetryBudget:
    return RetryBudget(Budget.model_validate({"kind": "ratio", "deposit": 0.1, "cap": 10, **parts}))


def test_ten_calls_pay_for_one_retry() -> None:
    """Deposits of 0.1 pay a retry of 1 after exactly ten calls, rounding or not."""
    tested = budget()
    paid = []
    for _ in range(20):
        tested.call_began()
        paid.append(tested.pay(throttled=False) is not None)
    assert paid == ([False] * 9 + [True]) * 2


def test_a_budget_is_saved_up_to_its_cap() -> None:
    """After a long healthy time the cap's worth of retries can be paid, and no more."""
    tested = budget()
    for _ in range(1000):
        tested.call_began()
    assert [tested.pay(throttled=False) is not None for _ in range(11)] == [True] * 10 + [False]


def test_botocores_bucket_pays_by_the_kind_of_failure() -> None:
    """500 tokens pay 35 retries at 14 or 100 after throttles at 5, and a first-try success gives one back."""
    tokens = {"kind": "bucket", "deposit": 1, "cap": 500, "start": 500, "cost": 14, "throttle_cost": 5}
    plain, throttled = budget(**tokens), budget(**tokens)
    assert sum(plain.pay(throttled=False) is not None for _ in range(200)) == 35
    assert sum(throttled.pay(throttled=True) is not None for _ in range(200)) == 100
    throttled.call_began()
    assert throttled.level == 0
    throttled.first_try_succeeded()
    assert throttled.level == 1


@given(st.lists(st.sampled_from(["call", "pay", "success"])), st.sampled_from(["ratio", "bucket"]))
def test_retries_never_exceed_what_was_deposited(events: list[str], kind: str) -> None:
    """Whatever happens, the retries paid are at most start + deposits, and the level stays within its bounds."""
    tested = budget(kind=kind, deposit=0.25, cap=2, start=1)
    paid = deposits = 0
    for event in events:
        if event == "call":
            tested.call_began()
            deposits += kind == "ratio"
        elif event == "success":
            tested.first_try_succeeded()
            deposits += kind == "bucket"
        else:
            paid += tested.pay(throttled=False) is not None
        assert 0 <= tested.level <= 2
    assert paid <= 1 + 0.25 * deposits + 1e-6


def test_a_limiter_gives_turns_in_order() -> None:
    """At 60 a minute, calls that ask together get their turns a second apart."""
    limiter = LocalLimiter(60)
    assert [limiter.take(10.0) for _ in range(4)] == pytest.approx([0, 1, 2, 3])
    assert limiter.take(13.5) == pytest.approx(0.5)


def test_a_burst_goes_at_once_after_a_pause() -> None:
    """A limiter with a burst of three lets three go, and refills no further however long the pause."""
    limiter = LocalLimiter(60, burst=3)
    assert [limiter.take(0.0) for _ in range(4)] == pytest.approx([0, 0, 0, 1])
    assert [limiter.take(1000.0) for _ in range(4)] == pytest.approx([0, 0, 0, 1])


def test_asking_reserves_nothing() -> None:
    """`wait` may be asked as often as one likes."""
    limiter = LocalLimiter(60)
    limiter.take(0.0)
    assert [limiter.wait(0.25) for _ in range(3)] == pytest.approx([0.75] * 3)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 6000))
def test_no_window_sees_more_than_its_quota(pauses: list[float], burst: int, rpm: int) -> None:
    """In any stretch of time, turns number at most burst + rate × length."""
    limiter = LocalLimiter(rpm, burst)
    now, turns = 0.0, []
    for pause in pauses:
        now += pause
        turns.append(now + limiter.take(now))
    for first, start in enumerate(turns):
        for last in range(first, len(turns)):
            assert last - first + 1 <= burst + rpm / 60 * (turns[last] - start) + 1e-6


@given(st.lists(st.floats(0, 100), max_size=250))
def test_the_median_is_that_of_the_last_tries(durations: list[float]) -> None:
    """The known median is that of the last 101 durations, and 0 before there is any."""
    known = RecentTimes()
    for duration in durations:
        known.add(duration)
    assert known.median == (median_high(durations[-REMEMBERED:]) if durations else 0.0)


@pytest.mark.parametrize(
    ("now", "wait", "median", "ends_at", "expected"),
    [
        (5.0, 2.0, 3.0, 10.0, True),
        (5.0, 2.0, 3.1, 10.0, False),
        (5.0, 6.0, 0.0, 10.0, False),
        (5.0, 1e9, 1e9, None, True),
    ],
)
def test_a_try_fits_if_it_would_end_in_time(
    now: float, wait: float, median: float, ends_at: float | None, expected: bool
) -> None:
    """A retry is made only where its wait plus the median try ends by the deadline."""
    assert fits(now, wait, median, ends_at) is expected
