"""Small projects of users, played by pytest in a process of their own, with the plugin as it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PLUGIN = "windtunnel.harness.testing.plugin"

ASYNCIO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
"""Options for a project that uses pytest-asyncio; without them it is as if that were not installed."""


def pytest_command() -> list[str]:
    """Return the command of pytest with the plugin; a checkout that was installed before there was one names it."""
    installed = any(point.name == "windtunnel" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", PLUGIN)
    return [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--strict-markers",
        "--tb=short",
        *plugin,
    ]


def play(
    folder: Path, text: str, *options: str, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Write `text` as the tests of a project, and play them; gives pytest's exit code and what it printed."""
    (folder / "test_theirs.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [*pytest_command(), *(() if ASYNCIO[1] in options else ("-p", "no:asyncio")), *options],
        cwd=folder,
        env={**os.environ, "COLUMNS": "160", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=110,
    )
    return done.returncode, done.stdout + done.stderr
