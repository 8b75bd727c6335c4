"""Parity: a client is given the same in HTTP/1.1 and in HTTP/2, fault by fault, and the records say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvloop

from tests.mock_server.transports.conftest import Serving
from windtunnel.mock_server.faults import FAULTS, parse_fault_header
from windtunnel.mock_server.plan.plan import Plan

PROVIDER = {
    "answer": {"first_token": "1ms", "tokens": 24, "tokens_per_second": 100_000, "tokens_per_chunk": 4}
}
PARAMETERS = {
    "slow_headers": "seconds=50ms",
    "stall": "seconds=50ms",
    "hang": "seconds=50ms",
    "drip": "bytes_per_second=100000; head=true",
    "slow_first_token": "seconds=50ms",
    "stall_with_heartbeats": "seconds=100ms; every=50ms",
    "status": "status=418",
    "open_after_done": "seconds=50ms",
}
"""So that nothing takes long, and what must be given is."""

DIFFERENT: dict[str, tuple[str, str, str]] = {
    "reset": (
        "ReadError",
        "RemoteProtocolError",
        "an RST of the connection is read as ECONNRESET, an RST_STREAM as an event",
    ),
    "huge_headers": (
        "RemoteProtocolError",
        "LocalProtocolError",
        "h11 and h2 have limits of their own, and httpcore takes h2's for a mistake of the client",
    ),
}
"""Faults of which httpx2 makes another exception in HTTP/2 than in HTTP/1.1, and why."""

OF_THE_TRANSPORT = (
    "connection",
    "content-length",
    "date",
    "transfer-encoding",
    "openai-processing-ms",
    "x-windtunnel-served",
)
"""Headers that say how a body is framed, when it was sent, or which one it was."""


def _fault(name: str) -> str:
    return f"{name}; {PARAMETERS[name]}" if name in PARAMETERS else name


CASES = [
    (name, stream)
    for name, kind in FAULTS.items()
    if kind.stage in ("edge", "answer") and not kind.http2  # others act before HTTP is spoken
    for stream in (False, True)
    if parse_fault_header(_fault(name))[0].acts_on("chat", stream)
]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Serving]]:
    """A server for each HTTP, so that both see the same requests."""
    plan = Plan.model_validate({"provider": PROVIDER})
    with (
        Serving(uvloop.new_event_loop, plan, None, None) as one,
        Serving(uvloop.new_event_loop, plan, None, None) as other,
    ):
        yield [one, other]


def _asked(
    server: Serving, *, http2: bool, method: str = "POST", path: str = "/v1/chat/completions", **how: Any
) -> Any:
    """What a client gets of one request, or the name of its exception; and what the server's record says of it."""
    rows = len(server.journal.rows)
    url = f"http://127.0.0.1:{next(iter(server.ports.values()))}{path}"
    with httpx2.Client(http1=not http2, http2=http2, timeout=20) as client:
        try:
            with client.stream(method, url, **how) as answer:
                body = re.sub(
                    rb'"(created|created_at|completed_at|expires_at)":[\d.]+',
                    b"",
                    b"".join(answer.iter_bytes()),
                )
                headers = {name: it for name, it in answer.headers.items() if name not in OF_THE_TRANSPORT}
                got: Any = (answer.status_code, headers, body)
                assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        except httpx2.RequestError as error:
            got = type(error).__name__
    row = server.journal.wait_for(rows + 1)[rows]
    names = ("faults", "status", "ending", "tokens_sent", "tokens_billed", "abandoned", "truth_digest")
    return got, {name: row[name] for name in names}


def _asked_both(servers: list[Serving], **how: Any) -> tuple[Any, Any]:
    return _asked(servers[0], http2=False, **how), _asked(servers[1], http2=True, **how)


@pytest.mark.parametrize(
    ("name", "stream"), CASES, ids=[f"{name}-{'stream' if s else 'whole'}" for name, s in CASES]
)
def test_a_fault_is_the_same_in_both(servers: list[Serving], name: str, stream: bool) -> None:
    """Status, headers, body or exception, and the record, but for the exceptions that are listed with their reasons."""
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    headers = {
        "authorization": "Bearer k",
        "x-windtunnel-fault": _fault(name),
        "x-windtunnel-call": f"{name}-{stream}",
    }
    (one, one_row), (two, two_row) = _asked_both(servers, json=body, headers=headers)
    if name in DIFFERENT:
        assert (one, two) == DIFFERENT[name][:2]
    else:
        assert one == two
        if not isinstance(one, str):  # how much was sent to a client that leaves is a race
            assert one_row == two_row
    assert one_row["faults"] == two_row["faults"] == (name,)


@pytest.mark.parametrize(
    "how",
    [
        {"method": "GET", "path": "/v1/models"},
        {"path": "/v1/embeddings", "json": {"model": "text-embedding-3-small", "input": "hi"}},
        {"path": "/v1/responses", "json": {"model": "gpt-4.1-mini", "input": "hi", "stream": True}},
        {"path": "/v1/files", "data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", b"{}\n")}},
        {"path": "/v1/nothing", "json": {}},
        {"json": {"model": "gpt-4.1-mini"}},
        {"content": b"no JSON", "extra": {"content-type": "application/json"}},
        {"extra": {"authorization": ""}},
    ],
    ids=lambda how: how.get("path", "chat"),
)
def test_a_request_without_a_fault_is_the_same_in_both(servers: list[Serving], how: dict[str, Any]) -> None:
    """Endpoints, forms and mistakes of clients as well."""
    call = f"plain-{sorted(map(str, how.items()))}"
    headers = {"authorization": "Bearer k", "x-windtunnel-call": call, **how.get("extra", {})}
    sent = {name: value for name, value in how.items() if name != "extra"}
    one, two = _asked_both(servers, headers=headers, **sent)
    assert one == two
