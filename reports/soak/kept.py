"""Steps in the place of records that a soak has deleted: figures of ten seconds that were made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from windtunnel.harness.contract.steps import STEP_S, CallStep
from windtunnel.reports.read.outcomes import Floats

OF_STEPS: Final[Mapping[str, Callable[[CallStep], float | None]]] = {
    "median_s": lambda step: step.median_s,
    "p95_s": lambda step: step.p95_s,
    "goodput": lambda step: step.good / step.due if step.due else None,
    "in_flight": lambda step: step.in_flight,
    "connections": lambda step: step.connections,
}
"""What steps know, by the name of its measure."""


def with_steps(values: Mapping[str, Floats], at_s: Floats, steps: Sequence[CallStep]) -> dict[str, Floats]:
    """The series with the steps in them: where there are steps, there are no records any more.

    `at_s` are the middles of the series' own steps of `STEP_S` seconds.
    """
    if not steps:
        return dict(values)
    place = np.searchsorted(at_s, [step.at_s for step in steps])
    inside = place < len(at_s)
    place = place[inside]
    found = dict(values)
    for name, value_of in OF_STEPS.items():
        if name in values:
            told = np.array([value_of(step) for step in steps], dtype=float)
            changed = np.array(values[name], dtype=float)
            changed[place] = told[inside]
            found[name] = changed
    return found


def calls_seen(calls: pd.DataFrame, steps: Sequence[CallStep]) -> int:
    """How many calls were due, by the steps as far as they go and by the records from there on."""
    since = steps[-1].at_s + STEP_S / 2 if steps else 0.0
    return sum(step.due for step in steps) + int((calls["intended_s"] >= since).sum())
