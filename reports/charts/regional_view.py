"""From a judged cell to what the charts of regions are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from windtunnel.harness.contract.units import seconds_or_none
from windtunnel.reports.charts.view import RegionView, TimeLimits
from windtunnel.reports.metrics.regions import region_counts, region_times, regions_of
from windtunnel.reports.metrics.timing import around_p95, mean_parts, time_parts
from windtunnel.reports.read.outcomes import Judged

WHOLE_REQUEST: Final = ("aiohttp",)
"""Drivers to which `sdk.timeout` is for a whole request; to the others it is for each of its operations."""


def region_views(judged: Judged) -> tuple[RegionView, ...]:
    """What a client had of each region of its provider; nothing unless there are several, or links to them."""
    names = regions_of(judged.cell.plan)
    if not names:
        return ()
    parts = time_parts(judged)
    served = judged.served[["arrived_s", "queue_depth", "region"]]
    answers = judged.calls["answer"][(judged.calls["good"] & (judged.calls["answer"] >= 0)).to_numpy()]
    answered = served.iloc[answers.to_numpy()]
    counts, times = region_counts(judged, names), region_times(judged, names)
    views = []
    for name, count, time in zip(names, counts, times, strict=True):
        here = served[(served["region"] == name).to_numpy()]
        own = parts[(parts["region"] == name).to_numpy()]
        views.append(
            RegionView(
                name=name,
                counts=count,
                times=time,
                arrived_s=here["arrived_s"].to_numpy(dtype=float),
                queue_depth=here["queue_depth"].to_numpy(dtype=float),
                answered_s=np.sort(
                    answered["arrived_s"][(answered["region"] == name).to_numpy()].to_numpy(dtype=float)
                ),
                parts=mean_parts(own),
                slow_parts=mean_parts(around_p95(own)),
            )
        )
    return tuple(views)


def timeouts_of(profile: Mapping[str, Any]) -> TimeLimits:
    """The time limits of a profile, as it is in the plan; where the SDK's own `timeout` is set, it counts."""
    given: Mapping[str, Any] = profile.get("timeouts") or {}
    limits = {
        name: seconds_or_none(given.get(name)) for name in ("connect", "read", "first_content", "total")
    }
    own = seconds_or_none((profile.get("sdk") or {}).get("timeout"))
    if own is not None:
        if profile.get("driver") in WHOLE_REQUEST:
            limits["total"] = min(own, limits["total"] or own)
        else:
            limits["connect"] = limits["read"] = own
    return TimeLimits(**limits)
