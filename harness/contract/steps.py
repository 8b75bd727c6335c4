"""Steps of a soak: what became of the calls of ten seconds, kept when their records are deleted.

`steps.jsonl` in the folder of a cell has one JSON object a line: a header, then a step each, in order of time and
without a gap. Records whose steps are there may be deleted: reports take the steps in their place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

STEPS_VERSION: Final = 1
"""The form of a file of steps."""

STEPS_FILE: Final = "steps.jsonl"
"""In the folder of a cell: the steps whose records may be deleted."""

STEP_S: Final = 10.0
"""Seconds that a step lasts."""


@dataclass(frozen=True, slots=True)
class CallStep:
    """The calls that were due in one step, `at_s` (its middle) seconds after the start of the soak.

    `median_s` and `p95_s` are waits of the good calls, in seconds; None without any. `in_flight`: calls under way at
    the middle. `connections`: open ones then, as the server saw it; None where nobody looked.
    """

    at_s: float
    due: int
    good: int
    median_s: float | None
    p95_s: float | None
    in_flight: int
    connections: int | None = None

    @property
    def end_s(self) -> float:
        """When the step is over."""
        return self.at_s + STEP_S / 2


def append_steps(folder: Path, steps: Iterable[CallStep]) -> None:
    """Append steps to the file in `folder`, which is begun if there is none. Raises OSError if it cannot be written."""
    path = folder / STEPS_FILE
    before = path.read_bytes()[-1:] if path.exists() else b""
    lines = [] if before else [json.dumps({"steps_version": STEPS_VERSION})]
    lines += [json.dumps(asdict(step), separators=(",", ":")) for step in steps]
    torn = "" if before.endswith(b"\n") or not before else "\n"  # a line that a kill has cut off stays alone
    with path.open("a", encoding="utf-8") as file:
        file.write(torn + "\n".join(lines) + "\n")


def read_steps(folder: Path) -> tuple[CallStep, ...]:
    """The steps in `folder`, none if there is no file; a line that was cut off by a kill is left out."""
    try:
        lines = (folder / STEPS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        try:
            one = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(one, dict) and "at_s" in one:
            found.append(CallStep(**one))
    return tuple(found)
