"""`--floor`: what counts as a difference, as the user says."""

from __future__ import annotations

import pytest

from windtunnel.harness.contract.floors import asked_floors
from windtunnel.harness.contract.metrics import Floor
from windtunnel.harness.errors import InputError


def test_a_floor_is_a_number_or_a_share() -> None:
    """A number is in the metric's unit, one with % a share of the older value; the last of two counts."""
    asked = asked_floors(["goodput=0.5", "goodput = 0.02", "wait_p99_s=10%"], "ab")
    assert asked == {"goodput": Floor(0.02), "wait_p99_s": Floor(share=0.1)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goodput", "found 'goodput', expected NAME=NUMBER"),
        ("goodput=much", "found 'goodput=much'"),
        ("goodput=nan", "found 'goodput=nan'"),
        ("goodput=-1", "found 'goodput=-1'"),
        ("godput=1", "the unknown metric 'godput', expected a metric with a direction: see `windtunnel list metrics` "
         "(did you mean 'goodput'?)"),
        ("offered=1", "'offered', of which neither way is better"),
    ],
)  # fmt: skip
def test_what_is_no_floor_is_refused(text: str, said: str) -> None:
    """One message says the option, what was found, and what was expected."""
    with pytest.raises(InputError) as told:
        asked_floors([text], "windtunnel ab")
    assert str(told.value).startswith("windtunnel ab: --floor: found ")
    assert said in str(told.value)
