"""Planted programs, probed: run by the command's own function, compared with what they say of themselves."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lacking import lacks
from windtunnel.harness.probe.command import probe_command
from windtunnel.harness.probe.options import ProbeOptions

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
FLAKY = str(HERE / "flaky.yaml")


def needs(executable: str) -> str:
    """The path of an executable. Where it is missing the test is skipped, or fails where skips are forbidden."""
    found = shutil.which(executable)
    if found is None:
        lacks(f"the executable '{executable}'")
    return found


def python(name: str) -> list[str]:
    """A program of `loops.py`."""
    return [sys.executable, str(PROGRAMS / "loops.py"), name]


def probed(folder: Path, command: Sequence[str], **options: Any) -> tuple[int, dict[str, Any]]:
    """Probe a command; the exit code, and `probe.json`."""
    options = {"scenario": FLAKY, **options}
    code = probe_command(ProbeOptions(command=command, out=folder, **options))
    return code, json.loads((folder / "probe.json").read_text())


def truth(folder: Path) -> dict[str, int]:
    """What the program said that it did, as its last line."""
    said: dict[str, int] = json.loads((folder / "stdout.txt").read_text().splitlines()[-1])
    return said


def close_or_said(folder: Path, result: dict[str, Any]) -> bool:
    """Whether the attempts per call are certain. They are within 2 % of the truth then; else that is said aloud."""
    calls, known = result["figures"]["calls"], truth(folder)
    true = known["attempts"] / known["calls"]
    if calls["certain"]:
        assert abs(calls["attempts_per_call"] - true) <= 0.02 * true, (calls, known)
        return True
    assert any(line.startswith("NOT CERTAIN") for line in result["findings"])
    assert calls["at_least"] <= true * 1.02
    assert calls["at_most"] >= true * 0.98
    return False
