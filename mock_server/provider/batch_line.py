"""Answers to the lines of a batch: faults applied, without quota or slot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.provider.apply_faults import apply_answer_faults
from windtunnel.mock_server.provider.calls import KnownCall
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Script, TimeLimit

if TYPE_CHECKING:
    from windtunnel.mock_server.api.endpoint import Answer
    from windtunnel.mock_server.plan.plan import Plan
    from windtunnel.mock_server.provider.regions import RegionState

_HEADERS: Final = {"authorization": "Bearer batch", "content-type": "application/json"}
"""A line has no headers of its own. Any key passes the check that there is one; the batch's own replaces it."""


class Decisions(Protocol):
    """The part of `Admission` that a line needs; `Admission` itself imports this module."""

    plan: Plan
    unix_t0: float

    def refusal(self, ticket: Ticket, now: float) -> Script | None:
        """See `Admission.refusal`."""

    def planned(self, ticket: Ticket, now: float) -> Answer:
        """See `Admission.planned`."""


def line_answer(
    admission: Decisions,
    region: RegionState,
    phase: int,
    now: float,
    creation: Request,
    url: str,
    body: dict[str, Any],
    call_id: str,
) -> Script:
    """Return the whole answer to one line at `now`, as a request of the key and in the region of `creation`.

    `creation` is the request that made the batch; `region` and `phase` are those of a later one that reads its state.
    (Not that one's ticket: it would refer to itself, and stay in memory.)

    Everything is drawn by `call_id`; edge faults replace the answer, answer faults change it. Nothing is charged,
    billed or stored.
    """
    read = parse("POST", url, _HEADERS, orjson.dumps(body), region=creation.region)
    request = replace(read, key_hash=creation.key_hash, call_id=call_id)
    ticket = Ticket(request, KnownCall(call_id, inferred=False), 0, region, phase, 0.0, now)
    refused = admission.refusal(ticket, now)
    if refused is not None:
        return refused
    seed, unix_t0 = admission.plan.seed, admission.unix_t0
    script = admission.planned(ticket, now).script
    if not ticket.chosen.answer:
        return script
    script = apply_answer_faults(ticket, script, seed, unix_t0 + now)
    # Nobody waits in front of a batch, so no time limit ends the answer to one of its lines.
    return Script(tuple([step for step in script.steps if not isinstance(step, TimeLimit)]))
