"""Reading a trace: a file of real traffic to the times and sizes of calls, in order of time.

The rules, for every format:

- The first call of the trace is due at t0, whatever the clock said then.
- Rows need not be in order of time: they are sorted, and how many were out of order is told.
- Blank lines are no calls. A row that cannot be read is refused with its line, or counted and skipped if that is asked.
- All times are of one kind: seconds since something, an epoch, or dates. A date without a zone is in `time_zone`.
- A size of 0 is none (a call that failed has no answer): the scenario's own sizes hold, as where nothing is told.
- Where an access log has whole seconds only, the calls of a second are spread evenly over it, in the order of the log.
- At most `rows` rows are read, from the beginning; the file itself may be of any size.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.traces.lines import read_lines
from windtunnel.harness.inputs.traces.moments import A_DATE, read_moment, zone_of
from windtunnel.harness.inputs.traces.recognise import recognised
from windtunnel.harness.inputs.traces.rows import (
    HINT_BAD,
    TIME_FLAG,
    Aside,
    Columns,
    TraceRow,
    columns_of,
    log_rows,
    log_time_key,
    object_rows,
    span_rows,
    table_rows,
)
from windtunnel.harness.inputs.traces.scaling import at_factor
from windtunnel.harness.inputs.traces.settings import TracedCalls, TraceFacts, TraceFormat, TrafficTrace
from windtunnel.harness.inputs.validation import show
from windtunnel.mock_server.plan.units import MOST_SECONDS

MOST_TOKENS: Final = 200_000
A_TIME: Final = "a time: a number, or a date such as 2026-03-01T09:30:00Z"
A_SIZE: Final = f"a whole number of tokens from 0 to {MOST_TOKENS:,}, or nothing"

Call: TypeAlias = tuple[Decimal, int | None, int | None]


def read_trace(trace: TrafficTrace, base: Path) -> tuple[TracedCalls, TraceFacts]:
    """The calls of a trace, and what reading found; the file is relative to `base`.

    Raises InputError with the line of the first mistake.
    """
    path = base / trace.file
    lines = read_lines(path)
    first = next((one for one in lines if one[1].strip() and not one[1].startswith("#")), None)
    if first is None:
        raise InputError(path, found="nothing", expected="a trace, one row a line")
    format_ = trace.format or recognised(path, *first, trace)
    _refuse_columns(path, trace, format_)
    rest = chain([first], lines)
    columns = columns_of(trace, format_)
    rows = _rows(path, first, rest, format_, columns)
    reading = _Reading(path, trace, columns)
    for row in rows:
        reading.add(row)
        if len(reading.calls) >= trace.rows:
            break
    more = next((True for row in rows if isinstance(row, TraceRow)), False)
    calls, facts = reading.result(format_, more=more)
    return at_factor(calls, trace.factor, path), facts


def filled_in(
    load: Mapping[str, Any], trace: Mapping[str, Any], calls: TracedCalls, facts: TraceFacts
) -> dict[str, Any]:
    """The data of a load whose trace has been read: its calls are in it, so that nothing reads the file again."""
    arrivals = load.get("arrivals")
    spacing = arrivals if isinstance(arrivals, Mapping) else {"spacing": arrivals or "poisson"}
    told = {"found": asdict(facts), "prompts": calls.prompts, "answers": calls.answers}
    return {
        **load,
        "arrivals": {**spacing, "times_s": calls.times_s},
        "trace": {**trace, **told},
    }


def _rows(
    path: Path,
    first: tuple[int, str],
    lines: Iterator[tuple[int, str]],
    format_: TraceFormat,
    columns: Columns,
) -> Iterator[TraceRow | Aside]:
    if format_ in ("csv", "azure", "burstgpt"):
        return table_rows(path, lines, columns)
    if format_ in ("jsonl", "mooncake"):
        return object_rows(path, lines, columns)
    if format_ == "otel":
        return span_rows(path, lines, columns)
    number, text = first
    if not text.lstrip().startswith("{"):
        return log_rows(path, lines, columns)
    try:
        keys = json.loads(text)
    except ValueError:
        keys = {}
    time = columns.time or log_time_key(path, number, keys)
    return object_rows(path, lines, Columns(time, columns.prompt, columns.answer, columns.unit))


def _refuse_columns(path: Path, trace: TrafficTrace, format_: TraceFormat) -> None:
    if format_ in ("csv", "jsonl") and trace.time_column is None:
        raise InputError(
            path, found=f"the format {format_} alone", expected=f"the time's column: {TIME_FLAG}"
        )


@dataclass(slots=True)
class _Reading:
    path: Path
    trace: TrafficTrace
    columns: Columns
    calls: list[Call] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    kind: str = ""

    def add(self, row: TraceRow | Aside) -> None:
        """Take a row. Raises InputError for a bad one, unless those are skipped."""
        try:
            if isinstance(row, TraceRow):
                self._add_call(row)
                return
            if row.error is not None:
                raise row.error
        except InputError:
            if not self.trace.skip_bad_rows:
                raise
            self.counts["bad"] += 1
            return
        self.counts[row.kind] += 1

    def _add_call(self, row: TraceRow) -> None:
        if row.time.startswith("#"):
            self.counts["blank"] += 1
            return
        moment = read_moment(row.time, self.columns.unit, zone_of(self.trace.time_zone))
        if moment is None:
            raise self._wrong(row, f"{show(row.time)} as the time", A_TIME)
        seconds, kind = moment
        if self.calls and kind != self.kind:
            raise self._wrong(
                row, f"{show(row.time)} ({kind}) after {self.kind}", "times of one kind throughout"
            )
        call = (seconds, self._size(row, row.prompt), self._size(row, row.answer))
        self.kind = kind
        self.counts["out of order"] += bool(self.calls) and seconds < self.calls[-1][0]
        self.calls.append(call)

    def _size(self, row: TraceRow, written: object) -> int | None:
        if written is None or written == "":
            return None
        try:
            size = Decimal(str(written))
            good = size == int(size) and 0 <= size <= MOST_TOKENS
        except (ArithmeticError, ValueError):
            good = False
        if not good or isinstance(written, bool):
            raise self._wrong(row, f"{show(written)} tokens", A_SIZE)
        return int(size) or None

    def _wrong(self, row: TraceRow, found: str, expected: str) -> InputError:
        return InputError(self.path, line=row.line, found=found, expected=expected, hint=HINT_BAD)

    def result(self, format_: TraceFormat, *, more: bool) -> tuple[TracedCalls, TraceFacts]:
        """The calls in order of time. Raises InputError if there are none, or they span more than any run."""
        if not self.calls:
            asides = ", ".join(f"{count} {kind}" for kind, count in self.counts.items() if count)
            found = f"no calls ({asides} lines)" if asides else "no calls"
            raise InputError(self.path, found=found, expected="at least one call")
        calls = sorted(self.calls, key=lambda call: call[0])
        span = float(calls[-1][0] - calls[0][0])
        if span > MOST_SECONDS:
            raise InputError(
                self.path,
                found=f"calls over {span / 86_400:,.0f} days",
                expected=f"at most {MOST_SECONDS / 86_400:,.0f}",
                hint="--time-unit (load.trace.time_unit) says what numbers are",
            )
        facts = TraceFacts(
            format=format_,
            rows=len(calls),
            blank=self.counts["blank"],
            other=self.counts["other"],
            bad=self.counts["bad"],
            out_of_order=self.counts["out of order"],
            span_s=round(span, 6),
            more=more,
        )
        origin = calls[0][0]
        times = tuple(round(float(time - origin), 6) for time in self._spread(calls, format_))
        prompts, answers = tuple(call[1] for call in calls), tuple(call[2] for call in calls)
        return TracedCalls(times, prompts if any(prompts) else (), answers if any(answers) else ()), facts

    def _spread(self, calls: list[Call], format_: TraceFormat) -> Iterator[Decimal]:
        times = [call[0] for call in calls]
        coarse = format_ == "access-log" and self.kind == A_DATE and all(time == int(time) for time in times)
        if not coarse:
            yield from times
            return
        for second, group in groupby(times):
            count = len(list(group))
            yield from (second + Decimal(number) / count for number in range(count))
