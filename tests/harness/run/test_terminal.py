"""A terminal that closes while the report of a run is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windtunnel.harness.run.terminal import outliving_the_terminal

HANGUP = """
import os, signal, sys
from windtunnel.harness.run.terminal import outliving_the_terminal
with outliving_the_terminal():
    os.kill(os.getpid(), signal.SIGHUP)
    print("not lost", flush=True)
    open(sys.argv[1], "w").write("whole")
os.kill(os.getpid(), signal.SIGHUP)
"""


def test_what_is_written_meanwhile_is_whole(tmp_path: Path) -> None:
    """A hangup ends the process only after that; what goes to a file or a pipe still does."""
    done = subprocess.run(
        [sys.executable, "-c", HANGUP, str(tmp_path / "report")], capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "report").read_text() == "whole"
    assert done.stdout == "not lost\n"
    assert done.returncode == -signal.SIGHUP


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_the_handler_of_before_comes_back(before: signal.Handlers) -> None:
    """Also that of `nohup`, which is left as it is."""
    ours = signal.signal(signal.SIGHUP, before)
    try:
        with outliving_the_terminal():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is before
    finally:
        signal.signal(signal.SIGHUP, ours)


def test_output_that_has_gone_is_no_error() -> None:
    """Where standard output has closed with the terminal, what is said goes nowhere."""
    code = HANGUP.replace("import os", "import os; os.close(1); import os", 1)
    done = subprocess.run(
        [sys.executable, "-c", code, os.devnull], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == -signal.SIGHUP
