"""What a row of the table of metrics says, and how rows of a distribution are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["share", "ratio", "seconds", "count", "truth", "usd"]
Better = Literal["higher", "lower"]
Scope = Literal["phase", "overall", "repeats"]
Needs = Literal["", "faults", "stream", "prices", "gateway"]


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest difference of a metric that matters: `absolute`, in its unit, or `share` of the older value.

    The larger of the two counts. What is not beyond it is no regression, however sure it is.
    """

    absolute: float = 0.0
    share: float = 0.0

    def at(self, value: float) -> float:
        """The floor where the older value is `value`."""
        return max(self.absolute, self.share * abs(value))

    def text(self, unit: str = "") -> str:
        """As people write it: `0.02 s or 5 %`."""
        absolute = f"{self.absolute:g} {unit}".rstrip()
        parts = [absolute] if self.absolute or not self.share else []
        return " or ".join([*parts, f"{100 * self.share:g} %"] if self.share else parts)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of metrics.json.

    `label` is its name on the page and `kind` how its values are written there. `unit` is empty for a ratio;
    `better` is None where neither way is. `scope`: `phase` is a figure of the run and of each phase, `overall`
    of the run alone, `repeats` of all repeats of a client together. `needs` is what a scenario must have, or
    the metric is absent: a faulty phase between healthy ones, streamed answers, prices, or a gateway. `floor`: the
    smallest difference that `ab` and a baseline call better or worse; of a truth, in shares of the seeds.
    """

    name: str
    label: str
    kind: Kind
    definition: str
    unit: str = ""
    better: Better | None = None
    scope: Scope = "phase"
    needs: Needs = ""
    floor: Floor = Floor()


ALL_POINTS: Final = ("p50", "p90", "p95", "p99", "p999", "max")
"""Of a distribution: percentiles and the maximum, as names of metrics have them."""

_POINTS: Final = {
    "p50": ("50th percentile", "median"),
    "p90": ("90th percentile", "90th percentile"),
    "p95": ("95th percentile", "95th percentile"),
    "p99": ("99th percentile", "99th percentile"),
    "p999": ("99.9th percentile", "99.9th percentile"),
    "max": ("Maximum", "longest"),
}
"""By point of a distribution: its name in a definition, and on the page."""


WAIT_FLOOR: Final = Floor(0.02, 0.05)
"""Of what somebody waits for: 20 ms, or a twentieth."""


def percentiles(
    family: str, points: tuple[str, ...], label: str, quantity: str, floor: Floor, *, needs: Needs = ""
) -> tuple[Metric, ...]:
    """A row for each of the `points` of how `quantity`, in seconds, is distributed: `family` + `_p50_s` and so on."""
    return tuple(
        Metric(
            f"{family}_{point}_s",
            f"{label}: {shown}",
            "seconds",
            f"{defined} of {quantity}.",
            unit="s",
            better="lower",
            needs=needs,
            floor=floor,
        )
        for point, (defined, shown) in ((point, _POINTS[point]) for point in points)
    )
