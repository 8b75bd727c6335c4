"""The parsers that bytes from outside reach, each as a function of bytes that must not raise: what fuzzers call.

bytes ──► an entry of TARGETS ──► nothing, or an error of the parser's own kind, which is an answer
"""

from __future__ import annotations

import json
from collections.abc import Callable

import orjson
from pydantic import ValidationError

from windtunnel.mock_server.api.batches.input import read_input_file
from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.forms import BadFormError, read_form
from windtunnel.mock_server.api.json_schema.values import instance_text, schema_problem
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.errors import FaultHeaderError
from windtunnel.mock_server.faults import parse_fault_header
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.units import parse_rate, parse_seconds
from windtunnel.mock_server.script import Head, Script, Send, script_text
from windtunnel.mock_server.transports.http1.framing import head_bytes

_ROUTES = tuple(ENDPOINTS.values())
_HEADERS = (
    "content-type",
    "x-windtunnel-call",
    "x-windtunnel-fault",
    "x-windtunnel-attempt",
    "x-stainless-retry-count",
    "idempotency-key",
    "user-agent",
    "x-ms-client-request-id",
)
_CHAT = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'


def requests(data: bytes) -> None:
    """A request of an endpoint, `data` being its number, whether it is Azure's, a query, headers and the body."""
    number, azure, rest = data[:1], data[1:2], data[2:]
    endpoint = _ROUTES[(number or b"\0")[0] % len(_ROUTES)]
    query, _, rest = rest.partition(b"\n")
    path = (
        f"/openai/deployments/m{endpoint.path}?api-version=1&" if azure > b"\x80" else f"/v1{endpoint.path}?"
    )
    headers = {"authorization": "Bearer k", "api-key": "k"}
    while rest[:1] < bytes([len(_HEADERS)]) and b"\n" in rest:
        line, _, rest = rest.partition(b"\n")
        headers[_HEADERS[line[0]]] = _text(line[1:]).replace("\r", "")
    answered(endpoint.method, path + _text(query), headers, rest)


def paths(data: bytes) -> None:
    """Any method and path."""
    method, _, path = _text(data).partition(" ")
    answered(
        method if method.isascii() and method else "GET", path or "/", {"authorization": "Bearer k"}, _CHAT
    )


def answered(method: str, path: str, headers: dict[str, str], body: bytes) -> Script:
    """The script that a request gets from a fresh provider; its head can be sent, and errors are JSON."""
    engine = Engine(Plan())
    request = parse(method, path, headers, body, region="local")
    ticket = engine.identify(request, 0.0)
    engine.admit(ticket, 0.0)
    script = engine.start(ticket, 0.0) if ticket.state == "granted" else ticket.script
    assert script is not None
    script_text(script)
    orjson.dumps([request.model, request.call_id, request.user_agent, request.fault_header, *request.ids])
    for step in script.steps:
        if isinstance(step, Head):
            assert b"\r\n" not in head_bytes(step, 0)[0].split(b"\r\n\r\n")[0].replace(b"\r\n", b"", 99)
    if ticket.state == "refused" and request.fault_header is None and method not in ("HEAD", "OPTIONS"):
        json.loads(b"".join([step.data for step in script.steps if isinstance(step, Send)]))["error"]
    return script


def forms(data: bytes) -> None:
    """A multipart form: its Content-Type up to the first line's end, and its bytes."""
    kind, _, body = data.partition(b"\n")
    try:
        read_form("multipart/form-data; boundary=" + kind.decode("latin-1"), body)
    except BadFormError:
        return


def fault_headers(data: bytes) -> None:
    """The value of `x-windtunnel-fault`."""
    try:
        parse_fault_header(_text(data))
    except FaultHeaderError:
        return


def plans(data: bytes) -> None:
    """A plan in JSON."""
    try:
        plan = Plan.model_validate(orjson.loads(data))
    except (orjson.JSONDecodeError, ValidationError):
        return
    Engine(plan)
    Plan.model_validate(plan.model_dump(mode="json", by_alias=True))


def schemas(data: bytes) -> None:
    """A JSON schema, and a value of it."""
    try:
        schema = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if isinstance(schema, dict) and schema_problem(schema) is None:
        json.loads(instance_text(schema, Draws("fuzz")))


def batches(data: bytes) -> None:
    """The input file of a batch."""
    read_input_file(data, "/v1/chat/completions", None)


def units(data: bytes) -> None:
    """Durations and rates."""
    for read in (parse_seconds, parse_rate):
        try:
            assert read(_text(data)) >= 0.0
        except ValueError:
            continue


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": requests,
    "paths": paths,
    "forms": forms,
    "fault_headers": fault_headers,
    "plans": plans,
    "schemas": schemas,
    "batches": batches,
    "units": units,
}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "requests": (
        bytes([0]) + b"\x00\n" + _CHAT,
        bytes([6]) + b"\xff\n\x02stall; seconds=5\n" + b'{"model":"m","input":"hello","stream":true}',
        bytes([36])
        + b'\x00\n\x00multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a"\r\n\r\nx\r\n--b--\r\n',
    ),
    "paths": (
        b"GET /v1/models?limit=1",
        b"POST /openai/deployments/m/chat/completions?api-version=1",
        b"GET /%ff/%00",
    ),
    "forms": (b'b\n--b\r\nContent-Disposition: form-data; name="a[b][]"\r\n\r\nx\r\n--b--\r\n',),
    "fault_headers": (
        b"stall; after_chunks=3; seconds=5",
        b"status; status=500; body=x",
        b'wrong_shape; drop="choices.0"',
    ),
    "plans": (
        b'{"provider":{"regions":{"a":{"rtt":"5ms"}}},"rules":[{"fault":"stall","with":{"seconds":"5s"},"rate":0.5}],'
        b'"phases":[{"name":"a","for":"5s","rules":[{"sequence":["overloaded","ok"]}]}]}',
    ),
    "schemas": (
        b'{"type":"object","properties":{"a":{"type":"string","pattern":"^(a|b)+$"}},"required":["a"]}',
        b'{"$ref":"#/$defs/a","$defs":{"a":{"type":"array","items":{"$ref":"#"}}}}',
        b'{"anyOf":[{"type":"integer","minimum":1,"multipleOf":3},{"enum":["a"]}]}',
    ),
    "batches": (b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":' + _CHAT + b"}\n",),
    "units": (b"5s", b"14/min", b"1e3ms"),
}
"""What each begins with."""
