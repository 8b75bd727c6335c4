"""The command as a user has it: `windtunnel …` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

COMMAND = str(Path(sys.executable).parent / "windtunnel")
NOT_VALID = 3
TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Played:
    """A run that is over: the exit code, what was printed, and its directory."""

    code: int
    out: str
    err: str
    folder: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        content: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return content

    def value(self, client: str, name: str, phase: str | None = None) -> Any:
        """One metric of one client, overall or in a phase."""
        of_client = self.metrics["clients"][client]
        return (of_client["phases"][phase] if phase else of_client["overall"])[name]["value"]

    def table(self, name: str, client: str, repeat: int = 0) -> pd.DataFrame:
        """One table of one cell."""
        return pd.read_parquet(self.folder / "cells" / f"{client}-{repeat}" / f"{name}.parquet")


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start the command; stdout and stderr can be read."""
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return subprocess.Popen(
        [COMMAND, *arguments],
        cwd=cwd,
        env={**environment, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], folder: Path) -> Played:
    """Wait for a command that was started."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return Played(process.returncode, out, err, folder)


def ask(*arguments: str, cwd: Path) -> Played:
    """Run the command to its end."""
    return finish(start(*arguments, cwd=cwd), cwd)


def begin(folder: Path, scenario: str, *arguments: str) -> subprocess.Popen[str]:
    """Write `scenario` to a file and start its run in `folder/run`."""
    (folder / "scenario.yaml").write_text(scenario)
    return start("run", "scenario.yaml", "--out", "run", *arguments, cwd=folder)
