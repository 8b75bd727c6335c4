"""The vocabulary of faults, one family a file, in one explicit table.

    status.py      error statuses of the API itself            error_answer.py  how such an error is put together
    gateways.py    error statuses of what stands before it     retry.py         retry-after, in every spelling
    listener.py    refuse, blackhole: no connection at all     pages.py         the HTML pages
    handshake.py   TLS handshakes that fail, or stall
    connection.py  hang, reset, close                          http2.py  what only frames of HTTP/2 can say
    wire.py        what is wrong with an answer as HTTP        drip.py          an answer that trickles
    streams.py     when an answer comes                        script_edits.py  where a script is cut open
    events.py      single events that are wrong
    endings.py     how a stream ends                           response_status.py  a response failed or incomplete
    chunking.py    bytes in pieces, lines spelled differently
    bodies.py      broken, halved or empty bodies
    shapes.py      JSON of the wrong shape                     json_edits.py    JSON and events inside a script
    content.py     refused, withheld, cut off                  content_replacement.py  an answer with other content
    structured.py  no JSON, or of no schema                    content_in_*.py  how an API writes its content
    tool_calls.py  calls that cannot be made                   header.py        faults that a request asks for

To write one: a params model, a pure function `(script, params, ctx) -> script`, and a `FaultKind` in its
family's `KINDS`, with a row in the table tests. Then `python -m windtunnel.harness.matrix` renews the manual.
"""

from __future__ import annotations

from windtunnel.mock_server.faults import (
    bodies,
    chunking,
    connection,
    content,
    drip,
    endings,
    events,
    gateways,
    handshake,
    http2,
    listener,
    shapes,
    status,
    streams,
    structured,
    tool_calls,
    wire,
)
from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.faults.header import parse_header

FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        *status.KINDS,
        *gateways.KINDS,
        *listener.KINDS,
        *handshake.KINDS,
        *connection.KINDS,
        *wire.KINDS,
        *http2.KINDS,
        *drip.KINDS,
        *streams.KINDS,
        *events.KINDS,
        *endings.KINDS,
        *chunking.KINDS,
        *bodies.KINDS,
        *shapes.KINDS,
        *content.KINDS,
        *structured.KINDS,
        *tool_calls.KINDS,
    )
}


def parse_fault_header(text: str) -> tuple[FaultKind, Params]:
    """The fault that an `x-windtunnel-fault` header asks for. Raises `FaultHeaderError`."""
    return parse_header(text, FAULTS)


__all__ = [
    "FAULTS",
    "FaultContext",
    "FaultKind",
    "Params",
    "parse_fault_header",
]
