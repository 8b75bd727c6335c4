"""Files that one process writes while another one may read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

PLAN_VERSION: Final = 1
"""The form of plan.json and of the tables beside it; raised when records of the old form can no longer be read."""


POOLS_FILE: Final = "pools-{worker}.json"
"""What was open in the connection pools of a load process, by its number: {pools, leaked, idle}."""

CYCLE_MARK: Final = ".cycle-"
"""In a soak, between a phase's name and the number of its cycle."""

PART_MARK: Final = ".part-"
"""In a soak, between a phase's name and the number of its part, where a cycle has the phase more than once."""

SOAK_RUN: Final = "run"
"""In the folder of a soak, the run directory."""

SOAK_KEEPS: Final = "soak-keeps.json"
"""In the folder of a soak on the virtual clock: {keep_raw_s}, how long records of single calls stay. Absent: all do."""


UNUSABLE: Final = "windtunnel: unusable: "
"""Begins the line in a cell's log that says why its client can make no call at all, as JSON {path, found, expected}."""


RUNS_FILE: Final = "runs.json"
"""In a folder with the runs of several scenarios: their names, in order, and which clients were left out, and why."""

RUNS_VERSION: Final = 1
"""The form of RUNS_FILE."""


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write `content`, text as UTF-8, so that `path` holds all of it or is as it was before. Returns `path`."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    return part.replace(path)  # within one directory a rename is atomic


def write_json(path: Path, content: Any, *, indent: int | None = None) -> Path:
    """Write `content` as JSON, the whole file or nothing. Returns `path`."""
    return write_whole(path, json.dumps(content, indent=indent))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; empty if there is none yet, or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no file, no text, no JSON
        return {}
    return content if isinstance(content, dict) else {}
