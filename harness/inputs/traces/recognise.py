"""Which format a trace has, by its first line: recognised where that is certain, refused with what was found if not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.errors import InputError, listing
from windtunnel.harness.inputs.traces.rows import (
    COLUMNS,
    LOG_LINE,
    LOG_SIGNS,
    LOG_TIMES,
    SPAN_STARTS,
    TIME_FLAG,
    attributes_of,
    keys_of,
    split_header,
)
from windtunnel.harness.inputs.traces.settings import FORMATS, TraceFormat, TrafficTrace
from windtunnel.harness.inputs.validation import show

HINT: Final = f"--trace-format (load.trace.format) says which it is: {', '.join(FORMATS)}"


def recognised(path: Path, line: int, text: str, trace: TrafficTrace) -> TraceFormat:
    """The format of a trace whose first line with something in it is `text`. Raises InputError if it is not certain."""
    if text.lstrip().startswith("{"):
        return _of_objects(path, line, text, trace)
    if LOG_LINE.fullmatch(text):
        return "access-log"
    header = split_header(text)
    if trace.time_column is not None:
        if trace.time_column in header:
            return "csv"
        found = f"the columns {listing(header[:20], last='and')}"
        raise InputError(
            path, line=line, found=found, expected=f"the column '{trace.time_column}'", hint=HINT
        )
    for name in ("azure", "burstgpt"):
        own = COLUMNS[name]
        if {own.time, own.prompt, own.answer} <= set(header):
            return name
    if len(header) < 2:
        expected = "a trace; a file with nothing but times is `arrivals: {replay: FILE}`"
        raise InputError(path, line=line, found=show(text), expected=expected, hint=HINT)
    found = f"the columns {listing(header[:20], last='and')}"
    raise InputError(path, line=line, found=found, expected=f"the one with the time named by {TIME_FLAG}")


def _of_objects(path: Path, line: int, text: str, trace: TrafficTrace) -> TraceFormat:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            path, line=line, found=f"what is not JSON ({error})", expected="a JSON object a line", hint=HINT
        ) from None
    if trace.time_column is not None:
        return "jsonl"
    own = COLUMNS["mooncake"]
    if {own.time, own.prompt, own.answer} <= set(value):
        return "mooncake"
    if "resourceSpans" in value or _is_span(value):
        return "otel"
    if any(key in value for key in LOG_TIMES) and any(key in value for key in LOG_SIGNS):
        return "access-log"
    found = f"the keys {listing(keys_of(value), last='and')}"
    expected = f"those of a known trace, or the key with the time named by {TIME_FLAG}"
    raise InputError(path, line=line, found=found, expected=expected)


def _is_span(value: Mapping[str, Any]) -> bool:
    """Whether an object is one of OpenTelemetry's spans, of a call or of anything else."""
    started = any(key in value for key in SPAN_STARTS)
    traced = any(key in value for key in ("context", "traceId", "trace_id", "spanId", "span_id"))
    return started and (traced or any(key.startswith("gen_ai.") for key in attributes_of(value)))
