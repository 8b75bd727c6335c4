"""What `calibrate --only links` makes of its measurements."""

from __future__ import annotations

import numpy as np
import pytest

from windtunnel.harness.calibrate.link_client import Taken
from windtunnel.harness.calibrate.link_truth import REGIONS, ask_virtually, region_findings


def test_a_cold_request_costs_a_round_trip_more_on_the_virtual_clock() -> None:
    """Sixty connections of four requests to a region: as many of each kind, near what the link was given."""
    mean, _ = REGIONS["eu-central"]
    taken = ask_virtually("eu-central", 60, 4)
    assert (len(taken.cold), len(taken.warm)) == (60, 180)
    assert np.mean(taken.warm) == pytest.approx(mean, rel=0.15)
    assert np.mean(taken.cold) / np.mean(taken.warm) == pytest.approx(2, rel=0.15)


def test_findings_say_how_far_each_clock_is_off() -> None:
    """Mean and P99 beside those of the link, and one clock beside the other; within the aims or not."""
    mean, p99 = REGIONS["us-east"]
    exact = Taken([0.2], [mean - (p99 - mean) / 98] * 98 + [p99, p99])
    late = Taken([0.2], [one * 1.1 for one in exact.warm])
    found = {
        finding.name: finding for finding in region_findings("us-east", {"virtual": exact, "real": late})
    }
    assert found["P99 of a warm request, us-east, virtual"].met
    assert found["mean of a warm request, us-east, virtual"].met
    real = found["mean of a warm request, us-east, real"]
    assert real.met is False
    assert "load" in real.note
    clocks = found["a link's p99, virtual from real, us-east"]
    assert clocks.value == pytest.approx(100 * (1 - 1 / 1.1))
    assert clocks.met is False
