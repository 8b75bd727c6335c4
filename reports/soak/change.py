"""Since when: the moment from which on a series follows another line than before (ruptures, one break of two lines)."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import ruptures

from windtunnel.reports.read.outcomes import Floats
from windtunnel.reports.soak.trend import thinned

MOST_POINTS: Final = 160
LEAST_SIDE: Final = 5
"""Points on either side of a break: a line through fewer says nothing."""
GAIN: Final = 6.0
"""Two lines must explain the series so much better than one, in multiples of the logarithm of its length."""


def change_of(at_h: Floats, values: Floats) -> float | None:
    """The hour of the first point that follows the second line; None if one line explains the series as well."""
    at_h, values = thinned(at_h, values, MOST_POINTS)
    count = len(values)
    if count < 2 * LEAST_SIDE + 2:
        return None
    scale = float(values.std()) or 1.0
    signal = np.column_stack([(values - values.mean()) / scale, at_h - at_h[0], np.ones(count)])
    search = ruptures.Binseg(model="linear", min_size=LEAST_SIDE, jump=1).fit(signal)
    place, _ = search.predict(n_bkps=1)
    noise = 1e-9 * count
    one = float(search.cost.sum_of_costs([count])) + noise
    two = float(search.cost.sum_of_costs([place, count])) + noise
    return float(at_h[place]) if count * math.log(one / two) > GAIN * math.log(count) else None
