"""What `windtunnel ab` found, in words.

TwoClients ─► AbText ─► two_clients_forms.py: ab.html, summary.md, terminal
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.differing_call import CallSide
from windtunnel.reports.figures.two_clients import (
    FirstDiffers,
    ScenarioComparison,
    Shown,
    Standing,
    TwoClients,
)
from windtunnel.reports.gate.compare import Comparison, State
from windtunnel.reports.page.labels import label, say
from windtunnel.reports.page.strip import Strip, strip_of

ORDER: Final[tuple[State, ...]] = ("worse", "inconclusive", "better", "no_difference", "not_compared", "same")
DIFFERING: Final = ("worse", "inconclusive", "better")
MARKS: Final[dict[Standing | State, str]] = {
    "worse": "✗", "better": "✓", "inconclusive": "?", "no_difference": "=", "same": "=", "not_compared": "–",
    "invalid": "✗",
}  # fmt: skip
AS_GOOD_AS_ZERO: Final = 1e-6
"""In any unit: what rounding leaves of a mean of equal values."""
METHOD: Final = (
    "Both clients played the same incidents, so values are compared in pairs, one a seed (or a repeat). A difference "
    "is better or worse if it is larger than the metric's floor, its 95 % bootstrap interval excludes zero, and its "
    "p-value (paired permutation test) stands by Holm's method over all metrics, phases and scenarios together: the "
    "chance of even one false alarm in all of this is at most 5 %."
)


@dataclass(frozen=True, slots=True)
class CallText:
    """The call that shows a difference: what it came to with A and with B, and the commands that replay both."""

    call_id: str
    seed: str
    a: str
    b: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowText:
    """A comparison in words; `strip` is its interval as a picture. `small`: the difference is not beyond its floor."""

    name: str
    label: str
    where: str
    state: State
    mark: str
    verdict: str
    a: str
    b: str
    difference: str
    interval: str
    note: str
    strip: Strip | None
    call: CallText | None
    small: bool = False

    @property
    def differs(self) -> bool:
        """Whether it is worth a look: not of what is inconclusive for want of pairs alone."""
        return self.state in DIFFERING and not (self.state == "inconclusive" and self.small)


@dataclass(frozen=True, slots=True)
class SharedCall:
    """A call, and the metrics that it shows best."""

    call: CallText
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirstText:
    """Where they first did otherwise, in a sentence, and the commands that replay it."""

    sentence: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenarioText:
    """A scenario: what it came to, its rows, those that differ first, and where its own report is."""

    name: str
    standing: Standing
    mark: str
    headline: str
    incidents: str
    report: str
    troubles: tuple[str, ...]
    rows: tuple[RowText, ...]
    errors: str = ""
    first: FirstText | None = None

    @property
    def differing(self) -> tuple[RowText, ...]:
        """Rows that say anything but 'no difference'."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def calls(self) -> tuple[SharedCall, ...]:
        """The calls that show what is worse, each once."""
        named: dict[CallText, list[str]] = {}
        for row in self.rows:
            if row.call is not None:
                named.setdefault(row.call, []).append(row.name)
        return tuple(SharedCall(call, tuple(names)) for call, names in named.items())

    @property
    def others(self) -> tuple[RowText, ...]:
        """All other rows."""
        return tuple(row for row in self.rows if not row.differs)


@dataclass(frozen=True, slots=True)
class AbText:
    """The whole page in words."""

    a: str
    b: str
    standing: Standing
    mark: str
    headline: str
    method: str
    scenarios: tuple[ScenarioText, ...]
    versions: str = ""


def ab_text(found: TwoClients) -> AbText:
    """Put a comparison into words."""
    return AbText(
        a=found.a,
        b=found.b,
        standing=found.standing,
        mark=MARKS[found.standing],
        headline=_headline(found),
        method=METHOD,
        scenarios=tuple(_scenario(one, found) for one in found.scenarios),
        versions=", ".join(f"{name} {a} / {b}" for name, (a, b) in found.versions.items()),
    )


def _headline(found: TwoClients) -> str:
    where = len(found.scenarios)
    among = f" in {where} scenarios" if where > 1 else ""
    match found.standing:
        case "invalid":
            names = [one.scenario for one in found.scenarios if one.standing == "invalid"]
            return f"Nothing can be said of {', '.join(names)}"
        case "worse":
            return f"{found.b} is worse than {found.a}{among}"
        case "better":
            return f"{found.b} is better than {found.a}{among}"
        case "inconclusive":
            return f"Not decided yet: {found.b} may differ from {found.a}{among}"
        case "same":
            return f"{found.b} did exactly what {found.a} did{among}"
        case _:
            return f"No metric differs between {found.a} and {found.b}{among}"


def _scenario(one: ScenarioComparison, found: TwoClients) -> ScenarioText:
    rows = sorted(one.comparisons, key=lambda row: ORDER.index(row.state))
    kind = "seeds" if one.seeds is not None else "repeats"
    incidents = f"{one.pairs} {kind}, {one.clock} clock" if one.pairs else ""
    if one.noisy:
        incidents += ", noisy"
    return ScenarioText(
        name=one.scenario,
        standing=one.standing,
        mark=MARKS[one.standing],
        headline=_counts(one, kind),
        incidents=incidents,
        report=f"{one.folder.name}/report.html",
        troubles=one.troubles,
        rows=tuple(_row(row, one, found) for row in rows),
        errors=_errors(one, found),
        first=None if one.first is None else _first(one.first, one, found),
    )


def _errors(one: ScenarioComparison, found: TwoClients) -> str:
    """Which exceptions ended calls, where they are not alike; empty if they are."""
    if not one.errors:
        return ""
    told = "; ".join(f"{name}: {a:,} calls with A, {b:,} with B" for name, (a, b) in one.errors.items())
    return f"Errors that ended calls: {told}."


def _first(first: FirstDiffers, one: ScenarioComparison, found: TwoClients) -> FirstText:
    at = first.at
    seed = f"seed {first.seed}" if first.seed is not None else f"repeat {first.repeat}"
    what = (
        f"{at.table} have {at.a} / {at.b} rows" if at.column == "rows" else f"{at.column} is {at.a} / {at.b}"
    )
    commands = tuple(
        replay_command(one.folder, client, first.repeat, at.call_id) for client in (found.a, found.b)
    )
    where = "" if at.table == "calls" or at.column == "rows" else f" of its {at.table}"
    return FirstText(
        f"They first did otherwise in call {at.call_id} ({seed}): {what}{where}, A / B.", commands
    )


def _counts(one: ScenarioComparison, kind: str) -> str:
    """`3 worse, 1 better, 120 without a difference`."""
    if one.standing == "invalid":
        return "nothing can be said"
    if one.standing == "same":
        return f"the same: both did exactly alike in all {one.pairs} {kind}"
    words = {"worse": "worse", "better": "better", "inconclusive": "inconclusive"}
    told = [f"{len(one.of(state))} {word}" for state, word in words.items() if one.of(state)]
    rest = len(one.of("no_difference"))
    told += [f"{rest} without a difference"] if rest else []
    alike = f"; exactly alike in {one.alike} of {one.pairs} {kind}" if one.clock == "virtual" else ""
    return ", ".join(told) + alike


def _row(row: Comparison, one: ScenarioComparison, found: TwoClients) -> RowText:
    said = label(row.metric)
    shown = one.shown.get(row.name)
    low, high = row.low, row.high
    interval = "" if low is None or high is None else f"{_signed(low, row)} to {_signed(high, row)}"
    note = row.reason if row.state != "not_compared" else ""
    return RowText(
        name=row.name,
        label=said.text,
        where=row.phase or "",
        state=row.state,
        mark=MARKS[row.state],
        verdict=_verdict(row),
        a=_value(row.a, row),
        b=_value(row.b, row),
        difference=("≥ " if row.censored and row.difference else "") + _signed(row.difference, row),
        interval=interval,
        note=note,
        strip=None if one.standing == "same" else strip_of(row),
        call=None if shown is None else _call(shown, one, found),
        small=row.difference is not None and abs(row.difference) <= row.floor,
    )


def _verdict(row: Comparison) -> str:
    match row.state:
        case "no_difference" if row.smallest is not None:
            return (
                f"no difference found (the smallest that would have been found: {_size(row.smallest, row)})"
            )
        case _:
            return row.text


def _value(value: float | None, row: Comparison) -> str:
    """A mean; of a truth, the share of the seeds in which it holds."""
    kind = METRICS[row.metric].kind
    if value is not None and kind == "truth":
        return f"{say(value, 'share')} of seeds"
    return say(value, kind)


def _size(value: float, row: Comparison) -> str:
    kind = METRICS[row.metric].kind
    if kind in ("share", "truth"):
        return f"{100 * value:.3g} points"
    if kind == "count":
        return f"{value:,.3g}"
    return say(value, kind)


def _signed(value: float | None, row: Comparison) -> str:
    """A difference with its sign; of shares in percentage points."""
    if value is None:
        return "–"
    if abs(value) < AS_GOOD_AS_ZERO:
        return "0"
    return ("+" if value > 0 else "−") + _size(abs(value), row)


def _call(shown: Shown, one: ScenarioComparison, found: TwoClients) -> CallText:
    commands: tuple[str, ...] = ()
    if one.clock == "virtual":
        commands = tuple(
            replay_command(one.folder, client, shown.repeat, shown.call.call_id)
            for client in (found.a, found.b)
        )
    seed = f"seed {shown.seed}" if shown.seed is not None else f"repeat {shown.repeat}"
    return CallText(shown.call.call_id, seed, _side(shown.call.a), _side(shown.call.b), commands)


def replay_command(folder: Path, client: str, repeat: int, call_id: str) -> str:
    """What plays a call again, moment by moment; it runs as printed, from any directory."""
    words = ["windtunnel", "replay", str(folder.absolute()), "--client", client]
    return shlex.join([*words, "--repeat", str(repeat), "--call", call_id])


def _side(side: CallSide) -> str:
    tries = f"{side.attempts} attempt{'' if side.attempts == 1 else 's'}"
    return f"{side.outcome} after {say(side.wait_s, 'seconds')}, {tries}"
