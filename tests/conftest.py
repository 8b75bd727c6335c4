"""Fixtures and rules shared by every test."""

from __future__ import annotations

import os
import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is absent, with the reason; where skips are forbidden, fail it instead."""
    for marker, executable in (("chromium", "chromium"),):
        if item.get_closest_marker(marker) and shutil.which(executable) is None:
            reason = f"needs the executable '{executable}'"
            if os.environ.get("WINDTUNNEL_NO_SKIPS"):
                pytest.fail(reason)
            pytest.skip(reason)
