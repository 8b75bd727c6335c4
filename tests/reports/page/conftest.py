"""Reports of simulated runs, rendered once for all the tests of this directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.page.queue_simulation import CLIENTS, Phase
from tests.reports.page.rundir import write_run
from windtunnel.reports.build import write_report


@pytest.fixture(scope="session")
def storm_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A retry storm against four clients, reported."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "storm")
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def invalid_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose processes lagged by 200 ms, reported."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "invalid", clients=CLIENTS[:2], lag_s=0.2)
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def partial_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted at 33 s of 50, reported."""
    folder = tmp_path_factory.mktemp("runs") / "partial"
    write_run(folder, clients=CLIENTS[:2], state="interrupted", upto_s=33.0)
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def broken_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three repeats of a run in which streams break silently, with text that HTML and Markdown would take amiss."""
    folder = tmp_path_factory.mktemp("runs") / "broken"
    phases = (Phase("before", 0, 10), Phase("broken <b>", 10, 20, broken=0.5), Phase("a_b|c", 20, 40))
    write_run(
        folder,
        clients=CLIENTS[:1],
        phases=phases,
        repeats=3,
        name="broken_streams",
        about="<script>$x$ & *y*",
    )
    write_report(folder)
    return folder
