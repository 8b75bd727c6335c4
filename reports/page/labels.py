"""How metrics are said to people: a label, a unit and a number that one can read, for every name in metrics.json."""

from __future__ import annotations

import math
from dataclasses import dataclass

from windtunnel.harness.contract.metrics import METRICS, Kind
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.metrics.figure import Figure, Value

_UNITS: dict[Kind, str] = {
    "share": "%",
    "ratio": "×",
    "seconds": "s",
    "count": "count",
    "truth": "",
    "usd": "USD",
}
SMALL = 20
"""A time of fewer lags than that is shown with ± the lag."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a metric is called on the page, and how its values are written."""

    text: str
    kind: Kind
    counted: str = ""

    @property
    def unit(self) -> str:
        """The unit as it stands beside the label; empty where the value is a word."""
        return self.counted or _UNITS[self.kind]

    @property
    def whole(self) -> str:
        """The label with its unit."""
        return f"{self.text} ({self.unit})" if self.unit else self.text


def label(name: str) -> Label:
    """The label of a metric; one that is not in the table is described by its name."""
    known = METRICS.get(name)
    if known is not None:
        return Label(known.label, known.kind, known.unit)
    return Label(
        name.removesuffix("_s").replace("_", " ").capitalize(), "seconds" if name.endswith("_s") else "count"
    )


def say(value: Value, kind: Kind) -> str:
    """A value with its unit, to the digits that matter: `0.973` → `97.3 %`, `0.0021` s → `2.1 ms`; None → `–`."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if kind == "truth" or isinstance(value, bool):
        return "yes" if value else "no"
    if math.isinf(value):
        return "never"
    if kind == "share":
        return _share(value)
    if kind == "seconds":
        return duration(value)
    if kind == "usd":
        return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.4f}"
    if kind == "ratio":
        return f"{value:,.2f}×" if abs(value) < 100 else f"{value:,.0f}×"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _share(value: float) -> str:
    """Per cent; never rounded up to 100 or down to 0 when it is neither."""
    percent = 100 * value
    if 99.95 <= percent < 100:
        return "> 99.9 %"
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def figure(found: Figure | None, kind: Kind, *, lag_s: float = 0.0) -> str:
    """A figure as text: the value, with its interval where there is one, `≥` before a lower bound; empty for none.

    A time that is not much longer than `lag_s`, by which the harness itself was late, is shown with ± that.
    """
    if found is None:
        return ""
    text = say(found.value, kind)
    if found.censored:
        text = f"≥ {text}"
    if kind == "seconds" and found.value is not None:
        text += late_by(found.value, lag_s)
    if found.low is not None and found.high is not None:
        text += f" [{say(found.low, kind)}, {say(found.high, kind)}]"
    return f"{text} ({found.reason})" if found.value is not None and found.reason else text


def late_by(seconds: float, lag_s: float) -> str:
    """` ± 12 ms` behind a time that is not much longer than the lag; else nothing."""
    return f" ± {duration(lag_s)}" if 0 < seconds < SMALL * lag_s else ""


def limit(text: str, kind: Kind) -> str:
    """An expectation's limit, `>= 0.95` or `<= 12`, in the words of the metric: `at least 95 %`."""
    words = {
        ">=": "at least",
        "<=": "at most",
        ">": "more than",
        "<": "less than",
        "==": "exactly",
        "!=": "not",
    }
    sign, _, raw = text.strip().partition(" ")
    if kind == "truth" or raw.strip().lower() in ("true", "false"):
        same = raw.strip().lower() in ("true", "1", "1.0")
        return "yes" if same == (sign != "!=") else "no"
    try:
        word, value = words[sign], float(raw)
    except (KeyError, ValueError):
        return text
    exact = {"share": f"{100 * value:g} %", "ratio": f"{value:g}×", "count": f"{value:g}"}
    return f"{word} {exact.get(kind) or say(value, kind)}"
