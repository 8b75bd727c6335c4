"""Reading a file of timestamps, one a line, for arrivals that are replayed."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

from windtunnel.harness.errors import InputError

EPOCH_S = 1e9
"""Numbers from here on are epoch seconds (this one was 2001-09-09), not seconds from t0."""


def read_timestamps(path: Path) -> tuple[float, ...]:
    """The times of a replay file, seconds from t0, not decreasing.

    One a line: a number of seconds from t0, or epoch seconds or an ISO 8601 time, which count from the first
    line. Empty lines and `#` comments are skipped. Raises InputError with the line of the first mistake.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"an unreadable file ({error})"
        raise InputError(path, found=found, expected="a file of timestamps, one a line") from None
    times: list[float] = []
    absolute = False
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        time, epoch = _timestamp(path, number, text)
        if times and epoch != absolute:
            raise InputError(path, line=number, found=f"'{text}'", expected="times of one kind throughout")
        if times and time < times[-1]:
            raise InputError(path, line=number, found=f"'{text}'", expected="times that do not decrease")
        absolute = epoch
        times.append(time)
    if not times:
        raise InputError(path, found="no timestamps", expected="a file of timestamps, one a line")
    origin = times[0] if absolute else 0.0
    return tuple(round(time - origin, 6) for time in times)


def _timestamp(path: Path, number: int, text: str) -> tuple[float, bool]:
    """Seconds, and whether they count from the epoch."""
    try:
        time = float(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text).timestamp(), True
        except ValueError:
            time = math.nan
    if not math.isfinite(time) or time < 0:
        expected = "a time: seconds from t0 (12.5), epoch seconds, or ISO 8601"
        raise InputError(path, line=number, found=f"'{text}'", expected=expected)
    return time, time >= EPOCH_S
