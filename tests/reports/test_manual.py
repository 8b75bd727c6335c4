"""The manual says what the code does."""

from __future__ import annotations

import pytest

from windtunnel.harness.contract.metric_names import METRIC_NAMES, OF_PHASE, OF_RUN
from windtunnel.reports.figures.validity import CHECKS
from windtunnel.reports.manual import README, renewed
from windtunnel.reports.metrics import METRICS
from windtunnel.reports.read.outcomes import OUTCOMES


def test_the_metric_reference_is_that_of_the_table() -> None:
    """README.md holds the table as it is today; `python -m windtunnel.reports.manual` renews it."""
    text = README.read_text(encoding="utf-8")
    assert renewed(text) == text


def test_scenarios_can_expect_nothing_that_is_not_measured() -> None:
    """Every metric that a scenario may name exists, and those of phases are measured in phases."""
    assert set(METRIC_NAMES) <= set(METRICS)
    assert all(METRICS[name].scope == "phase" for name in OF_PHASE)
    assert all(METRICS[name].scope != "phase" for name in OF_RUN)


def test_every_outcome_and_check_is_explained() -> None:
    """No outcome and no validity check is left to guessing."""
    text = README.read_text(encoding="utf-8")
    assert all(f"| `{outcome}` |" in text for outcome in OUTCOMES)
    assert len(CHECKS) == 8
    for name in ("generator_lateness_p99_s", "client_lag_p99_s", "dropped_arrivals", "client_cpu_cores"):
        assert f"`{name}`" in text


def test_a_manual_without_marks_is_refused() -> None:
    """The table is never written into a file that has no place for it."""
    with pytest.raises(ValueError, match="marks"):
        renewed("# Something else")
