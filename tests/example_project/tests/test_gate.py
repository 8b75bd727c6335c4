"""The gate: does the assistant still cope with what has happened before?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def windtunnel(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as it is installed beside this interpreter."""
    command = Path(sys.executable).parent / "windtunnel"
    return subprocess.run([command, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_assistant_copes_with_errors(tmp_path: Path) -> None:
    """Most calls succeed although four answers in ten fail, and retries do not multiply the load."""
    played = windtunnel("run", "scenarios/errors.yaml", "--out", str(tmp_path / "run"))
    assert played.returncode == 0, played.stderr
    checked = windtunnel("check", str(tmp_path / "run"), "--expect", "amplification <= 1.8")
    assert checked.returncode == 0, checked.stdout
