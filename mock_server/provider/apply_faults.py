"""Application of faults: the scripts of edge faults, and healthy scripts changed by answer faults."""

from __future__ import annotations

import math
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from windtunnel.mock_server.api.headers import Headers, answer_headers, request_stamp
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.faults.base import FaultContext
from windtunnel.mock_server.provider.calls import BY_FAULT, Promise
from windtunnel.mock_server.provider.refusals import quota_headers
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.rules import FaultUse
from windtunnel.mock_server.script import Head, Script, Send, TimeLimit, Wait

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.rate_limiter import Quota

_ENDLESS = Script((Wait(math.inf),))

EMPTY_SCRIPT = Script(())
"""The script that an edge fault starts from: it replaces the whole answer."""


def edge_fault_script(
    ticket: Ticket, use: FaultUse, quota: Quota | None, seed: int, unix_t0: float, now: float
) -> Script:
    """Return the script of an edge fault, which replaces the answer. A promised wait in its headers is recorded."""
    stamp = request_stamp(seed, ticket.call.key, ticket.attempt)
    headers = answer_headers(stamp) + quota_headers(quota, now)
    context = _context(ticket, use, headers, seed, unix_t0 + now)
    if quota is not None:
        context = replace(context, limits=quota.levels(now), states_limits=quota.settings.headers)
    script = use.kind.apply(EMPTY_SCRIPT, use.params, context)
    # An error answer has a head like any other, and what makes heads late makes this one late.
    for other in ticket.chosen.answer:
        script = other.kind.apply(script, other.params, _context(ticket, other, headers, seed, unix_t0 + now))
    uses = (use, *ticket.chosen.answer)
    ticket.faults = tuple([one.kind.name for one in uses])
    for one in uses:
        ticket.region.fault_counts[one.rule_id] += 1
    wait = promised_wait(script, unix_t0 + now)
    if wait is not None:
        record_promise(ticket, wait, BY_FAULT, now)
    return script


def apply_answer_faults(ticket: Ticket, script: Script, seed: int, unix_now: float) -> Script:
    """Return `script` with the ticket's answer faults applied in order.

    Faults with `holds_slot` keep the slot for as long as they delay the answer: that is added to `fault_hold_s`. A time
    limit has acted only once it is reached (`note_limit`).
    """
    head = script.steps[0]
    headers = head.headers if isinstance(head, Head) else ()
    for use in ticket.chosen.answer:
        if use.kind.layer != "gateway":
            ticket.region.fault_counts[use.rule_id] += 1
        before = _waits(script)
        script = use.kind.apply(script, use.params, _context(ticket, use, headers, seed, unix_now))
        after = _waits(script)
        if use.holds_slot and after > before:
            ticket.fault_hold_s += after - before
    ticket.faults = tuple([use.kind.name for use in ticket.chosen.answer if use.kind.layer != "gateway"])
    return script


def waiting_script(ticket: Ticket, seed: int, unix_now: float) -> Script | None:
    """Return the time limits of the ticket's answer in front of an endless wait; None without any."""
    script = _ENDLESS
    headers = answer_headers(request_stamp(seed, ticket.call.key, ticket.attempt))
    for use in ticket.chosen.answer:
        if use.kind.layer == "gateway":
            script = use.kind.apply(script, use.params, _context(ticket, use, headers, seed, unix_now))
    return None if script is _ENDLESS else script


def note_limit(ticket: Ticket, limit: TimeLimit, unix_t0: float, now: float) -> None:
    """Record the fault whose time limit has been reached, and what it promises."""
    use = next(use for use in ticket.chosen.answer if use.kind.name == limit.fault)
    ticket.region.fault_counts[use.rule_id] += 1
    ticket.faults = (*ticket.faults, limit.fault)
    script = Script(limit.steps)
    ticket.status = script.status or ticket.status
    wait = promised_wait(script, unix_t0 + now)
    if wait is not None:
        record_promise(ticket, wait, BY_FAULT, now)


def record_promise(ticket: Ticket, wait_s: float, by: str, now: float) -> None:
    """Record that the client was told to come back after `wait_s` seconds."""
    request = ticket.request
    ticket.retry_after_promised_s = wait_s
    ticket.call.promise = Promise(request.region, request.key_hash, request.model, now + wait_s, by)


def promised_wait(script: Script, unix_now: float) -> float | None:
    """Return the wait in seconds that a refusal's headers promise: `retry-after-ms`, else `retry-after`.

    That is a number of seconds or a date, which is seen from `unix_now`. What is past, or garbage, promises nothing.
    """
    head = next((step for step in script.steps if isinstance(step, Head)), None)
    if head is None or head.status < 400:
        return None
    given = {name.lower(): value for name, value in head.headers}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if name not in given:
            continue
        try:
            wait = float(given[name]) * unit
        except ValueError:
            wait = _until(given[name], unix_now) if name == "retry-after" else math.nan
        if math.isfinite(wait) and wait >= 0.0:
            return wait
    return None


def _until(date: str, unix_now: float) -> float:
    """Return the seconds until a date of HTTP's form; NaN if it is none."""
    try:
        return round(parsedate_to_datetime(date).timestamp() - unix_now, 6)
    except (ValueError, OverflowError):
        return math.nan


def _context(ticket: Ticket, use: FaultUse, headers: Headers, seed: int, unix_now: float) -> FaultContext:
    request = ticket.request
    azure = request.azure
    tokens = ticket.prompt_tokens
    if ticket.generates:
        tokens += request.max_tokens or round(ticket.region.settings.tokens.median)
    return FaultContext(
        api=request.api,
        model=request.model,
        stream=request.stream,
        headers=headers,
        u=uniform(seed, "fault", use.rule_id, ticket.call.key, ticket.attempt),
        created=unix_now,
        api_version=None if azure is None else azure.version,
        tokens=tokens,
    )


def _waits(script: Script) -> float:
    """Return the seconds that a script waits on the wire before its client has the whole answer."""
    total = waited = 0.0
    ended = False
    for step in script.steps:
        if type(step) is Wait:
            total += step.seconds
        elif type(step) is Send and step.role == "terminal":
            ended, waited = True, total
    # Waits behind the last byte of the answer delay nothing that the client needs.
    return waited if ended else total
