"""A finding of a soak: what, since when, how fast, when it will hurt, and which incident started it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is watched for hours, and how much of a change of it matters.

    A change over the whole soak below `least`, or below `least_share` of its usual value, is none. `falls`: a fall is
    what is bad. `by_mean`: values of a phase are joined by their mean, as most of them are the same. `many`: the title
    is a plural.
    `limit` is the value at which it hurts, and `why` what happens there.
    """

    name: str
    title: str
    unit: str
    least: float
    least_share: float = 0.0
    falls: bool = False
    relative: bool = False
    healthy_phases_only: bool = False
    by_mean: bool = False
    many: bool = False
    limit: float | None = None
    why: str = ""

    def said(self, value: float) -> str:
        """A value with its unit."""
        number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        return f"{number} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class SoakFinding:
    """What was found. Hours are counted from the start of the soak; a fall has negative speeds.

    `hurts_h`: the hour at which the limit is reached at this speed, null without a limit. `incident`: the phase that
    started it; empty if none did. `detail`: what of it grows, in words; empty where there are no parts.
    """

    measure: Measure
    since_h: float
    per_hour: float
    low: float
    high: float
    first: float
    last: float
    hurts_h: float | None
    incident: str
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        measure = self.measure
        word = ("fall" if measure.falls else "grow") + ("" if measure.many else "s")
        since = "from the start" if self.since_h == 0 else f"since {_moment(self.since_h)}"
        low, high = sorted((abs(self.low), abs(self.high)))
        told = (
            f"{measure.title} {word} {since}: {measure.said(abs(self.per_hour))} an hour "
            f"({measure.said(low)} to {measure.said(high)}), "
            f"from {measure.said(self.first)} to {measure.said(self.last)}"
        )
        if self.detail:
            told += f": {self.detail}"
        if self.incident:
            told += f"; it happens in the phase {self.incident}"
        if self.hurts_h is not None:
            told += f"; at this speed {measure.why} ({measure.said(measure.limit or 0)}) at {_moment(self.hurts_h)}"
        return told


@dataclass(frozen=True, slots=True)
class Unseen:
    """How fast a measure without a finding may grow (fall, if that is bad) all the same, an hour; None: not known.

    `noisy`: a change that matters may have been there, and its values cannot tell; else slower growth does not matter
    within the length of the soak.
    """

    measure: Measure
    per_hour: float | None
    noisy: bool

    @property
    def said(self) -> str:
        """The measure, and the change an hour."""
        return f"{self.measure.title} {self.measure.said(self.per_hour or 0)}"


def _moment(hour: float) -> str:
    if hour >= 10:
        return f"hour {hour:.0f}"
    return f"hour {hour:.1f}" if hour >= 1 else f"minute {60 * hour:.0f}"
