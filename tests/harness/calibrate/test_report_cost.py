"""A synthetic run is one that reports read, and its report is measured in a process of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from windtunnel.harness.calibrate.report_cost import measure


def test_the_report_of_a_synthetic_run_is_measured(tmp_path: Path) -> None:
    """It is written, by a child whose time and memory are told."""
    rate, memory = asyncio.run(measure(tmp_path, lambda message: None, served=2_000))
    assert rate.value
    assert memory.value
    assert "2,000 served records" in rate.note
    assert (tmp_path / "synthetic" / "report.html").is_file()
