"""Fixtures and rules shared by every test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ALONE = (
    "runs",
    "test_packaging.py",
    "harness/calibrate/test_calibrate.py",
    "harness/calibrate/test_peers.py",
    "mock_server/transports",
)
"""What plays load in processes of its own, or measures time: these tests have the machine to themselves."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that must run one at a time; the others may share the machine (`pytest -n 2 -m "not alone"`)."""
    places = tuple(str(TESTS / place) for place in ALONE)
    for item in items:
        if str(item.path).startswith(places):
            item.add_marker("alone")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is absent, with the reason; where skips are forbidden, fail it instead."""
    for marker, executable in (("chromium", "chromium"),):
        if item.get_closest_marker(marker) and shutil.which(executable) is None:
            reason = f"needs the executable '{executable}'"
            if os.environ.get("WINDTUNNEL_NO_SKIPS"):
                pytest.fail(reason)
            pytest.skip(reason)
