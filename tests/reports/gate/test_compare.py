"""Verdicts on pairs of values: what is better, worse, no difference, or not known yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from windtunnel.harness.contract.metrics import Floor
from windtunnel.reports.gate.compare import Comparison, Pairs, compare, overall, pairs_of
from windtunnel.reports.metrics.figure import Figure, FiguresByPhase, Value


def pairs(
    a: Sequence[Value],
    b: Sequence[Value],
    metric: str = "goodput",
    *,
    cut: tuple[str, ...] = (),
    same: bool = False,
) -> Pairs:
    """Values of A and B a seed; `cut` names those that are lower bounds, as `a0` or `b3`."""
    of_a, of_b = (
        tuple(Figure(value, censored=f"{side}{i}" in cut) for i, value in enumerate(values))
        for side, values in (("a", a), ("b", b))
    )
    return Pairs(metric=metric, phase=None, a=of_a, b=of_b, same=same)


def alone(one: Pairs, **floors: Floor) -> Comparison:
    """The verdict on a family of one."""
    return compare([one], floors)[0]


STEADY = [0.9 + 0.001 * (i % 5) for i in range(20)]
NOISE = np.random.default_rng(3).normal(0, 0.01, 20)


def test_equal_behaviour_is_the_same() -> None:
    """Where the digests of all seeds are equal nothing is tested."""
    found = alone(pairs(STEADY, STEADY, same=True))
    assert (found.state, found.difference, found.p, found.text) == ("same", 0.0, None, "same")


@pytest.mark.parametrize(
    ("metric", "change", "state"),
    [
        ("goodput", -0.1, "worse"),
        ("goodput", 0.05, "better"),
        ("amplification", 0.3, "worse"),
        ("wait_p99_s", -0.2, "better"),
    ],
)
def test_a_difference_beyond_the_floor_is_better_or_worse(metric: str, change: float, state: str) -> None:
    """The direction is the metric's; the interval lies around the difference and excludes zero."""
    found = alone(pairs(STEADY, [float(v) for v in np.array(STEADY) + change + NOISE], metric))
    assert found.state == state
    assert found.low is not None
    assert found.high is not None
    assert found.low <= change + NOISE.mean() <= found.high
    assert found.low * found.high > 0


def test_a_sure_difference_below_the_floor_is_none() -> None:
    """What does not matter is no regression, however sure it is; another floor makes it one."""
    one = pairs(STEADY, [v - 0.01 for v in STEADY])
    found = alone(one)
    assert (found.state, found.smallest) == ("no_difference", 0.02)
    assert alone(one, goodput=Floor(0.005)).state == "worse"


def test_noise_is_no_difference_and_says_what_would_have_been_found() -> None:
    """Without a difference it says the smallest one that would have been found: more than the floor where noise is."""
    noise = np.random.default_rng(8).normal(0, 0.1, 20)
    found = alone(pairs(STEADY, [float(v) for v in np.array(STEADY) + noise - noise.mean()]))
    assert found.state == "no_difference"
    assert found.smallest == pytest.approx(0.075, abs=0.02)
    assert "the smallest that would have been found: 0.0" in found.text


def test_too_few_pairs_say_how_many_are_needed() -> None:
    """Three pairs cannot be sure of anything, as signs fall alike in one of four; it says how many could."""
    found = alone(pairs([0.9, 0.91, 0.9], [0.8, 0.8, 0.79]))
    assert (found.state, found.repeats, found.text) == ("inconclusive", 6, "inconclusive: repeat 6 times")
    single = alone(pairs([0.9], [0.5]))
    assert (single.state, single.low, single.repeats) == ("inconclusive", None, 6)


def test_more_repeats_for_more_noise() -> None:
    """A difference that is likely, and not sure in a large family, needs as many repeats as its noise asks for."""
    noise = np.random.default_rng(5).normal(0, 0.1, 12)
    likely = pairs([0.9] * 12, [float(v) for v in 0.9 - 0.085 + noise - noise.mean()])
    quiet = [pairs([1.0] * 12, [1.0 + 0.2 * (-1) ** i for i in range(12)], "amplification")] * 1
    assert alone(likely).state == "worse"
    strong = [pairs([1.0] * 12, [1.4] * 12, "wait_p50_s")] * 30
    found = compare([likely, *strong, *quiet * 40])[0]
    assert found.state == "inconclusive"
    assert found.repeats is not None
    assert 12 < found.repeats < 100


def test_truths_are_compared_as_shares_of_seeds() -> None:
    """`recovered` in 20 of 20 seeds and in 6 of them is worse; in 19 of them nobody can be sure."""
    yes = [True] * 20
    lost = alone(pairs(yes, [True] * 6 + [False] * 14, "recovered"))
    assert (lost.state, lost.a, lost.b) == ("worse", 1.0, 0.3)
    assert alone(pairs(yes, [True] * 19 + [False], "recovered")).state == "no_difference"


def test_a_lower_bound_tells_where_the_other_side_is_below_it() -> None:
    """A recovery that never came is longer than one that did: the pair counts with the least that it can differ by."""
    found = alone(
        pairs(
            [5.0 + 0.1 * i for i in range(12)],
            [40.0] * 12,
            "time_to_recover_s",
            cut=tuple(f"b{i}" for i in range(12)),
        )
    )
    assert (found.state, found.censored) == ("worse", True)
    assert found.difference == pytest.approx(40 - 5.55)


def test_two_lower_bounds_tell_nothing() -> None:
    """Where neither recovered nobody knows which would have been sooner: not compared, or over the other pairs."""
    both = tuple(f"{side}{i}" for side in "ab" for i in range(12))
    found = alone(pairs([40.0] * 12, [40.0] * 12, "time_to_recover_s", cut=both))
    assert (found.state, found.pairs) == ("not_compared", 0)
    assert "cut off" in found.text
    one = alone(pairs([4.0] * 11 + [40.0], [9.0] * 11 + [40.0], "time_to_recover_s", cut=("a11", "b11")))
    assert (one.state, one.pairs, one.reason) == ("worse", 11, "over 11 of 12 pairs")
    below = alone(pairs([9.0], [4.0], "time_to_recover_s", cut=("b0",)))
    assert below.state == "not_compared"


def test_unknown_values_are_left_out_and_told() -> None:
    """A pair needs both values; a side without any says why."""
    found = alone(pairs([*STEADY, None], [v - 0.2 for v in STEADY] + [0.7]))
    assert (found.state, found.pairs, found.of) == ("worse", 20, 21)
    none = Pairs(
        metric="retry_yield", phase=None, a=(Figure(0.5),) * 9, b=(Figure(None, reason="no retries"),) * 9
    )
    assert alone(none).text == "not compared: B has no value (no retries)"
    neither = Pairs(metric="retry_yield", phase=None, a=none.b, b=none.b)
    assert alone(neither).text == "not compared: neither has a value (no retries)"
    in_turns = pairs([0.5, None], [None, 0.5], "retry_yield")
    assert alone(in_turns).text == "not compared: in no pair both have a value"


def test_alarms_over_a_whole_family_are_rare() -> None:
    """Of 60 metrics without a difference, 100 times over, at most a few families raise an alarm: 5 % by design."""
    draw = np.random.default_rng(11)
    alarms = 0
    for _ in range(100):
        values = draw.lognormal(0, 0.5, (60, 2, 10))
        family = [pairs(list(map(float, a)), list(map(float, b)), "wait_p99_s") for a, b in values]
        alarms += any(one.state in ("better", "worse") for one in compare(family))
    assert alarms <= 10


def test_verdicts_repeat_exactly() -> None:
    """The same values have the same verdict, p-values and intervals included: nothing is left to chance."""
    draw = np.random.default_rng(2)
    family = [
        pairs(list(map(float, a)), list(map(float, b)), "wait_p99_s")
        for a, b in draw.lognormal(0, 0.5, (5, 2, 20))
    ]
    assert compare(family) == compare(family)


def test_worse_wins_over_what_is_inconclusive() -> None:
    """A proven regression is not less proven by what is unclear beside it."""
    worse = alone(pairs(STEADY, [v - 0.2 for v in STEADY]))
    unclear = alone(pairs([0.9], [0.5]))
    equal = alone(pairs(STEADY, STEADY, same=True))
    assert overall([equal, unclear, worse]) == "worse"
    assert overall([equal, unclear]) == "inconclusive"
    assert overall([equal]) == "same"


def test_pairs_are_made_of_every_metric_with_a_direction() -> None:
    """Metrics of the run and of each phase; what has no better way is left out, what one side lacks says so."""
    one = FiguresByPhase(
        overall={"offered": Figure(9), "goodput": Figure(0.9)}, phases={"after": {"hang_p50_s": Figure(1.0)}}
    )
    other = FiguresByPhase(overall={"offered": Figure(9), "goodput": Figure(0.8)}, phases={"after": {}})
    found = pairs_of([one], [other], scenario="s")
    assert [(pair.name, pair.b[0].value) for pair in found] == [("goodput", 0.8), ("hang_p50_s@after", None)]
    assert found[1].b[0].reason == "does not apply"
