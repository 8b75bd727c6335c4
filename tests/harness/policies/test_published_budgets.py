"""The budgets that are published: AWS's bucket, gRPC's throttle, Finagle's window, with their own numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from windtunnel.harness.inputs.policies import Budget
from windtunnel.harness.policies.budget import RetryAllowance, budget_of


def budget(kind: str, **parts: Any) -> RetryAllowance:
    return budget_of(Budget.model_validate({"kind": kind, **parts}))


def retries(tested: RetryAllowance, most: int, *, throttled: bool = False, now: float = 0.0) -> int:
    """How many retries in a row it pays, each after one failed try."""
    for made in range(most):
        tested.try_failed(now)
        if tested.pay(throttled=throttled, now=now) is None:
            return made
    return most


def test_aws_pays_35_retries_or_100_throttled_ones_from_its_start() -> None:
    """500 tokens, a transient retry costs 14, a throttled one 5: full at the start."""
    assert retries(budget("aws"), 1000) == 35
    assert retries(budget("aws"), 1000, throttled=True) == 100


def test_aws_gives_a_retrys_price_back_if_the_retry_succeeds() -> None:
    """A retry that succeeds gives back what it took, a first try that succeeds 1; a retry that fails is lost."""
    tested = budget("aws")
    paid = tested.pay(throttled=False)
    assert (paid, tested.level) == (14, 486)
    tested.succeeded(paid)
    assert tested.level == 500
    first, second = tested.pay(throttled=False), tested.pay(throttled=True)
    assert (first, second, tested.level) == (14, 5, 481)
    tested.succeeded(second)
    assert tested.level == 486
    tested.succeeded(None)
    assert tested.level == 487


def test_aws_is_never_used_up_by_retries_that_help() -> None:
    """Where every call needs one retry and that succeeds, the bucket stays full: it is there for outages."""
    tested = budget("aws")
    for _ in range(1000):
        tested.call_began()
        tested.try_failed()
        paid = tested.pay(throttled=False)
        assert paid is not None
        tested.succeeded(paid)
    assert tested.level == 500


def test_grpc_stops_retrying_at_half_of_its_tokens() -> None:
    """10 tokens, a failure takes one: after the fifth failure no retry is made until a call succeeds."""
    tested = budget("grpc")
    assert retries(tested, 100) == 4
    assert tested.level == 5
    tested.succeeded(None)
    assert tested.pay(throttled=False) is not None
    tested.try_failed()
    assert tested.pay(throttled=False) is None


def test_grpc_is_held_down_by_failures_that_have_no_retry() -> None:
    """Failures count while retries are off as well: after a long outage it takes 51 successes until one is made."""
    tested = budget("grpc")
    for _ in range(1000):
        tested.try_failed()
    assert tested.level == 0
    for _ in range(50):
        tested.succeeded(None)
    assert tested.pay(throttled=False) is None
    tested.succeeded(None)
    assert tested.pay(throttled=False) is not None


def test_finagle_allows_a_fifth_of_the_calls_and_ten_a_second() -> None:
    """With no call at all 100 retries in 10 s; with 500 calls another 100; ten seconds on, all is forgotten."""
    assert retries(budget("finagle"), 1000) == 100
    tested = budget("finagle")
    for number in range(500):
        tested.call_began(number / 100)
    assert retries(tested, 1000, now=5.0) == 200
    assert retries(tested, 1000, now=9.5) == 0
    assert retries(tested, 1000, now=16.0) == 100


def test_the_free_retries_are_what_make_finagles_budget_loose() -> None:
    """At 14 calls a second the free ten are most of it: 12.8 retries a second. Without them it is 20 %."""
    at_14 = {True: budget("finagle"), False: budget("finagle", per_second=0)}
    for tested in at_14.values():
        for number in range(140):
            tested.call_began(number / 14)
    assert retries(at_14[True], 1000, now=9.99) == 128
    assert retries(at_14[False], 1000, now=9.99) == 28


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["call", "retry"])), max_size=200))
def test_a_window_never_holds_more_retries_than_it_allows(events: list[tuple[float, str]]) -> None:
    """In any 9 s, which is the window less a slice: at most 10 retries and 20 % of the calls of its last 10 s."""
    tested = budget("finagle", per_second=1)
    now, calls, paid = 0.0, [], []
    for pause, kind in events:
        now += pause
        if kind == "call":
            tested.call_began(now)
            calls.append(now)
        elif tested.pay(throttled=False, now=now) is not None:
            paid.append(now)
    for end in paid:
        made = sum(end - 9 < at <= end for at in paid)
        assert made <= 10 + 0.2 * sum(end - 10 <= at <= end for at in calls) + 1e-6


@given(
    st.sampled_from(["aws", "grpc"]),
    st.lists(st.sampled_from(["failed", "pay", "throttled", "first", "retried"]), max_size=200),
)
def test_a_level_stays_within_its_bounds(kind: str, events: list[str]) -> None:
    """Whatever happens, a level is between zero and its cap."""
    tested, cap = budget(kind), {"aws": 500, "grpc": 10}[kind]
    for event in events:
        if event == "failed":
            tested.try_failed()
        elif event in ("pay", "throttled"):
            tested.pay(throttled=event == "throttled")
        else:
            tested.succeeded(None if event == "first" else 14.0)
        assert 0 <= tested.level <= cap


def test_a_profile_may_replace_a_published_number() -> None:
    """What is not said is the published number; a smaller cap is also a smaller start."""
    small = Budget.model_validate({"kind": "aws", "cap": 100})
    assert (small.cap, small.start, small.cost, small.throttle_cost) == (100, 100, 14, 5)
    assert Budget.model_validate(small.model_dump(mode="json")) == small


@pytest.mark.parametrize("kind", ["aws", "grpc", "finagle"])
def test_a_budget_reads_back_as_it_was_dumped(kind: str) -> None:
    """The numbers that were filled in are written, and say the same when read again."""
    read = Budget.model_validate({"kind": kind})
    assert Budget.model_validate(read.model_dump(mode="json")) == read


@pytest.mark.parametrize(
    ("parts", "path", "expected"),
    [
        ({"kind": "ratio", "cap": 3}, "deposit", "this key, which is required"),
        ({"kind": "grpc", "throttle_cost": 5}, "throttle_cost", "none with the kind grpc"),
        ({"kind": "finagle", "cap": 5}, "cap", "none with the kind finagle"),
        ({"kind": "aws", "window": "10s"}, "window", "none with the kind aws"),
        ({"kind": "grpc", "start": 11}, "start", "at most the cap, 10"),
    ],
)
def test_a_key_that_means_nothing_is_refused(parts: dict[str, Any], path: str, expected: str) -> None:
    """A budget does not ignore what it has no use for."""
    with pytest.raises(ValidationError) as caught:
        Budget.model_validate(parts)
    (problem,) = caught.value.errors()
    assert (problem["ctx"]["path"], problem["ctx"]["expected"]) == (path, expected)
