"""Which driver can honour which setting of a profile. What a driver cannot do is refused, never ignored.

`ONLY` is the table: a driver that is added is written into the rows of what it can do. A setting without a row is
kept by a policy around the driver, or by every driver there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windtunnel.harness.inputs.validation import show
from windtunnel.mock_server.plan.units import format_seconds

if TYPE_CHECKING:
    from windtunnel.harness.inputs.profile import Profile

SDK_DRIVERS = ("openai", "openai-async", "openai-aiohttp")
IN_HERE = (*SDK_DRIVERS, "httpx2", "httpx2-async", "aiohttp", "python")
"""Those whose connections are made by a load process; a program of its own keeps its timeouts and pool to itself."""

HTTP2_DRIVERS = ("openai", "openai-async", "httpx2", "httpx2-async")
"""Those whose HTTP library speaks HTTP/2."""

NO_HTTP2 = {
    "openai-aiohttp": "aiohttp speaks no HTTP/2",
    "aiohttp": "aiohttp speaks no HTTP/2",
    "python": "a function makes its own client, and gives that http2=True, http1=False",
    "exec": "a program makes its own client",
}
"""Why the other drivers refuse `http: 2`."""

ONLY: dict[str, tuple[str, ...]] = {
    "sdk.max_retries": SDK_DRIVERS,
    "sdk.timeout": (*SDK_DRIVERS, "aiohttp"),
    "sdk.default_headers": SDK_DRIVERS,
    "timeouts.connect": IN_HERE,
    "timeouts.read": IN_HERE,
    "timeouts.pool": IN_HERE,
    "timeouts.write": (*SDK_DRIVERS, "httpx2", "httpx2-async", "python"),
    "pool.keepalive": ("openai", "openai-async", "httpx2", "httpx2-async", "python"),
    "pool.connections": IN_HERE,
    "pool.expiry": IN_HERE,
    "target": ("python",),
    "returns": ("python",),
    "setup": ("python",),
    "teardown": ("python",),
    "prompts": ("python",),
    "command": ("exec",),
    "env": ("exec",),
    "workers": ("exec",),
}
"""Setting to the drivers that honour it."""


@dataclass(frozen=True, slots=True)
class Unhonoured:
    """A setting that nothing would keep."""

    path: str
    found: str
    expected: str


def refusals(profile: Profile) -> Iterator[Unhonoured]:
    """What of a profile its driver cannot honour, then what is written and could never act."""
    for path, drivers in ONLY.items():
        value = _at(profile, path)
        if value is not None and profile.driver not in drivers:
            nothing = "null" if path.startswith(("timeouts.", "pool.")) else "none"
            expected = f"{nothing} with the driver {profile.driver}; {_listed(drivers)} can"
            yield Unhonoured(path, _shown(path, value), expected)
    if profile.http == "2" and profile.driver not in HTTP2_DRIVERS:
        expected = (
            f"1.1 with the driver {profile.driver}: {NO_HTTP2[profile.driver]}; {_listed(HTTP2_DRIVERS)} can"
        )
        yield Unhonoured("http", "2", expected)
    if profile.driver == "exec" and "end" in profile.checks:
        expected = "finish_reason or refusal with the driver exec: it does not say how an answer ended"
        yield Unhonoured("checks", "'end'", expected)
    retries = profile.retries
    if profile.budget is not None and retries.kind == "none":
        yield Unhonoured(
            "budget",
            "a budget, and no retries around the driver that it could pay for",
            "retries of the kind fixed or exponential: no driver lets a budget pay for retries of its own",
        )
    if retries.kind == "none":
        yield from _without_use(profile, "kind none", _MATTER_TO_RETRIES)
    elif not retries.respect_retry_after:
        yield from _without_use(
            profile, "respect_retry_after: false", ("retry_after_cap", "retry_after_jitter")
        )


_MATTER_TO_RETRIES = (
    "base",
    "throttle_base",
    "cap",
    "jitter",
    "retry_after_cap",
    "retry_after_jitter",
    "retry_on",
)


def _without_use(profile: Profile, beside: str, keys: tuple[str, ...]) -> Iterator[Unhonoured]:
    """Settings of retries that differ from their defaults, though nothing would read them."""
    defaults = type(profile.retries)()
    for key in keys:
        value = getattr(profile.retries, key)
        if value != getattr(defaults, key):
            yield Unhonoured(f"retries.{key}", f"{_shown(key, value)} beside {beside}", "this key left out")


def _listed(drivers: tuple[str, ...]) -> str:
    if len(drivers) == 1:
        return f"the driver {drivers[0]}"
    return f"the drivers {', '.join(drivers[:-1])} and {drivers[-1]}"


def _at(profile: Profile, path: str) -> object:
    first, _, rest = path.partition(".")
    part: object = getattr(profile, first)
    if not rest:
        return part
    return part.get(rest) if isinstance(part, dict) else getattr(part, rest)


def _shown(path: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, str):
        return show(value)
    seconds = path.startswith("timeouts.") or path in (
        "sdk.timeout",
        "base",
        "throttle_base",
        "cap",
        "retry_after_cap",
    )
    if seconds and isinstance(value, int | float):
        return format_seconds(value)
    return "a mapping" if isinstance(value, dict) else str(value)
