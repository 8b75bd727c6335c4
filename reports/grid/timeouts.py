"""Timeouts, judged by the times of one cell: what each would have cut, had the client had it.

Nothing is played for it, so it is a first step: a call that is cut is often tried again, and what that costs is not in
here. For that, play the timeout (`vary: {timeouts.read: [...]}`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import scipy  # which loads `scipy.stats` when it is first used, as in `reports/gate/paired.py`

from windtunnel.harness.contract.units import quantity
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.read.outcomes import Floats, Judged

LAYERS: Final[Mapping[str, str]] = {
    "connect": "opening a connection, TLS included, of all cells of the column",
    "pool": "waiting for a connection of the pool",
    "read": "the longest silence: until the headers, until the body, or between two pieces of it",
    "first_content": "from sending the request to its first content",
    "total": "the whole call, with all its attempts and waits",
}
"""What a timeout can be of, by its key in a profile (`timeouts.read`)."""
SHARE: Final = 0.001
"""A timeout would do if it would have cut at most one in a thousand."""
SURE: Final = 0.01
"""Where it may cut more than one in a hundred (the upper end of the interval), too little was seen to be sure."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A timeout of `seconds`, that would have cut `count` of `of` (attempts, or calls).

    `most` is the upper end of the share's 95 % interval (Clopper and Pearson, 1934).
    """

    layer: str
    seconds: float
    count: int
    of: int

    @property
    def share(self) -> float:
        return self.count / self.of

    @property
    def most(self) -> float:
        if self.count >= self.of:
            return 1.0
        return float(scipy.stats.beta.ppf(0.975, self.count + 1, self.of - self.count))


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """How long each layer took in one cell, in seconds, by LAYERS; what was cut off counts with what was seen of it."""

    by_layer: Mapping[str, Floats]

    def cuts(self, timeouts: Sequence[float]) -> list[Cut]:
        """What each timeout would have cut, layer by layer; a layer that never took any time is left out."""
        return [
            Cut(layer, seconds, int((took > seconds).sum()), len(took))
            for layer, took in self.by_layer.items()
            if len(took) and float(took.max()) > 0
            for seconds in sorted(timeouts)
        ]

    def safe(self, timeouts: Sequence[float]) -> dict[str, Cut]:
        """By layer the smallest of the timeouts that cuts at most SHARE; a layer that has none is left out."""
        found: dict[str, Cut] = {}
        for cut in self.cuts(timeouts):
            if cut.share <= SHARE:
                found.setdefault(cut.layer, cut)
        return found

    def with_openings(self, opening_s: Sequence[float]) -> LayerTimes:
        """The same with more connections: how long one takes to open does not depend on what is done with it."""
        return LayerTimes({**self.by_layer, "connect": np.array(opening_s, dtype=float)})


def timeouts_of(scenario: Mapping[str, Any]) -> tuple[float, ...]:
    """The timeouts that the scenario wants judged, in seconds."""
    return tuple(quantity(one) for one in (scenario.get("grid") or {}).get("timeouts") or ())


def times_of(judged: Judged, figures: CellFigures, scenario: Mapping[str, Any]) -> LayerTimes:
    """How long the calls of a judged cell took, layer by layer. A view, as `reports.figures.cells` has them."""
    cohort = cohort_of(judged, scenario)
    attempts, calls = cohort.attempts, cohort.calls
    started = calls[calls["started_s"].notna()]
    silence, first = _answers(judged)
    return LayerTimes(
        {
            "connect": np.array([]),
            "pool": attempts["pool_wait_s"].dropna().to_numpy(dtype=float),
            "read": silence,
            "first_content": first if cohort.load.get("stream") else np.array([]),
            "total": (started["ended_s"] - started["started_s"]).dropna().to_numpy(dtype=float),
        }
    )


def _answers(judged: Judged) -> tuple[Floats, Floats]:
    """Of each call of the phases the longest silence on its connection, and how long its first content took.

    Silence is until an attempt's headers come, from there to the first byte of its body and to its first content, and
    between two contents. An attempt that got no answer counts up to its end.
    """
    columns = ["call_id", "sent_s", "headers_s", "first_byte_s", "ended_s"]
    attempts = judged.cell.attempts[columns].astype(dict.fromkeys(columns[1:], float))
    headers = attempts["headers_s"].fillna(attempts["ended_s"]) - attempts["sent_s"]
    body = attempts["first_byte_s"].fillna(attempts["ended_s"]) - attempts["headers_s"]
    attempts = attempts.assign(begins_s=pd.concat([headers, body], axis=1).max(axis=1))
    by_call = attempts.groupby("call_id", observed=True)
    calls = judged.cell.calls[["call_id", "intended_s", "first_token_s", "gaps_max_s"]]
    inside = calls["intended_s"].between(judged.cell.start_s, judged.cell.end_s, inclusive="left")
    calls = calls[inside].set_index("call_id")
    begins = by_call["begins_s"].max().reindex(calls.index)
    last = by_call[["sent_s", "headers_s", "first_byte_s", "ended_s"]].last().reindex(calls.index)
    came = calls["first_token_s"].astype(float)
    on_its_way = came - last[["headers_s", "first_byte_s"]].max(axis=1)
    silence = pd.concat([begins, on_its_way, calls["gaps_max_s"].astype(float)], axis=1).max(axis=1)
    first = came.fillna(last["ended_s"]) - last["sent_s"]
    return silence.dropna().to_numpy(dtype=float), first.dropna().to_numpy(dtype=float)
