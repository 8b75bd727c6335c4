"""A soak while it is played: sparklines on a terminal, drawn again in place; a line a minute elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from windtunnel.harness.contract.watch import WATCH_S

SHOWN: Final = 60
"""Points of a sparkline: ten minutes."""
LINE_EVERY_S: Final = 60.0
BARS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class SoakFigures:
    """The headline figures of the last ten seconds, `at_s` after the start. None: not known.

    `goodput` is a share, `p95_s` the wait of good calls; both are of the calls that ended lately. `calls` are all that
    were seen so far, `rss_bytes` and `connections` what the client holds. `mock_at`: host and port of the mock's
    `/metrics`.
    """

    at_s: float
    phase: str
    cycle: int
    calls: int
    mock_at: str = ""
    goodput: float | None = None
    p95_s: float | None = None
    rss_bytes: int | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the block: its name, its value from figures, and how that is written."""

    name: str
    value: Callable[[SoakFigures], float | None]
    text: Callable[[float], str]
    full: float | None = None
    """What the highest bar stands for; None: the largest value that is shown."""


ROWS: Final = (
    _Row("goodput", lambda one: one.goodput, lambda share: f"{100 * share:.1f} %", full=1.0),
    _Row("p95 wait", lambda one: one.p95_s, lambda seconds: f"{seconds:.2f} s"),
    _Row("memory", lambda one: one.rss_bytes, lambda size: f"{size / 2**20:.1f} MiB"),
    _Row("connections", lambda one: one.connections, lambda count: f"{count:.0f}"),
)


def sparkline(values: Sequence[float | None], full: float | None = None) -> str:
    """A bar for each value, from zero to `full` (by default the largest of them); a blank where there is none."""
    known = [value for value in values if value is not None]
    top = full if full is not None else max(known, default=0.0)
    if top <= 0:
        return "".join(" " if value is None else BARS[0] for value in values)
    last = len(BARS) - 1
    return "".join(
        " " if value is None else BARS[max(0, min(last, round(value / top * last)))] for value in values
    )


class SoakLive:
    """What shows a soak while it is played; entered around it."""

    def __init__(self, console: Console, length_s: float, cycles: int) -> None:
        self._console = console
        self._length_s = length_s
        self._cycles = cycles
        self._shown: deque[SoakFigures] = deque(maxlen=SHOWN)
        self._said_s = float("-inf")
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> SoakLive:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, figures: SoakFigures) -> None:
        """Take the figures of another ten seconds."""
        self._shown.append(figures)
        if self._live is not None:
            self._live.update(self._block(), refresh=True)
        elif figures.at_s - self._said_s >= LINE_EVERY_S - WATCH_S / 2:
            self._said_s = figures.at_s
            self.say(self.line(figures))

    def say(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def line(self, figures: SoakFigures) -> str:
        """The figures in a line, for logs."""
        parts = [self._where(figures), f"{figures.calls:,} calls"]
        for row in ROWS:
            value = row.value(figures)
            parts += [f"{row.name} {row.text(value)}"] if value is not None else []
        return ", ".join(parts)

    def _where(self, figures: SoakFigures) -> str:
        return (
            f"{span(figures.at_s)} of {span(self._length_s)}, cycle {figures.cycle + 1} of {self._cycles}, "
            f"{figures.phase}"
        )

    def _block(self) -> Group:
        table = Table(box=None, pad_edge=False, show_header=False)
        latest = self._shown[-1]
        for row in ROWS:
            values = [row.value(one) for one in self._shown]
            if any(value is not None for value in values):
                value = values[-1]
                now = "–" if value is None else row.text(value)
                table.add_row(row.name, Text(sparkline(values, row.full)), Text(now, justify="right"))
        return Group(Text(f"{self._where(latest)}, {latest.calls:,} calls; the last ten minutes:"), table)


def span(seconds: float) -> str:
    """A length of time: `45 s`, `12 min`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
