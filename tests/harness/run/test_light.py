"""What the process of a run loads: it makes no calls itself, so no library that makes them."""

from __future__ import annotations

import subprocess
import sys

LIBRARIES = {"openai", "httpx2", "gevent", "locust", "pandas", "windtunnel.harness.clients"}


def test_a_run_waits_for_no_library_that_it_does_not_use() -> None:
    """OpenAI's SDK alone takes a second of CPU to load: the processes that make calls pay that, and they only."""
    code = "import sys, windtunnel.harness.run.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert LIBRARIES.intersection(done.stdout.split()) == set()
