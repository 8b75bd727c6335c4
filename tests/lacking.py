"""What a test needs and this machine may not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(what: str) -> NoReturn:
    """Skip the test, with the reason; where skips are forbidden, as in CI, fail it."""
    reason = f"needs {what}"
    if os.environ.get("WINDTUNNEL_NO_SKIPS"):
        pytest.fail(reason)
    pytest.skip(reason)
