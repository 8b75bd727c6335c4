"""A moment as a trace writes it: a number or a date, to exact seconds and what kind of time it is.

A number tells its unit by its size (`EPOCH_UNITS`) unless the unit is said. A date without a time zone is in the zone
that is said, UTC otherwise: never in the zone of this machine, on which the same file would mean something else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from windtunnel.harness.inputs.timestamps import EPOCH_UNITS, FROM_T0

TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
UNITS: Final[dict[TimeUnit, Decimal]] = {
    "s": Decimal(1),
    "ms": Decimal(10) ** -3,
    "us": Decimal(10) ** -6,
    "ns": Decimal(10) ** -9,
}
A_DATE: Final = "a date"
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_LOG_TIME = re.compile(r"(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def zone_of(name: str) -> tzinfo:
    """The time zone of a name (`Europe/Berlin`), an offset (`+02:00`) or `UTC`. Raises ValueError if there is none."""
    if name in ("UTC", "Z"):
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(away if offset[1] == "+" else -away)
    try:
        return ZoneInfo(name)
    except (
        OSError,
        KeyError,
        ValueError,
    ):  # no such file, no such key, a name that is no path below the zones
        raise ValueError(f"no time zone '{name}'") from None


def read_moment(text: str, unit: TimeUnit | None, zone: tzinfo) -> tuple[Decimal, str] | None:
    """Seconds and the kind of time they are; None for what is no time.

    Exact: a float has no microseconds left at 10¹⁵.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        found = _date(text, zone)
        return None if found is None else (found, A_DATE)
    if not number.is_finite() or number < 0 or number.adjusted() > 20:
        return None
    if unit is not None:
        return number * UNITS[unit], "numbers"
    for kind, least, each in reversed(EPOCH_UNITS):
        if number >= least:
            return number * each, kind
    return number, FROM_T0


def _date(text: str, zone: tzinfo) -> Decimal | None:
    try:
        in_log = _LOG_TIME.fullmatch(text)
        if in_log is None:
            moment = datetime.fromisoformat(text)
        else:
            day, month, year, hour, minute, second = in_log.groups()[:6]
            numbers = (
                int(year),
                _MONTHS.index(month) + 1,
                int(day),
                int(hour),
                int(minute),
                min(int(second), 59),
            )
            moment = datetime(*numbers, tzinfo=zone_of(in_log[7]))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return Decimal((moment - _EPOCH) // timedelta(microseconds=1)) / 1_000_000
