"""Retry decisions: which failures, after how long."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.inputs.policies import Retries
from windtunnel.harness.policies.failure import Failure, Kind
from windtunnel.harness.policies.retry import backoff, next_wait, promised_wait, retryable

WALL = 1_800_000_000.0


def policy(**parts: Any) -> Retries:
    return Retries.model_validate({"kind": "exponential", "tries": 5, "base": "500ms", "cap": "8s", **parts})


def failed(kind: Kind = "status", status: int | None = None, **headers: str) -> Failure:
    return Failure(
        kind, ValueError(), status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (failed(status=408), True),
        (failed(status=409), True),
        (failed(status=429), True),
        (failed(status=500), True),
        (failed(status=503), True),
        (failed(status=400), False),
        (failed(status=401), False),
        (failed("timeout"), True),
        (failed("connection"), True),
        (failed("broken_answer"), False),
    ],
)
def test_by_default_what_the_sdk_retries_is_retried(failure: Failure, again: bool) -> None:
    """The default causes are the SDK's: 408, 409, 429, 5xx, timeouts and connections, never a begun answer."""
    assert retryable(policy(), failure) is again


@pytest.mark.parametrize(
    ("causes", "failure", "again"),
    [
        (["everything"], failed(status=401), True),
        (["everything"], failed("broken_answer"), True),
        (["4xx"], failed(status=404), True),
        (["4xx"], failed(status=500), False),
        (["5xx"], failed(status=520), True),
        ([503], failed(status=503), True),
        ([503], failed(status=500), False),
        (["timeout"], failed("connection"), False),
        (["broken_answer"], failed("broken_answer"), True),
    ],
)
def test_causes_mean_what_they_say(causes: list[Any], failure: Failure, again: bool) -> None:
    """Each cause of `retry_on` matches its failures and no others."""
    assert retryable(policy(retry_on=causes), failure) is again


def test_x_should_retry_decides_where_it_is_respected() -> None:
    """The provider's own word overrides the causes, for a policy that listens."""
    yes, no = failed(status=400, x_should_retry="true"), failed(status=503, x_should_retry="false")
    assert [retryable(policy(respect_should_retry=True), failure) for failure in (yes, no)] == [True, False]
    assert [retryable(policy(), failure) for failure in (yes, no)] == [False, True]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "174", "retry-after": "1"}, 0.174),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": formatdate(WALL + 30, usegmt=True)}, 30.0),
        ({"retry-after": "garbage"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, -1.0),
    ],
)
def test_promises_are_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds go first, then seconds or a date; nonsense is no promise."""
    assert promised_wait(headers, WALL) == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_can_break_the_reading_of_promises(milliseconds: str, seconds: str) -> None:
    """Whatever a server writes into its headers, reading it raises nothing."""
    promised_wait({"retry-after-ms": milliseconds, "retry-after": seconds}, WALL)


@pytest.mark.parametrize(
    ("jitter", "u", "waits"),
    [
        ("none", 0.5, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]),
        ("full", 0.5, [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]),
        ("equal", 0.5, [0.375, 0.75, 1.5, 3.0, 6.0, 6.0]),
        ("down25", 1.0, [0.375, 0.75, 1.5, 3.0, 6.0, 6.0]),
        ("down25", 0.0, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]),
    ],
)
def test_backoff_doubles_up_to_its_cap(jitter: str, u: float, waits: list[float]) -> None:
    """The n-th wait is min(base·2ⁿ, cap), spread by the jitter."""
    assert [backoff(policy(jitter=jitter), n, None, u) for n in range(6)] == waits


def test_a_throttle_may_have_a_base_of_its_own() -> None:
    """AWS's SDKs begin at 50 ms, after a 429 at 1 s, and double either; without a base of its own it is the same."""
    aws = policy(base="50ms", throttle_base="1s", cap="20s", jitter="full", respect_retry_after=False)
    transient = [next_wait(aws, failed(status=503), n, None, 0.5, WALL) for n in range(3)]
    throttled = [next_wait(aws, failed(status=429), n, None, 0.5, WALL) for n in range(3)]
    assert transient == pytest.approx([0.025, 0.05, 0.1])
    assert throttled == pytest.approx([0.5, 1.0, 2.0])
    assert next_wait(policy(), failed(status=429), 0, None, 0.5, WALL) == 0.5
    decorrelated = policy(base="50ms", throttle_base="1s", jitter="decorrelated")
    assert next_wait(decorrelated, failed(status=429), 0, None, 0.0, WALL) == 1.0


def test_a_fixed_wait_stays_the_same() -> None:
    """`fixed` waits its base each time, also above the cap."""
    fixed = policy(kind="fixed", base="1s", cap="500ms")
    assert [backoff(fixed, n, None, 0.3) for n in range(3)] == [1.0, 1.0, 1.0]


@given(
    st.sampled_from(["none", "full", "equal", "decorrelated", "down25"]),
    st.integers(0, 5000),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.floats(0, 1, exclude_max=True),
)
def test_every_wait_lies_between_zero_and_the_cap(jitter: str, n: int, last: float | None, u: float) -> None:
    """No jitter, number or draw gives a wait below zero or above the cap."""
    assert 0 <= backoff(policy(jitter=jitter), n, last, u) <= 8.0


@given(st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_decorrelated_jitter_lies_between_the_base_and_three_times_the_last(last: float, u: float) -> None:
    """Decorrelated jitter is U(base, 3·last), at most the cap."""
    wait = backoff(policy(jitter="decorrelated"), 3, last, u)
    assert 0.5 <= wait <= max(0.5, min(8.0, 3 * last)) + 1e-9


def test_a_promise_replaces_the_backoff() -> None:
    """A policy that respects Retry-After waits exactly that long, plus its jitter; another one backs off."""
    failure = failed(status=429, retry_after="3")
    assert next_wait(policy(), failure, 0, None, 0.5, WALL) == 3.0
    assert next_wait(policy(retry_after_jitter=0.25), failure, 0, None, 0.5, WALL) == pytest.approx(3.375)
    assert next_wait(policy(respect_retry_after=False), failure, 0, None, 0.5, WALL) == 0.5


@pytest.mark.parametrize("promise", ["0", "-1", "garbage"])
def test_an_empty_promise_means_backing_off(promise: str) -> None:
    """A Retry-After of zero, below zero or unreadable never makes a client come back at once."""
    assert next_wait(policy(), failed(status=429, retry_after=promise), 0, None, 0.5, WALL) == 0.5


def test_a_promise_above_the_cap_ends_the_call() -> None:
    """What is promised for later than the cap is not waited for."""
    capped = policy(retry_after_cap="120s")
    assert next_wait(capped, failed(status=429, retry_after="120"), 0, None, 0, WALL) == 120
    assert next_wait(capped, failed(status=429, retry_after="121"), 0, None, 0, WALL) is None


def test_tries_are_counted_with_the_first() -> None:
    """Five tries are four retries, and `none` is no retry at all."""
    waits = [next_wait(policy(), failed(status=500), n, None, 0, WALL) is not None for n in range(6)]
    assert waits == [True, True, True, True, False, False]
    assert next_wait(Retries(), failed(status=500), 0, None, 0, WALL) is None
