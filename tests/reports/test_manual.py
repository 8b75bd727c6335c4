"""The manual says what the code does."""

from __future__ import annotations

from pathlib import Path

import windtunnel.reports
from windtunnel.reports.figures.validity import CHECKS
from windtunnel.reports.read.outcomes import OUTCOMES

README = Path(str(windtunnel.reports.__file__)).with_name("README.md")


def test_every_outcome_and_check_is_explained() -> None:
    """No outcome and no validity check is left to guessing."""
    text = README.read_text(encoding="utf-8")
    assert all(f"| `{outcome}` |" in text for outcome in OUTCOMES)
    assert len(CHECKS) == 9
    for name in ("generator_lateness_p99_s", "client_lag_p99_s", "dropped_arrivals", "client_cpu_cores"):
        assert f"`{name}`" in text
