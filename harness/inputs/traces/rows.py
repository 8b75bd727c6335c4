"""The rows of a trace, format by format: text in, the time and the two sizes of each call out, as they are written.

csv, azure, burstgpt            a header, then a row a call; only the names of columns differ
jsonl, mooncake                 an object a line; only the names of keys differ
otel                            a span a line, or an export of many spans a line (OTLP)
access-log                      common and combined logs, or JSON
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from windtunnel.harness.errors import InputError, listing
from windtunnel.harness.inputs.traces.moments import TimeUnit
from windtunnel.harness.inputs.traces.settings import TraceFormat, TrafficTrace
from windtunnel.harness.inputs.validation import show


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A call as it is written: its time, and the sizes (None where the trace does not tell)."""

    line: int
    time: str
    prompt: object = None
    answer: object = None


@dataclass(frozen=True, slots=True)
class Aside:
    """A line that is no call: blank, of something else, or one that cannot be read (with the error)."""

    kind: Literal["blank", "other", "bad"]
    error: InputError | None = None


Lines: TypeAlias = Iterable[tuple[int, str]]
Reader: TypeAlias = Callable[[Path, Lines, TrafficTrace], Iterator[TraceRow | Aside]]


@dataclass(frozen=True, slots=True)
class Columns:
    """What a format calls its columns, and the unit of times that are numbers (None: their size tells)."""

    time: str
    prompt: str | None = None
    answer: str | None = None
    unit: TimeUnit | None = None


COLUMNS: Final[dict[TraceFormat, Columns]] = {
    "azure": Columns("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    "burstgpt": Columns("Timestamp", "Request tokens", "Response tokens", "s"),
    "mooncake": Columns("timestamp", "input_length", "output_length", "ms"),
}
LOG_TIMES: Final = (
    "time_iso8601",
    "time_local",
    "msec",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "StartUTC",
)
"""What JSON access logs call the time: nginx as configured, Logstash, Caddy, Traefik and others."""
LOG_SIGNS: Final = ("status", "request", "method", "uri", "RequestMethod", "request_uri", "http_method")
"""Keys of which one is in every JSON access log."""
CALLS: Final = ("chat", "text_completion", "generate_content", "embeddings")
"""`gen_ai.operation.name` of spans that are a call to a model; agents and tools have spans of their own around."""
PROMPT_TOKENS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
ANSWER_TOKENS: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
SPAN_STARTS: Final = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")
LOG_LINE: Final = re.compile(r'\S+ \S+ .+? \[([^\]]{1,40})\] "(?:[^"\\]|\\.)*" \d{3} (?:\d+|-)(?: .*)?')
TIME_FLAG: Final = "--time-column (in a scenario: load.trace.time_column)"


def columns_of(trace: TrafficTrace, format_: TraceFormat) -> Columns:
    """The columns that a trace's settings name, and for the others those of its format."""
    own = COLUMNS.get(format_, Columns(""))
    return replace(
        own,
        time=trace.time_column or own.time,
        prompt=trace.prompt_tokens_column or own.prompt,
        answer=trace.answer_tokens_column or own.answer,
        unit=trace.time_unit or (own.unit if trace.time_column in (None, own.time) else None),
    )


def table_rows(path: Path, lines: Lines, columns: Columns) -> Iterator[TraceRow | Aside]:
    """The rows of a table with a header. Raises InputError if it has not the columns."""
    texts = _Counted(lines)
    header_line, header_text = next(((n, text) for n, text in texts.pairs if text.strip()), (1, ""))
    header = split_header(header_text)
    places = [_place(path, header_line, header, columns, what) for what in ("time", "prompt", "answer")]
    table = csv.reader(texts, delimiter=delimiter_of(header_text), strict=True)
    while True:
        begun = texts.number + 1
        try:
            cells = next(table, None)
        except csv.Error as error:
            yield _bad(path, begun, f"a row that cannot be read ({error})", f"{len(header)} columns")
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            yield Aside("blank")
        elif len(cells) != len(header):
            many = f"{len(cells)} column{'s' * (len(cells) != 1)}"
            yield _bad(path, begun, many, f"{len(header)}, as in the header")
        else:
            time, prompt, answer = (None if at is None else cells[at].strip() for at in places)
            yield TraceRow(begun, time or "", prompt, answer)


def split_header(text: str) -> list[str]:
    """The names of a table's columns."""
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter_of(text)), [])]


def delimiter_of(header: str) -> str:
    """What stands between columns: of comma, semicolon and tab the one that the header has most of."""
    return max(",;\t", key=header.count)


def object_rows(path: Path, lines: Lines, columns: Columns) -> Iterator[TraceRow | Aside]:
    """The rows of a file with a JSON object a line."""
    for number, value in _objects(path, lines):
        if isinstance(value, Aside):
            yield value
            continue
        time = _inside(value, columns.time)
        if time is None:
            yield _bad(
                path,
                number,
                f"the keys {listing(keys_of(value), last='and')}",
                f"the key '{columns.time}' with the time",
            )
            continue
        yield TraceRow(number, _written(time), _inside(value, columns.prompt), _inside(value, columns.answer))


def span_rows(path: Path, lines: Lines, columns: Columns) -> Iterator[TraceRow | Aside]:
    """The calls among OpenTelemetry's spans."""
    for number, value in _objects(path, lines):
        if isinstance(value, Aside):
            yield value
            continue
        for span in spans_in(value):
            own = attributes_of(span)
            if not is_call(own):
                yield Aside("other")
                continue
            start = next((span[key] for key in SPAN_STARTS if span.get(key) is not None), None)
            if columns.time:
                start = own.get(columns.time, span.get(columns.time))
            if start is None:
                yield _bad(path, number, "a span without its start", listing(SPAN_STARTS))
                continue
            prompt = [own[key] for key in (columns.prompt, *PROMPT_TOKENS) if key in own]
            answer = [own[key] for key in (columns.answer, *ANSWER_TOKENS) if key in own]
            yield TraceRow(
                number, _written(start), prompt[0] if prompt else None, answer[0] if answer else None
            )


def spans_in(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The spans of a line: of an export all that are in it, else the one that the line is."""
    if "resourceSpans" not in value:
        yield value
        return
    for resource in _list(value, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            yield from _list(scope, "spans")


def attributes_of(span: Mapping[str, Any]) -> dict[str, Any]:
    """A span's attributes by name, whether they are written as an object or as OTLP's list of typed values."""
    found = span.get("attributes")
    if isinstance(found, Mapping):
        return dict(found)
    pairs = ((one.get("key"), one.get("value")) for one in _list(span, "attributes"))
    return {str(key): next(iter(value.values()), None) for key, value in pairs if isinstance(value, Mapping)}


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Whether a span with these attributes is a call to a model."""
    operation = attributes.get("gen_ai.operation.name")
    if operation is None:  # conventions before 1.28 had no operation
        return "gen_ai.request.model" in attributes
    return operation in CALLS


def log_rows(path: Path, lines: Lines, columns: Columns) -> Iterator[TraceRow | Aside]:
    """The requests of an access log in the common or combined form."""
    for number, text in lines:
        if not text.strip():
            yield Aside("blank")
            continue
        found = LOG_LINE.fullmatch(text)
        if found is None:
            expected = "a line of an access log, common or combined"
            yield _bad(path, number, show(text), expected)
            continue
        yield TraceRow(number, found[1])


def log_time_key(path: Path, line: int, keys: Iterable[str]) -> str:
    """Which key of a JSON access log has the time. Raises InputError where none, or more than one, could be it."""
    there = [key for key in LOG_TIMES if key in keys]
    if len(there) == 1:
        return there[0]
    found = (
        f"the keys {listing(list(keys), last='and')}"
        if not there
        else f"more than one time: {listing(there, last='and')}"
    )
    raise InputError(path, line=line, found=found, expected=f"the key with the time named by {TIME_FLAG}")


def keys_of(value: Mapping[str, Any]) -> list[str]:
    """The keys of an object as a message shows them: not more than it can."""
    return [str(key) for key in value][:12]


def _objects(path: Path, lines: Lines) -> Iterator[tuple[int, dict[str, Any] | Aside]]:
    for number, text in lines:
        if not text.strip():
            yield number, Aside("blank")
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield number, _bad(path, number, f"what is not JSON ({error})", "a JSON object a line")
            continue
        good = isinstance(value, dict)
        yield number, value if good else _bad(path, number, show(text.strip()), "a JSON object a line")


def _inside(value: Mapping[str, Any], name: str | None) -> Any:
    """What a key has; `usage.prompt_tokens` is a key inside of another, unless there is one of that whole name."""
    if name is None:
        return None
    if name in value:
        return value[name]
    first, _, rest = name.partition(".")
    below = value.get(first)
    return _inside(below, rest) if rest and isinstance(below, Mapping) else None


def _list(holder: object, key: str) -> list[Mapping[str, Any]]:
    found = holder.get(key) if isinstance(holder, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _written(value: object) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _place(path: Path, line: int, header: list[str], columns: Columns, what: str) -> int | None:
    name = getattr(columns, what)
    if name is None:
        return None
    if header.count(name) == 1:
        return header.index(name)
    flag = TIME_FLAG if what == "time" else f"--{what}-tokens-column (load.trace.{what}_tokens_column)"
    twice = f" ('{name}' twice)" if header.count(name) > 1 else ""
    raise InputError(
        path,
        line=line,
        found=f"the columns {listing(header[:20], last='and')}{twice}",
        expected=f"the column '{name}', or another named by {flag}",
    )


def _bad(path: Path, line: int, found: str, expected: str) -> Aside:
    return Aside("bad", InputError(path, line=line, found=found, expected=expected, hint=HINT_BAD))


HINT_BAD: Final = "--skip-bad-rows, or load.trace.skip_bad_rows: true, leaves such rows out"


class _Counted:
    """The texts of numbered lines for a reader that takes texts alone; `number` is that of the last one taken."""

    def __init__(self, lines: Lines) -> None:
        self.number = 0
        self.pairs = iter(lines)

    def __iter__(self) -> Iterator[str]:
        for number, text in self.pairs:
            self.number = number
            yield text + "\n"
