"""The coverage-guided fuzzers work, where atheris is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mock_server.hardening.fuzzing import SEEDS, TARGETS

RUNS = 300


def test_every_parser_has_a_beginning() -> None:
    """Every fuzzer has inputs to start from."""
    assert SEEDS.keys() == TARGETS.keys()
    assert all(SEEDS.values())


@pytest.mark.parametrize("name", ["requests", "schemas"])
def test_a_bounded_run(name: str, tmp_path: Path) -> None:
    """A few hundred inputs, each chosen for the code that the last ones reached, find nothing."""
    pytest.importorskip("atheris", reason="needs atheris, which finds inputs by the code that they reach")
    harness = Path(__file__).with_name("fuzz_parsers.py")
    ran = subprocess.run(
        [sys.executable, str(harness), name, f"-runs={RUNS}", "-timeout=20"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"Done {RUNS} runs" in ran.stderr
