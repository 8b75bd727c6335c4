"""The vocabulary of faults, one family a file, in one explicit table.

    status.py      error statuses of the API itself            answering.py  how such an error is put together
    gateways.py    error statuses of what stands before it     retry.py      retry-after, in every spelling
    connection.py  hang, reset, close                          pages.py      the HTML pages
    streams.py     what happens to an answer while it runs     surgery.py    where a script is cut open
    bodies.py      what a healthy-looking answer says          reference.py  this table for people

To write one: a params model, a pure function `(script, params, ctx) -> script`, and a `FaultKind` in its
family's `KINDS`, with a row in the table tests. Then `python -m mock_server.faults` renews the manual.
"""

from __future__ import annotations

from typing import Any

from mock_server.faults import bodies, connection, gateways, reference, status, streams
from mock_server.faults.base import FaultContext, FaultKind, Params
from mock_server.faults.header import parse_header

FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (*status.KINDS, *gateways.KINDS, *connection.KINDS, *streams.KINDS, *bodies.KINDS)
}


def parse_fault_header(text: str) -> tuple[FaultKind, Params]:
    """The fault that an `x-windtunnel-fault` header asks for. Raises `FaultHeaderError`."""
    return parse_header(text, FAULTS)


def describe() -> list[dict[str, Any]]:
    """Every fault as plain data, for `windtunnel list faults --json`."""
    return reference.describe(FAULTS.values())


def build_faults_reference() -> str:
    """The fault reference of the manual, as Markdown."""
    return reference.build_reference(list(FAULTS.values()))


__all__ = [
    "FAULTS",
    "FaultContext",
    "FaultKind",
    "Params",
    "build_faults_reference",
    "describe",
    "parse_fault_header",
]
