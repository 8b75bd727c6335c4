"""Durations and rates are written with their units, and survive being written back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.units import (
    BARE_SECONDS,
    PositiveSeconds,
    Rate,
    Seconds,
    SecondsOrForever,
    format_rate,
    format_seconds,
    parse_rate,
    parse_seconds,
)


class Model(BaseModel):
    wait: Seconds = 0.25
    length: PositiveSeconds = 1.0
    stall: SecondsOrForever = math.inf
    rate: Rate = 1.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("12s", 12.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("0s", 0.0),
        (" 1.5 s ", 1.5),
        ("1e-3s", 0.001),
    ],
)
def test_durations_are_read_with_their_unit(text: str, seconds: float) -> None:
    """Each unit means what it says, with or without blanks and decimals."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "rate"), [("14/s", 14.0), ("60/min", 1.0), ("7200/h", 2.0), ("0.5 / s", 0.5)]
)
def test_rates_are_read_with_their_unit(text: str, rate: float) -> None:
    """A rate per minute or hour becomes one per second."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("bare", [5, 0.5, "5", " 0.5 ", 0])
def test_a_bare_number_is_refused_with_a_message_that_asks_for_the_unit(bare: object) -> None:
    """Where a unit belongs, a number without one is a ValueError that says what was found and expected."""
    with pytest.raises(ValueError, match=r"found .* without a unit, expected a duration with its unit"):
        parse_seconds(bare)
    with pytest.raises(ValueError, match=r"found .* without a unit, expected a rate with its unit"):
        parse_rate(bare)


@pytest.mark.parametrize("wrong", ["", "s", "-5s", "5 sec", "5/s", "1m30s", None, True, [], "nans", "1e999s"])
def test_anything_else_is_refused(wrong: object) -> None:
    """Text that is no duration raises `PlanError`, never anything else."""
    with pytest.raises(PlanError):
        parse_seconds(wrong)


@given(st.floats(min_value=0, max_value=1e9, allow_nan=False))
def test_a_written_duration_reads_back_as_the_same_number(seconds: float) -> None:
    """`parse_seconds` undoes `format_seconds` exactly, for every duration."""
    assert parse_seconds(format_seconds(seconds)) == seconds


@given(st.floats(min_value=0, max_value=1e9, allow_nan=False))
def test_a_written_rate_reads_back_as_the_same_number(rate: float) -> None:
    """`parse_rate` undoes `format_rate` exactly, for every rate."""
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250ms"),
        (0.089, "89ms"),
        (12.0, "12s"),
        (90.0, "90s"),
        (1.5, "1.5s"),
        (0.0, "0s"),
        (math.inf, "forever"),
    ],
)
def test_durations_are_written_as_people_write_them(seconds: float, text: str) -> None:
    """Below a second in milliseconds, otherwise in seconds, without noise."""
    assert format_seconds(seconds) == text


def test_a_dumped_model_validates_again() -> None:
    """Dumping writes units, so the dump is a valid input that gives the same model."""
    model = Model.model_validate({"wait": "5m", "length": "12s", "stall": "forever", "rate": "60/min"})
    dumped = model.model_dump()
    assert dumped == {"wait": "300s", "length": "12s", "stall": "forever", "rate": "1/s"}
    assert Model.model_validate(dumped) == model


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("wait", 5, "a duration with its unit, such as 250ms, 12s, 5m or 1h"),
        ("length", "0s", "a duration above zero"),
        ("stall", 5, "a duration with its unit, such as 250ms, 12s, 5m or 1h, or forever"),
        ("rate", 5, "a rate with its unit, such as 14/s or 60/min"),
    ],
)
def test_models_report_what_was_expected_and_where(field: str, value: object, expected: str) -> None:
    """A wrong unit in a model is reported at its key, with found and expected in the error's context."""
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({field: value})
    [error] = caught.value.errors()
    assert error["loc"] == (field,)
    assert error["ctx"]["expected"] == expected
    assert expected in error["msg"]


def test_fault_headers_may_leave_the_unit_of_seconds_out() -> None:
    """With the header's context a bare number in text is seconds; a wrong text is refused all the same."""
    assert Model.model_validate({"wait": "5", "stall": "0.5"}, context=BARE_SECONDS).wait == 5.0
    with pytest.raises(ValidationError):
        Model.model_validate({"wait": "five"}, context=BARE_SECONDS)
