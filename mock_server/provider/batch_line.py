"""Answers to requests that are part of another one (the lines of a batch): faults applied, without quota or slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windtunnel.mock_server.provider.apply_faults import apply_answer_faults
from windtunnel.mock_server.provider.calls import KnownCall
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Script

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.admission import Admission


def line_answer(admission: Admission, batch: Ticket, now: float, request: Request, call_id: str) -> Script:
    """The whole answer that `request` gets at `now` under the conditions of the request that it is part of.

    Everything is drawn by `call_id`; edge faults stand in for the answer, answer faults act on it. Nothing is charged,
    billed or stored.
    """
    ticket = Ticket(request, KnownCall(call_id, inferred=False), 0, batch.region, batch.phase, 0.0, now)
    refused = admission.refusal(ticket, now)
    if refused is not None:
        return refused
    seed, unix_t0 = admission.plan.seed, admission.unix_t0
    script = admission.planned(ticket, now).script
    return apply_answer_faults(ticket, script, seed, unix_t0 + now) if ticket.chosen.answer else script
