"""The bucket: a level that refills continuously."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.provider.buckets import TOLERANCE, Bucket

sizes = st.floats(0.5, 1e7)
rates = st.floats(0.01, 1e5)
pauses = st.floats(0, 1000)


@settings(deadline=None)
@given(
    sizes, rates, st.lists(st.tuples(pauses, st.sampled_from(["take", "drain", "give"]), st.floats(0, 1e6)))
)
def test_the_level_never_exceeds_the_capacity(
    capacity: float, rate: float, moves: list[tuple[float, str, float]]
) -> None:
    """Whatever is taken and given back, and however long nobody comes, no more than the capacity is there."""
    bucket, now = Bucket(capacity, rate, 0.0), 0.0
    for pause, move, amount in moves:
        now += pause
        {"take": bucket.take, "drain": bucket.drain, "give": bucket.give_back}[move](amount, now)
        assert bucket.level(now) <= capacity


@settings(deadline=None)
@given(sizes, rates, st.lists(pauses, min_size=1, max_size=20))
def test_refill_does_not_depend_on_how_often_anyone_looks(
    capacity: float, rate: float, looks: list[float]
) -> None:
    """Looking at the level many times on the way gives what looking once gives: refill is continuous."""
    often, once, now = Bucket(capacity, rate, 0.0), Bucket(capacity, rate, 0.0), 0.0
    for bucket in (often, once):
        bucket.take(capacity, 0.0)
    for pause in looks:
        now += pause
        often.level(now)
    assert often.level(now) == pytest.approx(once.level(now), rel=1e-9, abs=1e-9)
    assert once.level(now) == pytest.approx(min(capacity, now * rate), rel=1e-9)


@settings(deadline=None)
@given(sizes, rates, st.floats(0, 1), st.floats(0, 1))
def test_the_wait_is_exact(capacity: float, rate: float, taken: float, wanted: float) -> None:
    """Who comes back after the wait finds the amount there; a moment earlier it was not."""
    bucket = Bucket(capacity, rate, 0.0)
    bucket.take(capacity * taken, 0.0)
    amount = capacity * wanted
    wait = bucket.wait_for(amount, 0.0)
    before = Bucket(capacity, rate, 0.0)
    before.take(capacity * taken, 0.0)
    assert before.holds(amount, wait)
    if wait > 0.0:
        early = Bucket(capacity, rate, 0.0)
        early.take(capacity * taken, 0.0)
        assert not early.holds(amount, wait - 3 * TOLERANCE / rate - wait * 1e-9) or amount * 1e-9 > TOLERANCE


def test_drain_takes_what_is_there_and_no_more() -> None:
    """Draining stops at zero, and leaves a debt as it is."""
    bucket = Bucket(10.0, 1.0, 0.0)
    bucket.take(9.5, 0.0)
    bucket.drain(1.0, 0.0)
    assert bucket.level(0.0) == 0.0
    bucket.take(3.0, 0.0)
    bucket.drain(1.0, 0.0)
    assert bucket.level(0.0) == -3.0


def test_a_debt_is_paid_off_before_anything_is_there() -> None:
    """A level below zero rises through zero at the same rate."""
    bucket = Bucket(10.0, 2.0, 0.0)
    bucket.take(14.0, 0.0)
    assert bucket.wait_for(1.0, 0.0) == pytest.approx(2.5)
    assert bucket.level(2.0) == pytest.approx(0.0)


def test_reshaping_keeps_the_level_and_changes_the_speed() -> None:
    """What was there stays, up to the new capacity, and refill goes on at the new rate from that moment."""
    bucket = Bucket(100.0, 1.0, 0.0)
    bucket.take(60.0, 0.0)
    bucket.reshape(200.0, 10.0, 10.0)
    assert bucket.level(10.0) == pytest.approx(50.0)
    assert bucket.level(11.0) == pytest.approx(60.0)
    bucket.reshape(20.0, 10.0, 11.0)
    assert bucket.level(11.0) == 20.0
