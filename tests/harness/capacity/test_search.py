"""The search, the verdict and the cut of the warm-up, on made-up data with known answers."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from windtunnel.harness.capacity.search import SCOUT, search
from windtunnel.harness.capacity.verdict import LOOKS, interval, judge_term, together
from windtunnel.harness.capacity.warm_up import mser5
from windtunnel.harness.contract.capacity import LevelState
from windtunnel.harness.contract.expectation import Expectation

TTFT = Expectation.model_validate("ttft_p95_s <= 2")
GOODPUT = Expectation.model_validate("goodput >= 0.99")


@pytest.mark.parametrize("capacity", [1.0, 1.3, 4.0, 7.77, 60.0, 511.0])
def test_a_sharp_capacity_is_bracketed(capacity: float) -> None:
    """Whatever it is, the bracket holds it and is as narrow as was asked for."""
    found = search(
        lambda rate, _: "passed" if rate <= capacity else "failed", start=1.0, most=1000.0, within=0.04
    )
    assert found.status == "found"
    assert found.low is not None
    assert found.high is not None
    assert found.low <= capacity < found.high
    assert found.high / found.low <= 1.04


def test_the_first_ones_double_and_are_short() -> None:
    """Short plays double and take the middle until both ends are near; then come full ones, the lower end first."""
    seen: list[tuple[float, int]] = []

    def look(rate: float, plays: int) -> LevelState:
        seen.append((rate, plays))
        return "passed" if rate <= 5 else "failed"

    search(look, start=1.0, most=1000.0, within=0.04)
    assert seen[:7] == [(1.0, 0), (2.0, 0), (4.0, 0), (8.0, 0), (5.657, 0), (4.757, 0), (5.188, 0)]
    assert seen[7:] == [(4.757, 1), (4.968, 1), (5.077, 1)][: len(seen) - 7]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("capacity", [1.7, 4.0, 25.5, 300.0])
def test_a_short_play_that_sees_less_misleads_nobody(capacity: float) -> None:
    """It lets pass what is beyond capacity by a few percent: full plays find it, and few of them are needed."""
    full: list[float] = []

    def look(rate: float, plays: int) -> LevelState:
        if plays == SCOUT:
            return "failed" if rate > 1.15 * capacity else "passed"
        full.append(rate)
        return "failed" if rate > capacity else "passed"

    found = search(look, start=1.0, most=1000.0, within=0.05)
    assert found.status == "found"
    assert (found.low or 0) <= capacity < (found.high or 0) <= 1.05 * (found.low or 0)
    assert len(full) <= 5


def test_even_the_first_rate_fails() -> None:
    """That is unattainable, and takes one level."""
    assert search(lambda *_: "failed", start=1.0, most=1000.0, within=0.04).status == "unattainable"


def test_nothing_within_reach_fails() -> None:
    """That is out of reach, with the highest rate that was tried, which is played in full."""
    seen: dict[float, int] = {}

    def look(rate: float, plays: int) -> LevelState:
        seen[rate] = plays
        return "passed"

    found = search(look, start=1.0, most=100.0, within=0.04)
    assert (found.status, found.low, found.high) == ("out of reach", 100.0, None)
    assert seen == {1.0: 0, 2.0: 0, 4.0: 0, 8.0: 0, 16.0: 0, 32.0: 0, 64.0: 0, 100.0: 1}


def test_the_last_rate_within_reach_may_fail_in_full_alone() -> None:
    """What short plays let pass up to the end of the reach is searched downwards."""
    found = search(
        lambda rate, plays: "failed" if plays != SCOUT and rate > 90 else "passed",
        start=1.0,
        most=100.0,
        within=0.04,
    )
    assert found.status == "found"
    assert (found.low or 0) <= 90 < (found.high or 0)


def test_a_narrow_band_without_a_verdict_still_gives_an_answer() -> None:
    """What cannot be decided widens the interval; both of its ends are searched for."""
    plays_of: dict[float, int] = {}

    def look(rate: float, plays: int) -> LevelState:
        plays_of[rate] = plays
        return "passed" if rate < 4.9 else "failed" if rate > 5.1 else "unresolved"

    found = search(look, start=1.0, most=1000.0, within=0.04)
    assert found.status == "found"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 4.9 < 5.1 < found.high <= 1.1 * found.low
    assert max(plays_of.values()) == 3  # seven plays are for what would have no answer


def test_a_wide_band_without_a_verdict_is_said() -> None:
    """From half of a rate to twice of it is no answer, after as many plays as there may be."""
    most = 0

    def look(rate: float, plays: int) -> LevelState:
        nonlocal most
        most = max(most, plays)
        return "passed" if rate < 4 else "failed" if rate > 9 else "unresolved"

    assert search(look, start=1.0, most=1000.0, within=0.04).status == "unresolved"
    assert most == LOOKS[-1]
    assert search(lambda *_: "unresolved", start=1.0, most=64.0, within=0.04).status == "unresolved"


def test_more_plays_decide_what_one_cannot() -> None:
    """Near the capacity one play cannot tell, three can."""

    def look(rate: float, plays: int) -> LevelState:
        return "unresolved" if plays < 3 and 4.5 < rate < 5.5 else "passed" if rate <= 5 else "failed"

    found = search(look, start=1.0, most=1000.0, within=0.05)
    assert found.status == "found"
    assert (found.low or 0) <= 5 < (found.high or 0) <= 1.05 * (found.low or 0)


def test_mser5_cuts_a_start_that_is_unlike_the_rest() -> None:
    """Forty high values before four hundred steady ones go, and few of the others."""
    draw = random.Random(1)
    values = [9 + draw.random() for _ in range(40)] + [1 + draw.random() for _ in range(400)]
    assert 40 <= mser5(values) <= 60


def test_mser5_cuts_nothing_of_what_is_steady_and_half_of_what_grows() -> None:
    """Values without noise have no warm-up; a queue that never stops growing has no steady part."""
    assert mser5([1.0] * 200) == 0
    assert mser5([float(n) for n in range(200)]) == 100
    assert mser5([1.0, 2.0]) == 0


def test_a_term_is_judged_by_an_interval() -> None:
    """Far below passes, far above fails, and what straddles the limit is not decided."""
    draw = random.Random(2)

    def around(mean: float) -> list[float | None]:
        return [mean + draw.uniform(-0.5, 0.5) for _ in range(10)]

    assert judge_term(TTFT, [around(1.0)]).state == "passed"
    assert judge_term(TTFT, [around(3.0)]).state == "failed"
    assert judge_term(TTFT, [around(2.02)]).state == "unresolved"
    assert judge_term(GOODPUT, [[1.0] * 10]).state == "passed"
    assert judge_term(GOODPUT, [[0.98] * 10]).state == "failed"


def test_batches_that_get_worse_fail_where_their_mean_does() -> None:
    """A growing queue makes them differ so much that the plain interval reaches the limit; a shrinking one may end."""
    draw = random.Random(5)
    grows: list[float | None] = [2 + 2.0 * n + draw.uniform(-0.5, 0.5) for n in range(10)]
    low, _, high = interval([[value or 0.0 for value in grows]])
    assert low < 2 < high
    assert judge_term(TTFT, [grows]).state == "failed"
    assert judge_term(TTFT, [grows[::-1]]).state == "unresolved"
    assert judge_term(Expectation.model_validate("ttft_p95_s <= 12"), [grows]).state == "unresolved"


def test_batches_without_a_value_count_against_the_term() -> None:
    """Where no call got a first token, nobody waited less than two seconds."""
    assert judge_term(TTFT, [[None] * 10]).state == "failed"
    one = judge_term(TTFT, [[1.0] * 9 + [None]])
    assert (one.state, one.mean, one.high) == ("unresolved", None, None)
    assert judge_term(TTFT, []).state == "unresolved"


def test_batches_that_are_alike_in_a_row_count_as_fewer() -> None:
    """The same values have a wider interval in an order in which neighbours are alike."""
    values = [float(n) for n in range(10)]
    mixed = [0.0, 9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]
    sorted_one, mixed_one = interval([values]), interval([mixed])
    assert sorted_one[2] - sorted_one[0] > 1.5 * (mixed_one[2] - mixed_one[0])


def test_the_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    """At one look of three: in about 98 % of all cases, for batches that do not depend on each other."""
    draw = random.Random(3)
    held = 0
    for _ in range(1000):
        low, _mean, high = interval([[draw.gauss(5, 1) for _ in range(10)]])
        held += low <= 5 <= high
    assert held >= 965


def test_more_plays_make_it_narrower() -> None:
    """Which is why a level that cannot be decided is played again."""
    draw = random.Random(4)
    plays = [[draw.gauss(5, 1) for _ in range(10)] for _ in range(7)]
    widths = [interval(plays[:count])[2] - interval(plays[:count])[0] for count in (1, 3, 7)]
    assert all(wide > narrow for wide, narrow in pairwise(widths))


def test_an_slo_fails_with_one_term() -> None:
    """And passes with all of them."""
    assert together(["passed", "failed", "unresolved"]) == "failed"
    assert together(["passed", "unresolved"]) == "unresolved"
    assert together(["passed", "passed"]) == "passed"
