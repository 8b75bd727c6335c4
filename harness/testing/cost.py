"""What the plugin costs on a machine: `python -m windtunnel.harness.testing.cost [--tests 1000]`.

It writes a project of so many tests, each with a fault and one call of one shared client without retries, and lets
pytest play it: against the mock's process, in process, and for comparison with tests that do nothing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOCKETS = """
import openai, pytest
shared = None
FAULTS = ["overloaded", "server_error", "rate_limit_requests", "bad_gateway", "malformed_json"]

@pytest.mark.parametrize("number", range({tests}))
def test_one(mock_openai, number):
    global shared
    if shared is None:
        shared = openai.OpenAI(api_key="shared", max_retries=0)
    mock_openai.fault(FAULTS[number % len(FAULTS)])
    with pytest.raises((openai.APIError, ValueError)):
        shared.chat.completions.create(model="gpt-4.1-mini", messages=[{{"role": "user", "content": "Hello"}}])
    mock_openai.assert_attempts(exactly=1)
"""

IN_PROCESS = """
import httpx2, openai, pytest, windtunnel.testing
FAULTS = ["overloaded", "server_error", "rate_limit_requests", "bad_gateway", "malformed_json"]
mock = windtunnel.testing.transport()
shared = openai.OpenAI(api_key="shared", max_retries=0, http_client=httpx2.Client(transport=mock))

@pytest.mark.parametrize("number", range({tests}))
def test_one(number):
    mock.begin().fault(FAULTS[number % len(FAULTS)])
    with pytest.raises((openai.APIError, ValueError)):
        shared.chat.completions.create(model="gpt-4.1-mini", messages=[{{"role": "user", "content": "Hello"}}])
    mock.assert_attempts(exactly=1)
"""

EMPTY = """
import openai, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_one(number):
    pass
"""

KINDS = {"sockets": SOCKETS, "in process": IN_PROCESS, "empty tests": EMPTY}


def play(text: str, tests: int) -> tuple[float, float]:
    """Play a project; gives seconds of the whole command, and milliseconds of a test after the first."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_cost.py").write_text(text.format(tests=tests))
        began = time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--durations=1",
                "-vv",
                "test_cost.py",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stdout[-2000:])
    own = re.search(r"in (\d+\.\d+)s", done.stdout.splitlines()[-1])
    first = re.search(r"^(\d+\.\d+)s", done.stdout.split("slowest")[-1].split("\n", 1)[-1])
    rest = float(own[1]) - (float(first[1]) if first else 0.0) if own else took
    return took, rest / max(1, tests - 1) * 1000


def main() -> None:
    """Measure, and print a line for each kind."""
    parser = argparse.ArgumentParser(description="Measure what the pytest plugin costs.")
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--only", choices=KINDS)
    given = parser.parse_args()
    for kind, text in KINDS.items():
        if given.only in (None, kind):
            took, each = play(text, given.tests)
            print(f"{kind:<12} {given.tests} tests in {took:6.1f} s, {each:6.2f} ms a test", flush=True)


if __name__ == "__main__":
    main()
