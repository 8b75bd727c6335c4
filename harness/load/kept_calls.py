"""Calls of a program that makes them itself, as far as the provider's records tell; and calls to steps.

A program says nothing of its calls: what the provider takes for one call is one, from its first request to the end of
its last. Whether the program minded an answer is not known: a whole answer with status 200 that no fault has changed
counts as good.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from windtunnel.harness.contract.records import CallRow
from windtunnel.harness.contract.steps import STEP_S, CallStep
from windtunnel.mock_server.faults import FAULTS

CHANGING = ("content", "events", "ending")
"""Layers of faults that change what an answer says, or how it ends."""


@dataclass(frozen=True, slots=True)
class SeenCall:
    """What steps need of a call; times are seconds from the start of the soak, `ended_s` is None if it did not end."""

    intended_s: float
    started_s: float | None
    ended_s: float | None
    ok: bool


def calls_of_served(rows: Iterable[Mapping[str, Any]], client: str) -> list[CallRow]:
    """The calls that the provider's records show (rows of the table `served`), in order of their first request."""
    by_call: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_call.setdefault(row["call_id"], []).append(row)
    return sorted(
        (_call(call_id, requests, client) for call_id, requests in by_call.items()),
        key=lambda one: one.intended_s,
    )


def _call(call_id: str, requests: Sequence[Mapping[str, Any]], client: str) -> CallRow:
    ordered = sorted(requests, key=lambda row: row["arrived_s"])
    first, last = ordered[0], ordered[-1]
    left = last["abandoned_at_s"] if last["abandoned"] else None
    over = left if left is not None else last["last_byte_s"]
    return CallRow(
        call_id=call_id,
        client=client,
        instance=0,
        worker=0,
        region="",  # nobody's answer can be compared with the truth: what a program made of it is not known
        model=first["model"] or "",
        api=first["api"] or "",
        stream=bool(first["stream"]),
        phase=None,
        warmup=False,
        intended_s=first["arrived_s"],
        started_s=first["arrived_s"],
        ended_s=last["ended_s"] if over is None else over,
        outcome=_outcome(last),
        status=last["status"],
        attempts_seen=len(ordered),
    )


def _outcome(last: Mapping[str, Any]) -> str:
    """How a call ended whose last request was this one."""
    if last["ending"] == "cut":
        return "unfinished"
    if last["abandoned"]:
        return "cancelled"
    status = last["status"]
    if status is None or status >= 400:
        return "error"
    changed = any(name in FAULTS and FAULTS[name].layer in CHANGING for name in last["faults"] or ())
    return "incomplete" if changed or last["ending"] != "end" else "ok"


def steps_of(
    calls: Iterable[SeenCall],
    from_s: float,
    to_s: float,
    deadline_s: float,
    connections: Sequence[tuple[float, int]] = (),
) -> list[CallStep]:
    """The steps from `from_s` to `to_s`, both multiples of `STEP_S`.

    A call is good if it was ok and ended within `deadline_s` of its intended time.
    `connections` are open ones as they were counted now and then, (seconds, number) in order of time.
    """
    count = round((to_s - from_s) / STEP_S)
    waits: list[list[float]] = [[] for _ in range(count)]
    due, open_at = [0] * count, [0] * count
    for call in calls:
        place = math.floor((call.intended_s - from_s) / STEP_S)
        if 0 <= place < count:
            due[place] += 1
            if call.ok and call.ended_s is not None and call.ended_s - call.intended_s <= deadline_s:
                waits[place].append(call.ended_s - call.intended_s)
        if call.started_s is not None:
            _count_open(open_at, call.started_s - from_s, (call.ended_s or to_s) - from_s)
    return [
        CallStep(
            at_s=middle,
            due=due[place],
            good=len(waits[place]),
            median_s=_quantile(waits[place], 0.5),
            p95_s=_quantile(waits[place], 0.95),
            in_flight=open_at[place],
            connections=_last_before(connections, middle),
        )
        for place in range(count)
        for middle in [from_s + (place + 0.5) * STEP_S]
    ]


def _count_open(open_at: list[int], started: float, ended: float) -> None:
    """Add one to each step in whose middle a call was under way."""
    first = max(0, math.ceil(started / STEP_S - 0.5))
    last = min(len(open_at) - 1, math.ceil(ended / STEP_S - 0.5) - 1)
    for place in range(first, last + 1):
        open_at[place] += 1


def _last_before(seen: Sequence[tuple[float, int]], at_s: float) -> int | None:
    """The number that was counted last before `at_s`, within a step of it; None without one."""
    place = bisect_right(seen, at_s, key=lambda one: one[0]) - 1
    return seen[place][1] if place >= 0 and at_s - seen[place][0] <= STEP_S else None


def _quantile(values: list[float], share: float) -> float | None:
    """The quantile with linear interpolation between neighbours, as numpy and pandas have it."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
