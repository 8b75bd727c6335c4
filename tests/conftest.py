"""Fixtures and rules shared by every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests.lacking import lacks

# How long an example may take says nothing on a machine that plays other tests beside it.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

collect_ignore = ["example_project"]
"""A project of its own, which `test_packaging.py` plays from an installed wheel."""

TESTS = Path(__file__).parent
ALONE = (
    "runs/test_truth.py",
    "harness/calibrate/test_peers.py",
    "harness/gateways/test_planted.py",
    "mock_server/transports/test_background.py",
    "mock_server/transports/test_leaving.py",
    "mock_server/transports/test_life.py",
    "mock_server/transports/test_listeners.py",
    "mock_server/transports/test_stream_faults.py",
    "mock_server/transports/test_wire_faults.py",
)
"""Files whose tests hold what they measure against a clock, or a run against being valid.

They have the machine to themselves, and so has a single test of another file that is marked `alone`. What only
*waits*, for a process to end or a file to appear, is none of these.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that must run one at a time; the others may share the machine (`pytest -n 4 -m "not alone"`)."""
    alone = {TESTS / place for place in ALONE}
    assert all(path.exists() for path in alone), "ALONE names a file that is not there"
    for item in items:
        if item.path in alone:
            item.add_marker("alone")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is absent, with the reason; where skips are forbidden, fail it instead."""
    for marker, executable in (("chromium", "chromium"),):
        if item.get_closest_marker(marker) and shutil.which(executable) is None:
            lacks(f"the executable '{executable}'")
