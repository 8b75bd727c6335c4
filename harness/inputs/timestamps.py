"""Reading a file of timestamps, one a line, for arrivals that are replayed."""

from __future__ import annotations

import codecs
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from windtunnel.harness.errors import InputError

EPOCH_UNITS = (
    ("epoch seconds", Decimal(10) ** 9, Decimal(1)),
    ("epoch milliseconds", Decimal(10) ** 11, Decimal(10) ** -3),
    ("epoch microseconds", Decimal(10) ** 14, Decimal(10) ** -6),
    ("epoch nanoseconds", Decimal(10) ** 17, Decimal(10) ** -9),
)
"""(Kind, least number that is taken for it, seconds each): a number tells its unit by its size.

As seconds 10⁹ was September 2001 and 10¹¹ will be in the year 5138; as milliseconds 10¹¹ was March 1973, and so on. A
number below 10⁹ counts seconds from t0: no run lasts 31 years.
"""
FROM_T0 = "seconds from t0"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "UTF-16 (a byte order mark)"),
    (codecs.BOM_UTF16_BE, "UTF-16 (a byte order mark)"),
)


def read_timestamps(path: Path) -> tuple[float, ...]:
    """The times of a replay file, seconds from t0, not decreasing.

    One a line: a number of seconds from t0, or an epoch time (seconds, milliseconds, microseconds or nanoseconds,
    which its size tells) or an ISO 8601 time, both counted from the first line. Empty lines and comments (`#`) are no
    times. Raises InputError with the line of the first mistake.
    """
    try:
        content = path.read_bytes()
        for mark, name in BYTE_ORDER_MARKS:
            if content.startswith(mark):
                raise InputError(path, line=1, found=name, expected="UTF-8 without a byte order mark")
        lines = content.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"an unreadable file ({error})"
        raise InputError(path, found=found, expected="a file of timestamps, one a line") from None
    times: list[Decimal] = []
    first_kind = ""
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        time, kind = _timestamp(path, number, text)
        if times and kind != first_kind:
            found = f"'{text}' ({kind}) after {first_kind}"
            raise InputError(path, line=number, found=found, expected="times of one kind throughout")
        if times and time < times[-1]:
            raise InputError(path, line=number, found=f"'{text}'", expected="times that do not decrease")
        first_kind = kind
        times.append(time)
    if not times:
        raise InputError(path, found="no timestamps", expected="a file of timestamps, one a line")
    origin = Decimal(0) if first_kind == FROM_T0 else times[0]
    return tuple(round(float(time - origin), 6) for time in times)


def _timestamp(path: Path, number: int, text: str) -> tuple[Decimal, str]:
    """Seconds, and which kind of time it is. Decimal, since a float has no microseconds left at 10¹⁵."""
    try:
        time = Decimal(text)
    except InvalidOperation:
        try:
            return Decimal(str(datetime.fromisoformat(text).timestamp())), "ISO 8601"
        except ValueError:
            time = Decimal("nan")
    if not time.is_finite() or time < 0:
        expected = "a time: seconds from t0 (12.5), an epoch time, or ISO 8601"
        raise InputError(path, line=number, found=f"'{text}'", expected=expected)
    for kind, least, unit in reversed(EPOCH_UNITS):
        if time >= least:
            return time * unit, kind
    return time, FROM_T0
