"""Whether two plays of one scenario are alike: call by call where they can be, as distributions where they cannot.

In overload the order of two requests a microsecond apart decides who gets the last slot, and who gets it decides what
the next one meets: two real runs differ call by call. Then the distributions must be alike, and how alike is said by
the two-sample Kolmogorov-Smirnov distance: the largest difference between the empirical distribution functions.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
QUANTILES = (0.5, 0.95, 0.99)
SMIRNOV_5_PERCENT = 1.358
"""c(0.05) of the two-sample Kolmogorov-Smirnov test: two samples of n and m draws from one distribution are further
apart than c · √((n + m) / (n · m)) in one of twenty cases (N. Smirnov, Annals of Mathematical Statistics 19, 1948)."""


def calls_of(cell: Path) -> pd.DataFrame:
    """The measured calls of a cell by call id: `outcome`, `attempts` (int), `wait_s` (end − intended time)."""
    calls = pd.read_parquet(cell / "calls.parquet", columns=["call_id", "outcome", "intended_s", "ended_s"])
    calls = calls[calls["call_id"].str.startswith("c")].set_index("call_id")
    attempts = pd.read_parquet(cell / "attempts.parquet", columns=["call_id"])
    number = attempts["call_id"].value_counts()
    return pd.DataFrame(
        {
            "outcome": calls["outcome"],
            "attempts": number.reindex(calls.index).fillna(0).astype(int),
            "wait_s": calls["ended_s"] - calls["intended_s"],
        }
    )


def same_share(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """The share of all calls that have the same outcome and number of attempts in both; a missing call has not."""
    both = pd.concat({"one": one, "other": other}, axis=1)
    same = (both["one", "outcome"] == both["other", "outcome"]) & (
        both["one", "attempts"] == both["other", "attempts"]
    )
    return float(same.mean())


def quantile_errors(virtual: pd.DataFrame, real: pd.DataFrame) -> dict[float, tuple[float, float, float]]:
    """Of each quantile of the wait: the virtual one and the real one in seconds, and |virtual − real| ÷ real."""
    found = {}
    for q in QUANTILES:
        mine, theirs = float(virtual["wait_s"].quantile(q)), float(real["wait_s"].quantile(q))
        found[q] = (mine, theirs, abs(mine - theirs) / theirs)
    return found


def distance(one: Any, other: Any) -> float:
    """The two-sample Kolmogorov-Smirnov distance of two samples, 0 to 1."""
    first, second = np.sort(np.asarray(one, dtype=float)), np.sort(np.asarray(other, dtype=float))
    everywhere = np.concatenate([first, second])
    below = np.searchsorted(first, everywhere, side="right") / len(first)
    other_below = np.searchsorted(second, everywhere, side="right") / len(second)
    return float(np.abs(below - other_below).max())


def chance_distance(one: int, other: int) -> float:
    """How far two samples of these sizes from one distribution are apart in one of twenty cases."""
    return SMIRNOV_5_PERCENT * math.sqrt((one + other) / (one * other))


def share_apart(one: pd.Series, other: pd.Series) -> float:
    """Half of the summed differences between the shares of each outcome (total variation), 0 to 1."""
    shares = [series.value_counts(normalize=True) for series in (one, other)]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2)
