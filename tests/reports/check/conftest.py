"""Simulated runs, checked once for all the tests of this directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.page.queue_simulation import CLIENTS, Phase
from tests.reports.page.rundir import write_run


@pytest.fixture(scope="session")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A retry storm against two clients; of twelve expectations some fail."""
    return write_run(tmp_path_factory.mktemp("runs") / "storm", clients=CLIENTS[:2])


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten healthy seconds, in which everything that is expected holds."""
    folder = tmp_path_factory.mktemp("runs") / "calm"
    phases = (Phase("only", 0, 10),)
    return write_run(folder, clients=CLIENTS[:1], phases=phases, name="calm", expect=("goodput >= 0.9",))


@pytest.fixture(scope="session")
def invalid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with processes that lagged by 200 ms."""
    folder = tmp_path_factory.mktemp("runs") / "invalid"
    phases = (Phase("only", 0, 10),)
    expect = ("goodput >= 0.9", "amplification <= 0.5")
    return write_run(folder, clients=CLIENTS[:1], phases=phases, name="late", expect=expect, lag_s=0.2)


@pytest.fixture(scope="session")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted at 33 s of 50."""
    folder = tmp_path_factory.mktemp("runs") / "partial"
    return write_run(
        folder, clients=CLIENTS[:1], state="interrupted", upto_s=33.0, expect=("amplification <= 9",)
    )


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three repeats, with text that XML, Markdown and GitHub would take amiss."""
    folder = tmp_path_factory.mktemp("runs") / "odd"
    phases = (Phase("before", 0, 10), Phase("broken <b>,`x`", 10, 20, broken=0.5), Phase("a_b|c", 20, 40))
    expect = ("silent_corruption@broken <b>,`x` <= 0", "goodput@a_b|c >= 1.1")
    return write_run(
        folder, clients=CLIENTS[:1], phases=phases, repeats=3, name="odd::\n::error::x", expect=expect
    )
