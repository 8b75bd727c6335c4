"""Random draws as pure functions: every draw is a hash of its key, never the next number of a generator.

So the order of arrival cannot move a draw from one call to another, and the same seed gives the same
incident to every client that is compared.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist

Z99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""

MAX_P99_OVER_MEAN = math.exp(Z99 * Z99 / 2)
"""Above this ratio (14.97) no lognormal distribution has the given mean and p99."""

_inv_cdf = NormalDist().inv_cdf
_SMALLEST = 2.0**-54


def _bits(seed: int, key: tuple[str | int, ...]) -> int:
    # ascii() of a tuple keeps ("a", "bc") apart from ("ab", "c") and 1 apart from "1".
    return int.from_bytes(blake2b(ascii((seed, key)).encode(), digest_size=8).digest(), "little")


def uniform(seed: int, *key: str | int) -> float:
    """Return a number in [0, 1) that depends on the seed and the key alone: the same in every process."""
    return (_bits(seed, key) >> 11) * 2.0**-53


def derive(seed: int, *key: str | int) -> int:
    """Return a seed that is derived from this one (for a repeat, say): 63 bits."""
    return _bits(seed, ("derive", *key)) >> 1


def lognormal(u: float, *, median: float, p99: float) -> float:
    """Return the `u` quantile (0 ≤ u < 1) of the lognormal distribution with this median and 99th percentile.

    ln X is normal with mean ln(median) and standard deviation ln(p99 / median) / Z99. Where both are
    equal it is that constant.
    """
    if p99 <= median or median <= 0:
        return median
    sigma = math.log(p99 / median) / Z99
    return median * math.exp(sigma * _inv_cdf(u or _SMALLEST))


def median_from_mean(mean: float, p99: float) -> float:
    """The median of the lognormal distribution with this mean and 99th percentile.

    With spread s: mean = exp(m + s²/2) and p99 = exp(m + Z99·s) give s = Z99 - sqrt(Z99² - 2·ln(p99 / mean)),
    the smaller root (the other is a spike at zero with a monstrous tail). Raises ValueError where
    p99 / mean is above MAX_P99_OVER_MEAN.
    """
    if p99 <= mean or mean <= 0:
        return mean
    rest = Z99 * Z99 - 2 * math.log(p99 / mean)
    if rest < 0:
        raise ValueError(f"no lognormal has p99 / mean = {p99 / mean:.4g}: at most {MAX_P99_OVER_MEAN:.4g}")
    sigma = Z99 - math.sqrt(rest)
    return p99 / math.exp(Z99 * sigma)


def lognormal_from_mean(u: float, *, mean: float, p99: float) -> float:
    """The `u` quantile (0 ≤ u < 1) of the lognormal distribution with this mean and 99th percentile."""
    return lognormal(u, median=median_from_mean(mean, p99), p99=p99)
