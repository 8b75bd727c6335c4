"""How many calls and requests a rate has under way: what a pool, a semaphore or a number of workers must hold.

By Little's law a rate has rate × W under way in the mean, where W is the mean time that each takes, measured at the
nearest level above the rate that passed. The number moves about that mean: its variance over time ÷ its mean is the
peakedness (Hayward's; 1 is Poisson), measured at the same level and kept when the rate changes. So in 95 % of the
time at most mean + 1.645 × √(peakedness × mean) are under way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from windtunnel.harness.contract.capacity import Level

QUANTILE = 0.95
NORMAL = 1.645
"""How many standard deviations above its mean the 95th percentile of a normal distribution lies."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What is under way at a rate: the mean, and what it stays at or below in 95 % of the time.

    `each_s` is the mean time that one takes, `peakedness` variance ÷ mean over time.
    """

    each_s: float
    peakedness: float
    mean: float
    enough: int


@dataclass(frozen=True, slots=True)
class PoolNeed:
    """What `rate` (calls/s) needs: `calls` are under way in the client's code, `requests` open at the provider.

    Both as measured at the level of `measured_at` calls/s. An application's semaphore or workers must hold the
    calls; a connection pool, with one request a connection (HTTP/1.1), the requests.
    """

    rate: float
    measured_at: float
    calls: Occupancy
    requests: Occupancy


def pool_need(levels: Sequence[Level], rate: float) -> PoolNeed | None:
    """What this rate needs; None where no level at or above it passed, as nothing beyond is known."""
    passed = [one for one in levels if one.state == "passed" and one.rate >= rate and one.flows]
    if not passed:
        return None
    level = min(passed, key=lambda one: one.rate)
    offered = sum(flow.calls for flow in level.flows) / sum(flow.length_s for flow in level.flows)
    if not offered:
        return None
    calls = _occupancy([(one.in_flight, one.spread) for one in level.flows], offered, rate)
    requests = _occupancy([(one.open, one.open_spread) for one in level.flows], offered, rate)
    return PoolNeed(rate, level.rate, calls, requests)


def _occupancy(measured: Sequence[tuple[float, float]], offered: float, rate: float) -> Occupancy:
    """From (mean, variance) batch by batch, at `offered` calls/s, to what is under way at `rate`."""
    mean = fmean(one for one, _ in measured)
    variance = fmean(spread + (one - mean) ** 2 for one, spread in measured)
    peakedness = variance / mean if mean else 0.0
    each_s = mean / offered
    expected = rate * each_s
    enough = expected + NORMAL * math.sqrt(peakedness * expected)
    return Occupancy(each_s, peakedness, expected, max(1, math.ceil(enough)))
