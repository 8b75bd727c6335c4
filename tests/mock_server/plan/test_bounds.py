"""Every number of a plan, a fault, a scenario and a profile has an upper bound, and a reason for it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.plan.bounded_fields import models, unbounded, uncounted, without_reason
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.options import ServeError, ServeOptions


def test_every_number_has_an_upper_bound() -> None:
    """A number without one is a way to take all memory, or to a date in the year 30 million."""
    assert len(models()) > 40
    assert list(unbounded()) == []


def test_every_bound_has_its_reason_in_the_description() -> None:
    """Who meets a bound reads in the manual why it is there."""
    assert list(without_reason()) == []


def test_every_list_has_a_most() -> None:
    """A plan is put in force while requests are under way: what takes long by its length is bounded."""
    assert list(uncounted()) == []


@pytest.mark.parametrize(
    "plan",
    [
        {"provider": {"answer": {"tokens": 1e9}}},
        {"provider": {"answer": {"tokens": {"median": 10, "p99": 1e9}}}},
        {"provider": {"answer": {"first_token": "1e9h"}}},
        {"provider": {"capacity": {"slots": 10**12}}},
        {"rules": [{"fault": "overloaded", "with": {"retry_after_date": "1e15s"}}]},
        {"rules": [{"fault": "stall", "with": {"after_chunks": 10**12}}]},
        {"rules": [{"fault": "server_error", "first": 10**15}]},
        {"phases": [{"name": "long", "for": "1e9h"}]},
        {"seed": 2**70},
        {"rules": [{"fault": "overloaded"}] * 1_001},
        {"rules": [{"sequence": ["ok", "overloaded"] * 501}]},
        {"phases": [{"name": f"p{i}", "for": "1s"} for i in range(501)]},
        {
            "phases": [
                {"name": f"p{i}", "for": "1s", "rules": [{"fault": "overloaded"}] * 600} for i in range(2)
            ]
        },
        {
            "provider": {"regions": {f"r{i}": {} for i in range(100)}},
            "phases": [{"name": f"p{i}", "for": "1s"} for i in range(21)],
        },
        {"provider": {"regions": {f"r{i}": {} for i in range(101)}}},
        {"provider": {"models": [f"m{i}" for i in range(1_001)]}},
    ],
)
def test_numbers_beyond_reason_are_refused(plan: dict[str, Any]) -> None:
    """The error names the key and the bound."""
    with pytest.raises(ValidationError, match=r"at most|less than or equal to"):
        Plan.model_validate(plan)


@pytest.mark.parametrize(
    "options",
    [
        {"port": 80_000},
        {"port": -1},
        {"admin_port": 65_536},
        {"ports": (1, 99_999)},
        {"workers": 10**6},
        {"port": 65_535, "plan": Plan.model_validate({"provider": {"regions": {"a": {}, "b": {}}}})},
    ],
)
def test_options_of_a_server_are_bounded(options: dict[str, Any]) -> None:
    """A port that does not exist is refused, instead of another one being listened on."""
    with pytest.raises(ServeError, match=r"expected|is the last one"):
        ServeOptions(**options).check()
