"""What all policies together cost a healthy call: the same cell with and without them, in turns, in CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import measured
from windtunnel.harness.calibrate.virtual_speed import TimedLoad, make_cell, scenario_of
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.plan import resolve

CLIENT: Final = "openai-async-default"
CALLS: Final = 300
TURNS: Final = 3
AIM: Final = 1.05
EVERY_POLICY: Final[dict[str, Any]] = {
    "retries": {"kind": "exponential", "tries": 3},
    "budget": {"kind": "aws"},
    "breaker": {},
    "limiter": {
        "rpm": 1_000_000,
        "burst": 1_000_000,
        "tpm": 1_000_000_000,
        "adaptive": {},
        "priorities": [{"name": "all", "wait": "10s"}],
    },
    "hedge": {"quantile": 0.99, "extra_tokens": 0.001},
    "fallback": {"to": [{"local": {}}], "leave_after": 5},
}
"""A hedge's timer is set for every call, and next to no hedge is sent: that would be a request, and no overhead."""


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """CPU of a call with all policies around it, beside that of the bare driver."""
    bare = load_profile(CLIENT)
    written = bare.model_dump(mode="json", exclude_unset=True, by_alias=True)
    timeouts = {**written["timeouts"], "first_content": "60s", "between_contents": "60s", "total": "2m"}
    stack = Profile.model_validate({**written, "timeouts": timeouts, **EVERY_POLICY})
    cells = {}
    for name, profile in (("bare", bare), ("stack", stack)):
        plan = resolve(scenario_of(TimedLoad("calls", True, CALLS, 0.0)), [profile], clock="virtual").cells[0]
        cells[name] = plan
    costs: dict[str, list[float]] = {"bare": [], "stack": []}
    for turn in range(TURNS):
        on_progress(f"policies: turn {turn + 1} of {TURNS}, {CALLS} calls without and {CALLS} with them")
        for name, plan in cells.items():
            place = make_cell(plan, folder / f"policies-{name}-{turn}")
            cost = await measured("windtunnel.harness.calibrate.virtual_cell", str(place), folder=place)
            costs[name].append(cost["cpu_s"] * 1e3 / CALLS)
    note = (
        f"{CALLS} healthy streams with the driver {bare.driver}, {TURNS} turns each, the median; with deadline, "
        "watchdogs, retries, budget, adaptive limiter, priorities, breaker, hedge and fallback"
    )
    with_them, without = median(costs["stack"]), median(costs["bare"])
    return [Finding("a healthy call under all policies", "ms of CPU", with_them, without, AIM, note)]
