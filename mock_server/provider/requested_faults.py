"""Faults that a request names itself: in the header `x-windtunnel-fault`, or in the name of its model.

    x-windtunnel-fault: stall; after_chunks=3; seconds=5
    {"model": "windtunnel/stall;after_chunks=3;seconds=5"}

The model's name is the last resort, for clients that can set nothing else.
"""

from __future__ import annotations

from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError
from windtunnel.mock_server.errors import FaultHeaderError
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.rules import Chosen, edge_with, layered, requested_fault

MAGIC = "windtunnel/"
"""The prefix of a model's name that names a fault instead."""

_HEADER = "x-windtunnel-fault"


def add_requested_faults(chosen: Chosen, request: Request) -> Chosen | ApiError:
    """Add the faults that the request names to those that the rules chose; return an error if one is impossible."""
    if request.fault_header is not None:
        try:
            chosen = _with(chosen, request.fault_header, request, _HEADER)
        except FaultHeaderError as error:
            return ApiError(400, str(error))
    if request.model.startswith(MAGIC):
        try:
            chosen = _with(chosen, request.model.removeprefix(MAGIC), request, "model")
        except FaultHeaderError as error:
            place = error.path.replace(_HEADER, "model", 1)
            message = str(FaultHeaderError(place, error.found, error.expected))
            return ApiError(400, message, INVALID_REQUEST, "model", "model_not_found")
    return chosen


def _with(chosen: Chosen, text: str, request: Request, where: str) -> Chosen:
    use = requested_fault(text)
    kind = use.kind
    if kind.http2 and not request.http2:
        raise FaultHeaderError(
            where, f"{kind.name} in HTTP/1.1", "a request in HTTP/2, the only one it can act on"
        )
    if not kind.acts_on(request.api, request.stream):
        form = "streamed" if request.stream else "not streamed"
        able = f"{', '.join(kind.apis)} ({' or '.join(kind.forms)})"
        raise FaultHeaderError(where, f"{kind.name} for {request.api}, {form}", able)
    if kind.stage == "edge":
        return edge_with(use, chosen.answer)
    if chosen.edge is not None:
        return edge_with(chosen.edge, (*chosen.answer, use))
    return Chosen(chosen.edge, layered((*chosen.answer, use)))
