"""Answers to the lines of a batch: faults applied, without quota or slot."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from windtunnel.mock_server.api.endpoint import LineAnswer
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

    def outgoing(self, ticket: Ticket, now: float) -> int:
        """See `Admission.outgoing`."""

    def preparation(self, ticket: Ticket, now: float) -> Generator[None, None, None] | None:
        """See `Admission.preparation`."""

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
    room: int,
) -> Generator[None, None, LineAnswer | None]:
    """Make the whole answer to one line at `now`, as a request of the key and in the region of `creation`.

    None if it would have more than `room` bytes.

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
        return LineAnswer(refused, sound=False)
    if admission.outgoing(ticket, now) > room:
        return None
    steps = admission.preparation(ticket, now)
    if steps is not None:
        yield from steps
    seed, unix_t0 = admission.plan.seed, admission.unix_t0
    script = admission.planned(ticket, now).script
    if not ticket.chosen.answer:
        return LineAnswer(script, sound=True)
    script = apply_answer_faults(ticket, script, seed, unix_t0 + now)
    # Nobody waits in front of a batch, so no time limit ends the answer to one of its lines.
    script = Script(tuple([step for step in script.steps if not isinstance(step, TimeLimit)]))
    return LineAnswer(script, sound=False)
