"""What rules cost a request that they leave alone: the mock with a hundred of them beside the mock without any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from windtunnel.harness.calibrate.closed_loop import drive
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.pinned import cores
from windtunnel.harness.calibrate.processes import MeasuredServer, mock

Item = TypeVar("Item")

RULES = 100
AIM = 0.9
ROUNDS = 11
REQUESTS_PER_ROUND = 6000
TICK_S = 0.01
"""What the system counts CPU time in."""

# The load is: chat, gpt-4.1-mini, not streamed, the first region, attempt 0, in the phase `now`.
STRANGERS: tuple[dict[str, Any], ...] = (
    {"model": "another-model-{}*"},
    {"api": "responses", "model": "*"},
    {"key": "ffffffff{}"},
    {"region": "far"},
    {"attempt": 3},
    {"stream": True},
)
"""Matches that never hold for the load; each of them asks about something else."""

# They match every request, and never act on one.
SLEEPERS: tuple[dict[str, Any], ...] = (
    {"rate": 1e-12},
    {"ramp": {"from": 0.0, "to": 1e-12}},
    {"every": 1_000_000_000},
    {"sequence": ["ok", "overloaded"]},
    {"burst": {"every": "2h", "for": "1ms"}},
)
"""Triggers that do not fire."""

NOTE = "one of seven each asks for another model, API, key, region, attempt, form of answer and phase"
SLEEPING_NOTE = "one of five each has a rate, ramp, `every`, sequence and burst that never comes true"

FAULTS = ("overloaded", "server_error", "malformed_json", "rate_limit_requests")


def plan(rules: Sequence[dict[str, Any]], later: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A healthy provider that answers at once, `rules` always on and `later` in a phase that is far away."""
    return {
        "name": "calibrate-rules",
        "seed": 1,
        "provider": {
            "regions": {"near": {}, "far": {}},
            "capacity": {"slots": 1000, "queue": 1000},
            "answer": {"first_token": "0ms", "tokens": 40, "tokens_per_second": 1e7},
        },
        "rules": list(rules),
        "phases": [{"name": "now", "for": "1h"}, {"name": "later", "for": "1h", "rules": list(later)}],
    }


def strangers(count: int = RULES) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """`count` rules that do not match the load, as (always on, in the later phase): a seventh of each kind."""
    always, later = [], []
    for number in range(count):
        kind, fault = number % (len(STRANGERS) + 1), FAULTS[number % len(FAULTS)]
        if kind == len(STRANGERS):
            later.append({"fault": fault})
            continue
        match = {
            key: value.format(number) if isinstance(value, str) else value
            for key, value in STRANGERS[kind].items()
        }
        # A fault of bodies has no streamed form.
        always.append({"fault": "overloaded" if "stream" in match else fault, "match": match})
    return always, later


def sleepers(count: int = RULES) -> list[dict[str, Any]]:
    """`count` rules that match every request and whose triggers do not fire."""
    rules = []
    for number in range(count):
        trigger = SLEEPERS[number % len(SLEEPERS)]
        rules.append(trigger if "sequence" in trigger else {"fault": FAULTS[number % len(FAULTS)], **trigger})
    return rules


async def measure(
    folder: Path,
    on_progress: Callable[[str], None],
    *,
    rounds: int = ROUNDS,
    requests: int = REQUESTS_PER_ROUND,
) -> list[Finding]:
    """Requests per CPU second with rules ÷ without, in turns, medians over the rounds."""
    place = cores()
    plans = {"none": plan(()), "strangers": plan(*strangers()), "sleepers": plan(sleepers())}
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(mock(each, folder, f"rules-{name}", cores=place.server))
            for name, each in plans.items()
        ]
        table = []
        for number in range(rounds + 1):
            turn = "warming up" if not number else f"round {number} of {rounds}"
            on_progress(
                f"rules: {RULES} that do not match, {RULES} that do not fire, and none, in turns, {turn}"
            )
            rates = [await rate(each, requests, f"r{number}-") for each in turned(servers, number)]
            if number:
                table.append(turned(rates, -number))
    without, strange, asleep = zip(*table, strict=True)
    return [
        finding(f"rate with {RULES} rules that do not match", strange, without, AIM, NOTE),
        finding(f"rate with {RULES} rules that match and do not fire", asleep, without, None, SLEEPING_NOTE),
    ]


async def rate(server: MeasuredServer, requests: int, prefix: str) -> float:
    """Requests per second of the server's CPU time, which other work on its core does not change."""
    before = server.cpu_s()
    await drive(server.port, requests, prefix=prefix)
    return requests / max(server.cpu_s() - before, TICK_S)


def turned(items: Sequence[Item], by: int) -> list[Item]:
    """The items from the one at `by` on, and round: each round begins with another."""
    start = by % len(items)
    return [*items[start:], *items[:start]]


def finding(
    name: str, rates: Sequence[float], without: Sequence[float], aim: float | None, note: str
) -> Finding:
    """The round whose ratio is the median one, and the spread of all."""
    ratios = sorted(mine / bare for mine, bare in zip(rates, without, strict=True))
    middle = median(ratios)
    mine, bare = min(zip(rates, without, strict=True), key=lambda pair: abs(pair[0] / pair[1] - middle))
    spread = f"median of {len(ratios)} rounds in turns, ratios from {ratios[0]:.2f} to {ratios[-1]:.2f}"
    return Finding(
        name,
        "requests/CPU s",
        mine,
        bare,
        aim,
        f"beside the mock without rules; {note}; {spread}",
        "at least",
    )
