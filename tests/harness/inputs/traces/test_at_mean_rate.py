"""A trace at another mean rate: stretched, and again from its start."""

from __future__ import annotations

import pytest

from windtunnel.harness.inputs.traces.scaling import at_mean_rate
from windtunnel.harness.inputs.traces.settings import TracedCalls

CALLS = TracedCalls((0.0, 1.0, 1.5, 3.0), (10, None, 30, 40), (1, 2, 3, 4))


@pytest.mark.parametrize("rate", [0.1, 1.0, 7.3])
def test_it_has_the_rate_in_the_mean_and_keeps_its_course(rate: float) -> None:
    """Gaps have the proportions that they had, sizes stay with their calls, and it begins anew a mean gap later."""
    found = at_mean_rate(CALLS, rate, 39.9 / rate)
    assert len(found) == 40
    gaps = [later - sooner for sooner, later in zip(found.times_s, found.times_s[1:], strict=False)]
    assert gaps[:3] == pytest.approx([1.0 / rate, 0.5 / rate, 1.5 / rate], abs=1e-5)
    assert found.times_s[4] == pytest.approx(4 / rate)
    assert found.prompts[:5] == (10, None, 30, 40, 10)
    assert found.answers[4:8] == (1, 2, 3, 4)


def test_one_call_is_a_constant_rate() -> None:
    """There is no course in it."""
    assert at_mean_rate(TracedCalls((0.0,), (), ()), 2.0, 2.0).times_s == (0.0, 0.5, 1.0, 1.5)


def test_a_level_is_as_long_as_it_is_asked_for() -> None:
    """What is due later is left out."""
    assert at_mean_rate(CALLS, 1.0, 2.0).times_s == (0.0, 1.0, 1.5)


@pytest.mark.parametrize("part", range(7))
def test_each_part_begins_elsewhere_and_goes_round(part: int) -> None:
    """The first call is due at once, and the course goes on from there, over the end of the trace."""
    many = TracedCalls(tuple(float(n * n) for n in range(10)), tuple(range(1, 11)), ())
    found = at_mean_rate(many, 1.0, 20.0, part)
    assert found.times_s[0] == 0.0
    assert list(found.times_s) == sorted(found.times_s)
    first = found.prompts[0]
    assert first is not None
    assert list(found.prompts[:10]) == [(first - 1 + n) % 10 + 1 for n in range(10)]
    assert len({at_mean_rate(many, 1.0, 20.0, other).prompts[0] for other in range(7)}) >= 6
