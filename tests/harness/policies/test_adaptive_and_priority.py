"""The limiter's tokens, the rate that it finds by itself, and who is shed first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.inputs.load import Load
from windtunnel.harness.inputs.policies import Adaptive, Limiter, Priority
from windtunnel.harness.policies.limiter import AdaptiveRate, LocalLimiter
from windtunnel.harness.policies.priority import priority_of, shed


def adaptive(rpm: float, **parts: Any) -> tuple[LocalLimiter, AdaptiveRate]:
    limiter = LocalLimiter(rpm)
    return limiter, AdaptiveRate(Adaptive.model_validate(parts), limiter)


def test_tokens_space_the_turns() -> None:
    """At 6000 tokens a minute a try of 500 takes five seconds, however many requests a minute there may be."""
    limiter = LocalLimiter(6000, burst=10, tpm=6000)
    assert [limiter.take(0.0, 500) for _ in range(3)] == pytest.approx([0, 5, 10])
    assert limiter.wait(12.0) == pytest.approx(3)
    assert limiter.take(100.0, 500) == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 400)), min_size=1, max_size=60))
def test_no_window_sees_more_tokens_than_its_quota(tries: list[tuple[float, int]]) -> None:
    """In any stretch of time, tokens are at most those of its last try and rate × length."""
    limiter = LocalLimiter(10_000, burst=5, tpm=6000)
    now, turns = 0.0, []
    for pause, tokens in tries:
        now += pause
        turns.append((now + limiter.take(now, tokens), tokens))
    for first, (start, _) in enumerate(turns):
        for last in range(first, len(turns)):
            spent = sum(tokens for _, tokens in turns[first:last])
            assert spent <= 100 * (turns[last][0] - start) + 1e-6


def test_the_rate_falls_at_a_429_once_for_a_crowd() -> None:
    """A hundred 429s in one second halve the rate once; the next second's halve it again; it has a floor."""
    limiter, rate = adaptive(600, floor=100)
    for number in range(100):
        rate.answered(429, {}, number / 101, 0.0)
    assert limiter.rpm == 300
    rate.answered(429, {}, 1.0, 0.0)
    assert limiter.rpm == 150
    for second in range(2, 20):
        rate.answered(429, {}, float(second), 0.0)
    assert limiter.rpm == 100


def test_the_rate_grows_with_what_succeeds() -> None:
    """Ten seconds of full use add ten times `increase`; other errors change nothing, and nothing grows by waiting."""
    limiter, rate = adaptive(600, increase=6)
    now = 0.0
    while now < 10:
        now += 60 / limiter.rpm
        rate.answered(200, {}, now, 0.0)
    assert limiter.rpm == pytest.approx(660, rel=0.01)
    was = limiter.rpm
    for status in (400, 500, 503):
        rate.answered(status, {}, 1000.0, 0.0)
    assert limiter.rpm == was


def test_the_limit_in_the_headers_is_never_exceeded() -> None:
    """x-ratelimit-limit-requests is a ceiling, from the first answer on; without `headers` it is not read."""
    limiter, rate = adaptive(6000, increase=600)
    rate.answered(200, {"x-ratelimit-limit-requests": "480"}, 0.0, 0.0)
    assert limiter.rpm == 480
    rate.answered(200, {}, 1.0, 0.0)
    assert limiter.rpm == 480
    deaf, unread = adaptive(6000, headers=False, increase=0)
    unread.answered(200, {"x-ratelimit-limit-requests": "480"}, 0.0, 0.0)
    assert deaf.rpm == 6000


def test_nothing_is_sent_until_the_promised_time() -> None:
    """A 429's Retry-After holds all tries, and those after it are spaced as ever, not sent as a crowd."""
    limiter, rate = adaptive(600, decrease=0.5)
    rate.answered(429, {"retry-after": "7"}, 10.0, 0.0)
    assert [10.0 + limiter.take(10.0) for _ in range(3)] == pytest.approx([17.0, 17.2, 17.4])


def test_nothing_is_sent_while_the_headers_say_that_nothing_is_left() -> None:
    """With a limit of 60 a minute and none left, the next turn comes when one request has been refilled."""
    limiter, rate = adaptive(60)
    rate.answered(200, {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}, 5.0, 0.0)
    assert limiter.wait(5.0) == pytest.approx(1.0)


@pytest.mark.parametrize("value", ["", "nan", "many", "-1", "inf"])
def test_nonsense_in_the_headers_changes_nothing(value: str) -> None:
    """What is not a number above zero is not read."""
    limiter, rate = adaptive(600, increase=0)
    names = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "retry-after")
    rate.answered(200, dict.fromkeys(names, value), 0.0, 0.0)
    assert (limiter.rpm, limiter.wait(0.0)) == (600, 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from([200, 429, 500])), max_size=200))
def test_the_rate_keeps_within_its_bounds(answers: list[tuple[float, int]]) -> None:
    """Whatever comes, the rate is between its floor and the ceiling that the headers name."""
    limiter, rate = adaptive(600, increase=60, floor=30)
    now = 0.0
    for pause, status in answers:
        now += pause
        rate.answered(status, {"x-ratelimit-limit-requests": "900", "retry-after": "1"}, now, 0.0)
        assert 30 <= limiter.rpm <= 900
        assert 0 <= limiter.wait(now) <= 61 + 2


PRIORITIES = Limiter.model_validate(
    {
        "rpm": 60,
        "priorities": [
            {"name": "people", "share": 0.2, "wait": "20s"},
            {"name": "mail", "share": 0.3, "wait": "5s"},
            {"name": "batch", "share": 0.5, "wait": "1s"},
        ],
    }
).priorities


@pytest.mark.parametrize(
    ("name", "u", "expected"),
    [(None, 0.19, "people"), (None, 0.2, "mail"), (None, 0.999999999, "batch"), ("mail", 0.9, "mail")],
)
def test_a_call_has_one_priority(name: str | None, u: float, expected: str) -> None:
    """The load's word counts, else the call's own draw."""
    found = priority_of(PRIORITIES, name, u)
    assert found is not None
    assert found.name == expected


def test_an_unknown_priority_is_the_most_important_one() -> None:
    """Nothing is shed because of a name that a profile does not know; without classes nothing is shed at all."""
    found = priority_of(PRIORITIES, "unheard of", 0.9)
    assert found is not None
    assert found.name == "people"
    assert priority_of((), "mail", 0.5) is None
    assert not shed(None, 1e9)


def test_the_least_important_are_shed_first() -> None:
    """As the queue at the limiter grows, batch goes first, then mail; what people ask waits longest."""
    waits = (0.5, 1.0, 3.0, 10.0, 21.0)
    kept = [[p.name for p in PRIORITIES if not shed(p, wait)] for wait in waits]
    assert kept == [["people", "mail", "batch"]] * 2 + [["people", "mail"], ["people"], []]


def test_important_calls_hardly_notice_the_others() -> None:
    """At three times the quota, half of it batch: no call of people is shed, and of batch most are."""
    limiter = LocalLimiter(60)
    made: dict[str, list[bool]] = {"people": [], "batch": []}
    order: list[Priority] = [PRIORITIES[0], PRIORITIES[2], PRIORITIES[2]] * 40
    for number, priority in enumerate(order):
        now = number / 2
        gone = shed(priority, limiter.wait(now))
        made[priority.name].append(not gone)
        if not gone:
            limiter.take(now)
    assert all(made["people"])
    assert 0.1 < sum(made["batch"]) / len(made["batch"]) < 0.6


def test_the_load_says_who_has_which_priority() -> None:
    """Shares hold over many calls, a call's class depends on seed and id alone, and without classes there is none."""
    load = Load.model_validate({"rate": "1/s", "deadline": "9s", "priorities": {"people": 0.2, "batch": 0.8}})
    names = [load.priority(f"c{number}", 7) for number in range(2000)]
    assert 0.17 < names.count("people") / 2000 < 0.23
    assert names == [load.priority(f"c{number}", 7) for number in range(2000)]
    assert Load.model_validate({"rate": "1/s", "deadline": "9s"}).priority("c1", 7) is None
