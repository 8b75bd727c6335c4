"""Series of a soak whose oldest records are gone: steps in their place, and records from there on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from windtunnel.harness.contract.steps import CallStep
from windtunnel.reports.soak.kept import calls_seen, with_steps


def test_steps_take_the_place_of_records_that_are_gone() -> None:
    """What steps know comes from them as far as they go; what they do not know stays as it is."""
    at_s = np.array([5.0, 15.0, 25.0])
    nothing = np.array([np.nan, np.nan, 0.4])
    values = {
        "median_s": nothing,
        "goodput": nothing,
        "in_flight": np.array([0.0, 0.0, 6.0]),
        "lost": np.ones(3),
    }
    steps = [CallStep(5.0, 20, 10, 0.2, 0.3, 4, 7), CallStep(15.0, 0, 0, None, None, 0)]
    found = with_steps(values, at_s, steps)
    np.testing.assert_array_equal(found["median_s"], [0.2, np.nan, 0.4])
    np.testing.assert_array_equal(found["goodput"], [0.5, np.nan, 0.4])
    np.testing.assert_array_equal(found["in_flight"], [4, 0, 6])
    np.testing.assert_array_equal(found["lost"], [1, 1, 1])
    assert set(found) == set(values)
    calls = pd.DataFrame({"intended_s": [18.0, 21.0, 29.0]})
    assert calls_seen(calls, steps) == 22, "a call whose step is there is not counted twice"
    assert calls_seen(calls, ()) == 3


def test_steps_beyond_the_series_are_left_out() -> None:
    """A soak that was resumed and cut to whole cycles may have steps behind its last cycle."""
    found = with_steps({"median_s": np.array([np.nan])}, np.array([5.0]), [
        CallStep(5.0, 1, 1, 0.2, 0.2, 0), CallStep(15.0, 1, 1, 0.9, 0.9, 0)
    ])  # fmt: skip
    np.testing.assert_array_equal(found["median_s"], [0.2])
