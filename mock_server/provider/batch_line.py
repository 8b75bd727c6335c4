"""Answers to requests that are part of another one (the lines of a batch): faults applied, without quota or slot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.provider.apply_faults import apply_answer_faults
from windtunnel.mock_server.provider.calls import KnownCall
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Script

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.admission import Admission

_HEADERS: Final = {"authorization": "Bearer batch", "content-type": "application/json"}
"""A line has no headers of its own. Any key passes the check that there is one; the batch's own replaces it."""


def line_answer(
    admission: Admission,
    batch: Ticket,
    now: float,
    creation: Request,
    url: str,
    body: dict[str, Any],
    call_id: str,
) -> Script:
    """Return the whole answer to one line at `now`, as a request of the key and in the region of `creation`.

    `creation` is the request that made the batch; `batch` is the one, perhaps much later, that asks how it goes.

    Everything is drawn by `call_id`; edge faults stand in for the answer, answer faults act on it. Nothing is charged,
    billed or stored.
    """
    read = parse("POST", url, _HEADERS, orjson.dumps(body), region=creation.region)
    request = replace(read, key_hash=creation.key_hash, call_id=call_id)
    ticket = Ticket(request, KnownCall(call_id, inferred=False), 0, batch.region, batch.phase, 0.0, now)
    refused = admission.refusal(ticket, now)
    if refused is not None:
        return refused
    seed, unix_t0 = admission.plan.seed, admission.unix_t0
    script = admission.planned(ticket, now).script
    return apply_answer_faults(ticket, script, seed, unix_t0 + now) if ticket.chosen.answer else script
