"""What happened to one call, moment by moment: events as they are noted, and how they are shown.

app       the application: the call's begin and end, content      wire →   bytes from the client
policy    retries, budget, limiter, deadline, watchdogs           wire ←   bytes from the server
sdk       attempts, and what the SDK says about its retries       provider admission, slot, faults, script, phases
pool      the client's connections
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

Who: TypeAlias = Literal["app", "policy", "sdk", "pool", "wire →", "wire ←", "provider"]

SHOWN_OF_A_RUN = 3
"""Of events that repeat (the tokens of a stream) so many are shown at the beginning and at the end of a run."""

STYLES: dict[str, str] = {
    "app": "bold",
    "policy": "magenta",
    "sdk": "blue",
    "pool": "cyan",
    "wire →": "green",
    "wire ←": "yellow",
    "provider": "red",
}


@dataclass(frozen=True, slots=True)
class ProviderView:
    """The called region at a moment. `requests` and `tokens` are what its limits leave to the client: (left, limit)."""

    phase: str | None
    port: str
    busy: int
    slots: int | None
    queued: int
    queue: int | None
    requests: tuple[int, int] | None = None
    tokens: tuple[int, int] | None = None

    def __str__(self) -> str:
        parts = [] if self.phase is None else [self.phase]
        if self.port != "open":
            parts.append(f"port {self.port}")
        parts.append(f"{self.busy}/{'∞' if self.slots is None else self.slots} busy")
        if self.queued or self.queue:
            parts.append(f"{self.queued} queued")
        for what, level in (("req", self.requests), ("tok", self.tokens)):
            if level is not None:
                parts.append(f"{level[0]}/{level[1]} {what}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened, at `at_s` (seconds from t0). `repeats`: one of many of its kind, as tokens are."""

    at_s: float
    who: Who
    what: str
    provider: ProviderView
    detail: dict[str, Any] = field(default_factory=dict)
    repeats: bool = False


def as_json(event: TimelineEvent) -> dict[str, Any]:
    """An event for a file."""
    return asdict(event)


def from_json(data: dict[str, Any]) -> TimelineEvent:
    """The event of `as_json`."""
    provider = data["provider"]
    levels = {key: tuple(provider[key]) if provider[key] else None for key in ("requests", "tokens")}
    return TimelineEvent(**{**data, "provider": ProviderView(**{**provider, **levels})})


Row: TypeAlias = tuple[str, str, str, str, str]


def rows(events: Sequence[TimelineEvent], start_s: float) -> Iterator[Row]:
    """(time, since the call's start, who, what, provider) for every line; long runs of repetitions are folded, and the
    provider is only said where it changed."""
    before = ""
    for event in folded(events):
        now = str(event.provider)
        yield (
            f"{event.at_s:.6f}",
            f"{event.at_s - start_s:+.6f}",
            event.who,
            event.what,
            now if now != before else "",
        )
        before = now


def folded(events: Sequence[TimelineEvent]) -> Iterator[TimelineEvent]:
    """The events, where of a long run of repetitions only its two ends are left, and between them how many are not."""
    at = 0
    while at < len(events):
        end = at
        while end < len(events) and events[end].repeats:
            end += 1
        if end - at <= 2 * SHOWN_OF_A_RUN + 1:
            end = max(end, at + 1)
            yield from events[at:end]
        else:
            yield from events[at : at + SHOWN_OF_A_RUN]
            yield _fold(events[at + SHOWN_OF_A_RUN - 1 : end - SHOWN_OF_A_RUN])
            yield from events[end - SHOWN_OF_A_RUN : end]
        at = end


def _fold(run: Sequence[TimelineEvent]) -> TimelineEvent:
    """What stands for all but the first of `run`, which is shown."""
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(run)]
    what = f"… {len(run) - 1} more like these, the longest gap {max(gaps):.3f} s (--json has them all)"
    return TimelineEvent(run[-1].at_s, run[-1].who, what, run[-1].provider)


def show(events: Sequence[TimelineEvent], start_s: float, console: Console) -> None:
    """Print the timeline: a table on a terminal, plain columns elsewhere."""
    if not console.is_terminal:
        for time, since, who, what, provider in rows(events, start_s):
            line = f"{time:>14} {since:>14}  {who:<8}  {what}"
            print(f"{line}   [{provider}]" if provider else line)
        return
    table = Table(box=None, header_style="bold")
    table.add_column("time s", justify="right", no_wrap=True)
    table.add_column("since start", justify="right", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("provider then", style="dim", overflow="fold")
    for row in rows(events, start_s):
        table.add_row(*(Text(cell) for cell in row), style=STYLES.get(row[2], ""))
    console.print(table)
