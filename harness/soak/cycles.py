"""A scenario whose phases come again and again, as one scenario that plays as any other does."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windtunnel.harness.contract.files import CYCLE_MARK
from windtunnel.harness.contract.steps import STEP_S
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import is_file, load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.mock_server.plan.plan import MOST_PHASES, MOST_SETTINGS

COMMAND: Final = "windtunnel soak"
LEAST_CYCLES: Final = 4
"""A trend over fewer cycles cannot be told from chance."""
BYTES_PER_CALL: Final = 4000
"""What a call leaves at most on disk while it is played and its tables are closed: calls, attempts, served rows."""
HOUR_S: Final = 3600.0
RAW_SLACK_S: Final = 4200.0
"""Seconds that raw records stay beyond what is asked for at most: whole segments are deleted."""
LAG_BYTES_PER_S: Final = 2500.0
"""What the mock writes of its own loop: 50 samples a second."""
BYTES_PER_STEP: Final = 1200.0
"""A line of steps and one of the watch file, with the types of objects that are counted inside."""


@dataclass(frozen=True, slots=True)
class Cycled:
    """The scenario of a soak: how many cycles it has, of which length, and whether they were stretched to fit.

    `incidents`: how many were drawn, where the cycles are days with a daily curve; None where they are the phases.
    """

    scenario: Scenario
    cycles: int
    cycle_s: float
    stretched: float
    incidents: int | None = None

    @property
    def length_s(self) -> float:
        return self.cycles * self.cycle_s

    @property
    def calls(self) -> int:
        """About how many calls each client makes."""
        daily = self.scenario.load.arrivals.daily
        share = 1.0 if daily is None else sum(daily.curve) / len(daily.curve)
        return math.ceil((self.scenario.load.rate or 0.0) * share * self.length_s)

    @property
    def said(self) -> str:
        """One line on what is played."""
        told = f"{self.cycles} cycles of {as_time(self.cycle_s)}: {as_time(self.length_s)}"
        if self.incidents is not None:
            days = f"{self.cycles} days of {as_time(self.cycle_s)}: {as_time(self.length_s)}"
            told = f"{days}, {self.incidents} incidents"
        told += f", about {self.calls:,} calls a client"
        if self.stretched > 1:
            told += (
                f"; phases last {self.stretched:.3g} times as long as in the scenario, as a plan has at most "
                f"{MOST_PHASES} of them"
            )
        return told

    def write(self, path: Path) -> Path:
        """Write it to a scenario's file."""
        data = self.scenario.model_dump(mode="json", by_alias=True)
        data["clients"] = [str(Path(name).resolve()) if is_file(name) else name for name in data["clients"]]
        path.write_text(json.dumps(data, indent=1), encoding="utf-8")  # JSON is YAML as well
        return path


def cycled(name: str, for_s: float, cycle_s: float | None = None) -> Cycled:
    """The scenario `name`, its phases repeated for `for_s` seconds in whole cycles, each `cycle_s` long if given.

    Phases are stretched where a plan could not hold so many. Raises InputError if too few cycles fit.
    """
    plain = load_scenario(name)
    plain.require_no_vary("a soak is one cell of each client")
    plain.require_one_rate("each cycle has the same load")
    regions = max(1, len(plain.provider.regions))
    most = min(MOST_PHASES, MOST_SETTINGS // regions) // len(plain.phases)
    asked = plain.length_s if cycle_s is None else cycle_s
    length = max(asked, for_s / most) if cycle_s is None else asked
    cycles = math.floor(for_s / length + 1e-9)
    if cycles < LEAST_CYCLES:
        raise InputError(
            COMMAND,
            path="--for",
            found=f"{as_time(for_s)}, while a cycle of {plain.name} lasts {as_time(length)}",
            expected=f"at least {LEAST_CYCLES} cycles: {as_time(LEAST_CYCLES * length)}, or shorter cycles with "
            "--cycle",
        )
    if cycles > most:
        raise InputError(
            COMMAND,
            path="--cycle",
            found=f"{as_time(length)}, which makes {cycles} cycles",
            expected=f"at least {as_time(for_s / most)}: a plan holds {most} cycles of {len(plain.phases)} phases",
        )
    stretch = length / plain.length_s
    scenario = plain if abs(stretch - 1) < 1e-9 else load_scenario(name, time_scale=plain.played_at * stretch)
    phases = [
        phase.model_copy(update={"name": f"{phase.name}{CYCLE_MARK}{n + 1}", "faulty": phase.is_faulty})
        for n in range(cycles)
        for phase in scenario.phases
    ]
    again = scenario.model_copy(update={"phases": phases, "expect": [], "clock": "virtual"})
    return Cycled(again, cycles, length, stretch if cycle_s is None else 1.0)


def check_room(out: Path | None, cycles: Cycled, clients: int, keep_raw_s: float | None) -> None:
    """Raise an InputError if the records of the soak do not fit on the disk of `out`, by default that of `runs/`."""
    where = out or Path("runs")
    existing = next(one for one in (where.resolve(), *where.resolve().parents) if one.exists())
    check_disk(where, shutil.disk_usage(existing).free, cycles, clients, keep_raw_s)


def check_disk(
    folder: Path, free_bytes: int, cycles: Cycled, clients: int, keep_raw_s: float | None = None
) -> None:
    """Raise an InputError with the sum if the records of the soak do not fit on the disk.

    `keep_raw_s`: how long records of single calls stay, beside what is kept of all steps; None: all of the soak.
    """
    who = "1 client" if clients == 1 else f"{clients} clients"
    if keep_raw_s is None or keep_raw_s + RAW_SLACK_S >= cycles.length_s:
        needed = clients * cycles.calls * BYTES_PER_CALL
        told = f"{who} of {cycles.calls:,} calls, {BYTES_PER_CALL:,} bytes each"
    else:
        raw_s = keep_raw_s + RAW_SLACK_S
        calls = math.ceil(cycles.calls * raw_s / cycles.length_s)
        raw = clients * (calls * BYTES_PER_CALL + raw_s * LAG_BYTES_PER_S)
        steps = clients * cycles.length_s / STEP_S * BYTES_PER_STEP
        needed = math.ceil(raw + steps)
        told = (
            f"{raw / 1e9:.1f} for the records of {as_time(raw_s)} ({who} of {calls:,} calls, "
            f"{BYTES_PER_CALL:,} bytes each), {steps / 1e9:.1f} for the figures of {as_time(cycles.length_s)}"
        )
    if needed > free_bytes:
        raise InputError(
            COMMAND,
            path="--for",
            found=f"{free_bytes / 1e9:.1f} GB free where {folder} is",
            expected=f"{needed / 1e9:.1f} GB: {told}",
            hint="--keep-raw 1h keeps less",
        )


def as_time(seconds: float) -> str:
    """A length of time in the largest unit of which it has at least one."""
    for size, unit in ((HOUR_S, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"
