"""What rates need and what calls cost, from levels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from windtunnel.harness.contract.capacity import (
    Bill,
    BilledTokens,
    CapacityFound,
    ClientCapacity,
    Flow,
    Level,
    LevelState,
    Needs,
    TokenPrice,
)
from windtunnel.reports.capacity.answer import answer, lines_of
from windtunnel.reports.capacity.cost import cost_of_level
from windtunnel.reports.capacity.flow import occupancy
from windtunnel.reports.capacity.plan import planned
from windtunnel.reports.capacity.pool import pool_need

BILL = Bill(
    good=200,
    useful=BilledTokens(10_000, 20_000),
    abandoned=BilledTokens(1_000, 2_000),
    late=BilledTokens(500, 1_000),
    retried=BilledTokens(345, 3_105),
)
PRICE = TokenPrice(0.4, 1.6, "--price")


def level(rate: float, state: LevelState = "passed", each_s: float = 2.0, *bills: Bill) -> Level:
    """A steady level of Poisson arrivals: variance and mean over time are alike; requests take half of a call."""
    under_way = rate * each_s
    calls = round(20 * rate)
    flow = Flow(20, calls, calls, calls * each_s, under_way, under_way, under_way / 2, under_way / 2)
    return Level(rate, state, (), 1, 2, 0, rate, rate, 90, 1, 0, {}, flows=(flow, flow), bills=bills)


def test_a_pool_holds_what_is_under_way_in_95_percent_of_the_time() -> None:
    """5/s of 2 s each are 10 in the mean, and with Poisson's spread up to 10 + 1.645 × √10 = 15.2."""
    need = pool_need((level(2), level(5), level(8, "failed")), 5)
    assert need is not None
    assert (need.calls.mean, need.calls.each_s, need.calls.peakedness, need.calls.enough) == (10, 2, 1, 16)
    assert (need.requests.mean, need.requests.enough) == (5, 9)


def test_a_rate_between_levels_takes_the_waits_of_the_next_one_that_passed() -> None:
    """4/s with the 3 s of 5/s, and not the 2 s of 2/s."""
    need = pool_need((level(2), level(5, each_s=3), level(8, "failed")), 4)
    assert need is not None
    assert (need.measured_at, need.calls.mean) == (5, 12)


def test_nothing_is_known_beyond_what_passed() -> None:
    """A level that failed has waits that nobody plans with."""
    assert pool_need((level(2), level(8, "failed")), 5) is None


def test_the_rule_holds_on_arrivals_that_are_drawn() -> None:
    """Ten under way, drawn: a pool by the rule is enough for 95 % of the time, and not for 99.5 %."""
    draw = np.random.default_rng(3)
    begin = np.sort(draw.uniform(0, 4000, 20_000))
    end = begin + draw.exponential(2, 20_000)
    mean, variance = occupancy(begin, end, 50.0, 3950.0)
    flow = Flow(3900, 19_500, 19_500, 39_000, mean, variance, mean, variance)
    one = Level(5, "passed", (), 1, 1, 0, 5, 5, 90, 1, 0, {}, flows=(flow,))
    need = pool_need((one,), 5)
    assert need is not None
    at = draw.uniform(50, 3950, 4000)
    under_way = (begin[:, None] <= at).sum(axis=0) - (end[:, None] <= at).sum(axis=0)
    assert 0.95 <= (under_way <= need.calls.enough).mean() <= 0.995


def test_a_thousand_good_calls_cost_what_was_billed_for_them() -> None:
    """In tokens and at a price; abandoned and late work is told apart, and adds up."""
    cost = cost_of_level(level(5, "passed", 2, BILL), PRICE)
    assert cost is not None
    assert (cost.total.prompt, cost.total.answer) == (57_500, 115_000)
    assert cost.total.usd == pytest.approx((57_500 * 0.4 + 115_000 * 1.6) / 1e6)
    assert cost.useful.tokens + cost.abandoned.tokens + cost.late.tokens == cost.total.tokens
    assert cost.adds == pytest.approx(4_500 / 30_000)


def test_no_price_is_made_up() -> None:
    """Without one there are tokens alone; without a good call there is nothing."""
    cost = cost_of_level(level(5, "passed", 2, BILL), None)
    assert cost is not None
    assert cost.total.usd is None
    assert cost_of_level(level(5), None) is None


LEVELS = (level(2, "passed", 2, BILL), level(5, "passed", 2, BILL), level(5.2, "failed", 2, BILL))
CLIENT = ClientCapacity(
    "mine",
    "found",
    5,
    5,
    5.2,
    LEVELS,
    1.5,
    (Needs(5, 300, 27_000, 1), Needs(2, 120, 10_800, 1), Needs(12, 720, 64_800, 3)),
)
FOUND = CapacityFound(
    1, "quota", ("goodput >= 0.99",), "virtual", 7, 0.04, 1000.0, 2.0, 300, None, 64, (CLIENT,), 12.0, PRICE
)


def test_the_answer_says_pool_copies_and_cost() -> None:
    """In words for the terminal."""
    lines = [line.strip() for line in lines_of(planned(FOUND))]
    assert (
        "5 calls/s have 10 calls under way in the mean (2 s each) and up to 16 in 95 % of the time: a semaphore or "
        "workers of 16; for their requests (1 s a call) a pool of 9 connections"
    ) in lines
    assert (
        "12 calls/s are more than what is safe: 3 such clients, each with such a provider, at 4/s each (a quota that "
        "they share must be what was said above)"
    ) in lines
    assert (
        "a thousand good calls at 5/s cost 0.207 USD: 172,500 tokens (57,500 of prompts, 115,000 of answers), at 0.4 "
        "and 1.6 USD a million (--price); abandoned requests add 10 %, late or broken answers 5 % to the useful "
        "tokens; 10 % of all tokens were billed to retries"
    ) in lines


def test_the_tables_are_for_a_planning_document() -> None:
    """A row for each rate, and one for each level's cost."""
    text = answer(planned(FOUND))
    assert "| target | 12 | 720 | 64,800 | 3 | 3 | 8 | 13 | 8 |" in text
    assert "| 5.2 | failed | 172,500 | 0.207 | 150,000 | 15,000 | 7,500 | 10 % |" in text
