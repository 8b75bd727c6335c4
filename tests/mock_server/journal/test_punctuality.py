"""How punctually tokens are written, as a histogram of fixed size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.journal.punctuality import STEP_S, Punctuality


@given(st.lists(st.floats(-0.15, 0.15), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_percentiles_are_exact_to_a_step(errors: list[float], share: float) -> None:
    """A percentile of the histogram is that of the samples, rounded up by at most one step."""
    counted = Punctuality()
    for error in errors:
        counted.note(error)
    exact = float(np.percentile(np.abs(errors), share * 100, method="inverted_cdf"))
    found = counted.percentile(share)
    assert found is not None
    assert exact - 1e-12 <= found <= exact + STEP_S + 1e-12
    assert counted.count == len(errors)
    assert counted.worst_s == max(map(abs, errors))


def test_nothing_counted_is_nothing_known() -> None:
    """Before the first token, and after a reset, there is no percentile."""
    counted = Punctuality()
    counted.note(0.5)
    assert counted.percentile(1.0) is not None
    counted.reset()
    assert counted.percentile(0.99) is None
    assert counted.summary() == {"count": 0, "p50_s": None, "p99_s": None, "max_s": 0.0}
