"""What is asked: every fault, with the parameters worth seeing, in every form of an answer that it can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from windtunnel.mock_server.faults import FAULTS, FaultKind, parse_fault_header
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS

Task: TypeAlias = Literal["prose", "schema", "tool"]

FORMS: dict[str, tuple[str, bool]] = {
    "chat streamed": ("chat", True),
    "chat whole": ("chat", False),
    "responses streamed": ("responses", True),
    "responses whole": ("responses", False),
}
"""The forms that are measured: the API, and whether the answer is streamed."""

CONNECT = "connect"
"""The form of faults that act before there is a request."""

HEALTHY = "healthy"
"""In place of a fault's name: none."""

READ_TIMEOUT = 0.8
"""Seconds that a client waits for bytes: many times what a healthy answer takes, and less than a fault's wait."""

CONNECT_TIMEOUT = 0.8
"""Seconds that a client waits for a connection."""

PATIENT = 2 * READ_TIMEOUT
"""Seconds. A call that took longer has outlasted its read timeout; `VARIANTS` makes such waits half as long again."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Parameters to measure a fault with, as they stand in the header; in one form alone, or in all (None)."""

    params: tuple[str, ...] = ()
    form: str | None = None


def _each(*texts: str) -> tuple[Variant, ...]:
    return tuple([Variant(tuple(filter(None, text.split("; ")))) for text in texts])


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "status": _each(
        "status=400",
        "status=400; should_retry=true",
        "status=503",
        "status=503; should_retry=false",
        "status=503; retry_after=1s",
        "status=503; retry_after=121s",
        "status=204",
        "status=302",
    ),
    "bad_gateway": _each("", "html=true"),
    "reset": _each("", "at=after_chunks 2", "at=after_bytes 100"),
    "close": _each("", "at=after_chunks 2", "at=after_bytes 100"),
    "slow_headers": _each("", "seconds=100ms"),
    "huge_headers": _each("", "bytes=20000; count=4"),
    # Where a stream of compressed events is cut depends on the second in which it was sent.
    "bad_gzip": (
        Variant(),
        Variant(("how=truncated",), "chat whole"),
        Variant(("how=truncated",), "responses whole"),
    ),
    "slow_first_token": _each("", "seconds=100ms"),
    "stall_with_heartbeats": _each("seconds=2400ms; every=100ms"),
    "drip": (
        Variant(("bytes_per_second=1100",), "chat streamed"),
        Variant(("bytes_per_second=250",), "chat whole"),
        Variant(("bytes_per_second=2000",), "responses streamed"),
        Variant(("bytes_per_second=450",), "responses whole"),
    ),
    "dataless_event": _each("line=event", "line=id", "line=retry", "line=data"),
    "error_event": (
        Variant(),
        Variant(("code=rate_limit_exceeded",)),
        Variant(("form=flat",), "responses streamed"),
        Variant(("form=flat", "then_failed=true"), "responses streamed"),
    ),
    "response_failed": _each("", "code=rate_limit_exceeded"),
    "response_incomplete": _each("", "reason=content_filter"),
    "wrong_shape": _each("action=drop", "action=null", "action=rename", "action=retype"),
}
"""Faults whose parameters change what clients make of them, or whose defaults last too long to be measured."""

TASKS: dict[str, Task] = {
    "non_json_content": "schema",
    "schema_violation": "schema",
    "bad_tool_arguments": "tool",
    "unknown_tool": "tool",
}
"""Faults of answers that an application goes on to parse: JSON of a schema, or a tool's arguments."""

TOOL = "get_weather"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One fault in one form; or the `HEALTHY` answer. `form` is the row's name, parameters included."""

    fault: str
    params: tuple[str, ...]
    base: str

    @property
    def form(self) -> str:
        return f"{self.base}, `{'; '.join(self.params)}`" if self.params else self.base

    @property
    def name(self) -> str:
        """What it is called in messages, and by its calls."""
        return " / ".join((self.fault, self.form))

    @property
    def header(self) -> str | None:
        """The value of `x-windtunnel-fault`; None where there is no request that could carry it."""
        return (
            None if self.base == CONNECT or self.fault == HEALTHY else "; ".join((self.fault, *self.params))
        )

    @property
    def api(self) -> str:
        return FORMS.get(self.base, ("chat", False))[0]

    @property
    def stream(self) -> bool:
        return FORMS.get(self.base, ("chat", False))[1]

    @property
    def task(self) -> Task:
        return TASKS.get(self.fault, "prose")

    @property
    def body(self) -> dict[str, Any]:
        """What the client sends."""
        asked = _chat(self.task, self.stream) if self.api == "chat" else _response(self.task)
        return {"model": "gpt-4.1-mini", "stream": self.stream, **asked}


def all_cases(kinds: Iterable[FaultKind] | None = None) -> list[Case]:
    """Every fault × parameters × form, in the order of the table."""
    found: list[Case] = []
    for kind in FAULTS.values() if kinds is None else kinds:
        if kind.http2:  # the clients of the table speak HTTP/1.1
            continue
        if kind.stage in BEFORE_REQUESTS:
            found.append(Case(kind.name, (), CONNECT))
            continue
        for variant in VARIANTS.get(kind.name, (Variant(),)):
            found += _forms(kind, variant)
    return found


def _forms(kind: FaultKind, variant: Variant) -> list[Case]:
    settled, _ = parse_fault_header("; ".join((kind.name, *variant.params)))
    return [
        Case(kind.name, variant.params, form)
        for form, (api, stream) in FORMS.items()
        if settled.acts_on(api, stream) and variant.form in (None, form)
    ]


def _chat(task: Task, stream: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    if task == "schema":
        schema = {"name": "stay", "strict": True, "schema": _SCHEMA}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif task == "tool":
        asked["tools"] = [{"type": "function", "function": {"name": TOOL, "parameters": _SCHEMA}}]
        asked["tool_choice"] = "required"
    return asked


def _response(task: Task) -> dict[str, Any]:
    asked: dict[str, Any] = {"input": "Why is the sky blue?"}
    if task == "schema":
        schema = {"type": "json_schema", "name": "stay", "strict": True, "schema": _SCHEMA}
        asked["text"] = {"format": schema}
    elif task == "tool":
        tool = {"type": "function", "name": TOOL, "parameters": _SCHEMA, "strict": True}
        asked["tools"] = [tool]
        asked["tool_choice"] = "required"
    return asked
