"""What a bisect follows from release to release: a metric, an expectation as a verdict, or behaviour as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from windtunnel.harness.bisect.steps import Measured
from windtunnel.harness.contract.expectation import OPERATORS, Expectation
from windtunnel.harness.contract.metrics import METRICS, Floor
from windtunnel.harness.errors import InputError, nearest

BEHAVIOUR = "behaviour"
"""The digest of all that a client did: the finest thing that can be followed."""

COMMAND = "windtunnel bisect"
FAR = 1e9


@dataclass(frozen=True, slots=True)
class Followed:
    """`name` is `metric`, `metric@phase`, an expectation, or `behaviour`."""

    name: str
    floor: Floor = field(default_factory=Floor)
    verdict: Expectation | None = None

    def value(self, measured: Measured) -> float | str | None:
        """Its value in a run: of a verdict 1 where it holds, and 0."""
        if self.name == BEHAVIOUR:
            return measured.digest
        if self.verdict is None:
            return measured.values.get(self.name)
        return float(self.verdict.holds(measured.values.get(_name(self.verdict.metric, self.verdict.phase))))

    def distance(self, older: Measured, newer: Measured) -> float:
        """How far two runs are apart in it, in floors: what is above 1 counts as a difference."""
        if older.digest == newer.digest:
            return 0.0
        one, other = self.value(older), self.value(newer)
        if one == other:
            return 0.0
        if not (isinstance(one, float) and isinstance(other, float)):
            return FAR
        floor = self.floor.at(one)
        apart = abs(one - other)
        return min(apart / floor, FAR) if floor else FAR if apart > abs(one) * 1e-9 else 0.0

    def say(self, measured: Measured) -> str:
        """Its value as people read it."""
        value = self.value(measured)
        if self.verdict is not None:
            return "holds" if value else "fails"
        if value is None:
            return "no value"
        if isinstance(value, str):
            return value[:8]
        metric = METRICS[self.name.partition("@")[0]]
        if metric.kind == "truth":
            return "yes" if value == 1 else "no" if value == 0 else f"{value:.0%} of the seeds"
        return f"{value:.4g} {metric.unit}".rstrip()


def _name(metric: str, phase: str | None) -> str:
    return metric if phase is None else f"{metric}@{phase}"


def asked(text: str, measured: Measured, floors: Mapping[str, Floor]) -> Followed:
    """What `--metric` says. Raises InputError for a metric or a phase that the run does not have."""
    name, verdict = text, None
    if text == BEHAVIOUR:
        return Followed(BEHAVIOUR)
    if any(sign in text for sign in (*OPERATORS, "=")):
        try:
            verdict = Expectation.model_validate(text)
        except ValidationError as error:
            raise InputError(
                COMMAND, path="--metric", found=f"'{text}'", expected=str(error.errors()[0]["msg"])
            ) from error
        name = _name(verdict.metric, verdict.phase)
    if name not in measured.values:
        metric, _, phase = name.partition("@")
        known = [one for one in measured.values if "@" not in one]
        phases = list(dict.fromkeys(one.partition("@")[2] for one in measured.values if "@" in one))
        if metric not in known:
            found, expected, hint = f"the metric '{metric}'", "one of this run", nearest(metric, known)
        else:
            found, expected = f"the phase '{phase}'", ", ".join(phases)
            hint = nearest(phase, phases)
        raise InputError(COMMAND, path="--metric", found=found, expected=expected, hint=hint)
    return Followed(text, floors.get(name.partition("@")[0], Floor()), verdict)


def largest(older: Measured, newer: Measured, floors: Mapping[str, Floor]) -> Followed | None:
    """What differs most between two runs, each metric in its own floors; behaviour where no metric does.

    None where nothing differs at all.
    """
    if older.digest == newer.digest:
        return None
    all_of_them = [Followed(name, floor) for name, floor in _with_direction(older.values, floors)]
    found = [(one.distance(older, newer), one) for one in all_of_them if _both(one, older, newer)]
    # Of equal ones the first, which is that of the whole run.
    best = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return best[1] if best[1] is not None and best[0] > 1 else Followed(BEHAVIOUR)


def _both(one: Followed, older: Measured, newer: Measured) -> bool:
    values = (older.values.get(one.name), newer.values.get(one.name))
    return all(value is not None and math.isfinite(value) for value in values)


def _with_direction(names: Iterable[str], floors: Mapping[str, Floor]) -> Iterable[tuple[str, Floor]]:
    """The metrics of which one way is better and that have a floor to measure them by."""
    for name in names:
        metric = METRICS[name.partition("@")[0]]
        floor = floors.get(metric.name, metric.floor)
        if metric.better is not None and (floor.absolute or floor.share):
            yield name, floor
