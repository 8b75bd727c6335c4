"""Strings for the `format` keyword of JSON Schema, for the formats that structured outputs know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from windtunnel.mock_server.api.draws import Draws

_NAMES: Final = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty")


def _date(draws: Draws) -> str:
    return f"{draws.between(1990, 2035):04d}-{draws.between(1, 12):02d}-{draws.between(1, 28):02d}"


def _time(draws: Draws) -> str:
    return f"{draws.below(24):02d}:{draws.below(60):02d}:{draws.below(60):02d}Z"


def _duration(draws: Draws) -> str:
    return f"P{draws.between(1, 30)}DT{draws.below(24)}H{draws.below(60)}M"


def _hostname(draws: Draws) -> str:
    return f"{draws.pick(_NAMES)}.{draws.pick(_NAMES)}.example"


def _ipv4(draws: Draws) -> str:
    return f"192.0.2.{draws.between(1, 254)}"


def _ipv6(draws: Draws) -> str:
    return f"2001:db8::{draws.between(1, 0xFFFF):x}"


def _uuid(draws: Draws) -> str:
    digits = draws.raw(16).hex()
    variant = "89ab"[draws.below(4)]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


FORMATS: Final[dict[str, Callable[[Draws], str]]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda draws: f"{_date(draws)}T{_time(draws)}",
    "duration": _duration,
    "email": lambda draws: f"{draws.pick(_NAMES)}@{_hostname(draws)}",
    "hostname": _hostname,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "uuid": _uuid,
    "uri": lambda draws: f"https://{_hostname(draws)}/{draws.pick(_NAMES)}",
}
