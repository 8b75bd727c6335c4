"""The clock of a run: which one is chosen where that is left open, and what the virtual one cannot play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.load import ClockChoice, ClockName
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.inputs.secured import refuse_unrepeatable_tls, unrepeatable_tls


class ChosenClock(NamedTuple):
    """The clock of a run, and why `auto` chose the real one; empty if it did not."""

    name: ClockName
    reason: str


def choose_clock(asked: ClockChoice, needs_real: str, *, seeded: bool) -> ChosenClock:
    """The clock that was asked for; of `auto` the virtual one, unless something `needs_real` time (why).

    `seeded`: seeds in sequence, which are played on the virtual clock alone.
    """
    if asked != "auto":
        return ChosenClock(asked, "")
    reason = "" if seeded else needs_real
    return ChosenClock("real" if reason else "virtual", reason)


def why_real(
    scenario: Scenario, profiles: Sequence[Profile], gateway: Gateway | None, processes: int | None
) -> str:
    """Why a run needs real time, as far as its options and clients tell; empty if it does not."""
    programs = _programs(profiles)
    if programs:
        many = len(programs) > 1
        return f"{', '.join(programs)}: {'programs of their own' if many else 'a program of its own'} (driver exec)"
    if gateway is not None:
        return f"the gateway {gateway.name} is a program of its own"
    if processes is not None and processes > 1:
        return f"--processes {processes}: on the virtual clock a cell is one process"
    region = unrepeatable_tls(scenario)
    return f"the region {region} has TLS over a link whose delays depend on sizes" if region else ""


def refuse_on_virtual_clock(
    scenario: Scenario,
    profiles: Sequence[Profile],
    gateway: Gateway | None,
    processes: int | None,
    *,
    asked: ClockChoice,
    seeded: bool,
) -> None:
    """Raise InputError for what cannot be played on the virtual clock.

    That is a program of its own (a client or the gateway), TLS that does not repeat, or several processes.
    """
    _refuse_programs(profiles, asked)
    refuse_unrepeatable_tls(scenario)
    if gateway is not None:
        expected = (
            f"--clock real: the gateway {gateway.name} is a program of its own, whose time does not jump"
        )
        found = "seeds, which need the virtual clock," if seeded else "the virtual clock"
        raise InputError("the run", path="clock", found=f"{found} with a gateway", expected=expected)
    if processes is not None and processes > 1:
        expected = "1: on the virtual clock a cell is one process; --jobs plays cells side by side"
        raise InputError("the run", path="processes", found=str(processes), expected=expected)


def _programs(profiles: Sequence[Profile]) -> list[str]:
    """The clients that are programs: no clock but their own moves them."""
    return [profile.name for profile in profiles if profile.driver == "exec"]


def _refuse_programs(profiles: Sequence[Profile], asked: ClockChoice) -> None:
    programs = _programs(profiles)
    if programs:
        found = f"virtual, and {', '.join(programs)} with the driver exec"
        expected = "--clock real: a program of its own lives in real time"
        hint = (
            "" if asked == "virtual" else "--repeat plays it more than once; --seeds needs the virtual clock"
        )
        raise InputError("the run", path="clock", found=found, expected=expected, hint=hint)
