"""A request in its slot, to its end: the script that is played, the bill, and a client that leaves."""

from __future__ import annotations

from math import inf

from windtunnel.mock_server.api.azure.paths import dress
from windtunnel.mock_server.api.headers import processed
from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.provider.apply_faults import (
    apply_answer_faults,
    edge_fault_script,
    note_limit,
    waiting_script,
)
from windtunnel.mock_server.provider.refusals import quota_headers
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.script import FirstToken, Head, Script, TimeLimit, Tokens


def early_answer(ticket: Ticket, script: Script, seed: int, unix_t0: float, now: float) -> Script:
    """Return the script that the client of background work gets at once: `script`, faults applied, without work."""
    script = _with_faults(ticket, script, seed, unix_t0, now)
    ticket.status = script.status
    return Script(tuple([step for step in script.steps if type(step) not in (FirstToken, Tokens)]))


def start(ticket: Ticket, now: float, seed: int, unix_t0: float) -> Script:
    """Start a granted ticket and return its script, faults applied. Raises ValueError if it was not granted.

    Replays that wait for it are `granted` afterwards. A ticket with an `early` script was answered before: it gets
    that one again, which the caller does not play a second time.
    """
    answer = ticket.answer
    if ticket.state != "granted" or answer is None:
        raise ValueError(f"start of a ticket that is {ticket.state}, expected granted")
    ticket.state = "running"
    ticket.started_s = now
    if ticket.takes_slot:
        ticket.executed = True
        ticket.prompt_tokens_billed = ticket.prompt_tokens
        ticket.progress = ticket.region.clock.begin(now + _first_token(ticket, seed, now), now)
    for follower in ticket.followers:
        follow(follower, ticket)
    if ticket.early is not None:
        return ticket.early
    script = _with_faults(ticket, answer.script, seed, unix_t0, now)
    ticket.script = script
    ticket.status = script.status
    return script


def follow(replay: Ticket, first: Ticket) -> None:
    """Let a replay go at the pace of the request that it repeats, which has started."""
    replay.follows = None
    replay.progress = first.progress
    replay.state = "granted"


def finish(ticket: Ticket, now: float) -> list[Ticket]:
    """Bill everything planned and free the slot; returns the tickets that were granted a slot."""
    if ticket.state != "running":
        return []
    if ticket.generates:
        ticket.tokens_billed = ticket.tokens_planned
    return _end(ticket, now, ticket.tokens_planned)


def waiting(ticket: Ticket, now: float, seed: int, unix_t0: float) -> Script | None:
    """Return the time limits of a queued ticket's answer as a script that waits for ever; None without any."""
    if ticket.early is not None or ticket.chosen.edge is not None:
        return None
    script = waiting_script(ticket, seed, unix_t0 + now)
    return None if script is None else dress(script, ticket.request)


def given_up(ticket: Ticket, limit: TimeLimit, now: float, unix_t0: float) -> list[Ticket]:
    """Note that a time limit has ended the answer; returns the tickets that were granted a slot.

    The client has an answer, so nothing is abandoned; whether the work goes on is said by the limit, or else by the
    region.
    """
    note_limit(ticket, limit, unix_t0, now)
    if ticket.state == "queued":
        # What starts later has been answered: the client gets nothing more.
        ticket.early = Script(limit.steps)
    keeps = ticket.region.settings.keep_working if limit.frees_slot is None else not limit.frees_slot
    if keeps or ticket.detached:
        return _finish_abandoned(ticket, now) if ticket.state == "running" else []
    return cancel(ticket, now)


def left(ticket: Ticket, now: float) -> list[Ticket]:
    """Note that the client has left; returns the tickets that were granted a slot.

    Background work continues, and so does an answer that is complete: they are not recorded as abandoned.
    """
    if ticket.done or ticket.detached:
        return _finish_abandoned(ticket, now) if ticket.state == "running" else []
    if not ticket.abandoned:
        ticket.abandoned = True
        ticket.abandoned_at_s = now
        if ticket.generates:
            ticket.tokens_when_left = ticket.region.generated(ticket, now)
    if ticket.region.settings.keep_working:
        return _finish_abandoned(ticket, now) if ticket.state == "running" else []
    return cancel(ticket, now)


def cancel(ticket: Ticket, now: float) -> list[Ticket]:
    """End the work before its time and bill what was generated; returns the tickets that were granted a slot."""
    state, region = ticket.state, ticket.region
    if state == "running":
        bill(ticket, now)
        return _end(ticket, now, region.generated(ticket, now), whole=False)
    if state in ("identified", "queued", "granted"):
        ticket.state = "gone"
        for follower in ticket.followers:
            follower.state = "gone"
        _notify_end(ticket, 0, now, whole=False)
    # A queued replay waits for another request, not in the region's queue.
    if state == "queued" and ticket.follows is not None:
        others = ticket.follows.followers
        ticket.follows.followers = tuple([other for other in others if other is not ticket])
    elif state == "queued":
        region.slots.withdraw(ticket)
    if state in ("queued", "granted"):
        _settle_quota(ticket, now)
    return region.release(now) if state == "granted" and ticket.takes_slot else []


def bill(ticket: Ticket, now: float) -> None:
    """Bill what a running ticket has generated by `now`."""
    if ticket.generates:
        ticket.tokens_billed = ticket.region.generated(ticket, now)


def _finish_abandoned(ticket: Ticket, now: float) -> list[Ticket]:
    """Finish the work of a request whose client has left; free the slot now if only an endless fault held it."""
    # An endless stall stands for a connection that hangs. Without the client there is none, so it ends here.
    if ticket.fault_hold_s == inf:
        end = ticket.region.healthy_end(ticket)
        ticket.fault_hold_s = max(0.0, now - end)
        if end <= now:
            return finish(ticket, now)
    return []


def _end(ticket: Ticket, now: float, tokens: int, *, whole: bool = True) -> list[Ticket]:
    ticket.state = "ended"
    _settle_quota(ticket, now)
    _notify_end(ticket, tokens, now, whole=whole)
    return ticket.region.release(now) if ticket.takes_slot else []


def _notify_end(ticket: Ticket, tokens: int, now: float, *, whole: bool) -> None:
    """Notify the stored object's handle and the idempotency entry that this work has ended."""
    if ticket.handle is not None:
        ticket.handle.end(whole=whole, tokens=tokens, now=now)
    if ticket.idempotency is not None:
        # An answer that was given up in the middle is no answer to replay: a retry does the work again.
        ticket.idempotency.end(forget=ticket.abandoned and not whole)


def _settle_quota(ticket: Ticket, now: float) -> None:
    if ticket.quota is not None and ticket.charged_tokens:
        used = ticket.prompt_tokens_billed + ticket.tokens_billed
        ticket.quota.settle(ticket.charged_tokens - used, now)


def _with_faults(ticket: Ticket, script: Script, seed: int, unix_t0: float, now: float) -> Script:
    """Return the script that is sent in place of the healthy one."""
    edge = ticket.chosen.edge
    if edge is not None:
        script = edge_fault_script(ticket, edge, ticket.quota, seed, unix_t0, now)
    else:
        script = _with_limits(script, ticket, now)
        if ticket.chosen.answer:
            script = apply_answer_faults(ticket, script, seed, unix_t0 + now)
    return dress(script, ticket.request)


def _first_token(ticket: Ticket, seed: int, now: float) -> float:
    """Return the seconds to the first token: the draw of the attempt, the prompt's reading and a cold start's delay.

    Whole microseconds, since libm's last digits differ between machines.
    """
    settings = ticket.region.settings
    wait = settings.first_token.median
    if not settings.first_token.constant:
        u = uniform(seed, "first_token", ticket.call.key, ticket.attempt)
        wait = settings.first_token.at(u)
    if settings.prefill_tokens_per_second is not None:
        wait += ticket.prompt_tokens / settings.prefill_tokens_per_second
    cold, region = settings.cold_start, ticket.region
    if cold is not None:
        if now - region.idle_since >= cold.after:
            u = uniform(seed, "cold_start", region.name, ticket.call.key, ticket.attempt)
            region.warm_at = now + cold.first_token.at(u)
        # Also for requests that begin while the region still warms up.
        wait += max(0.0, region.warm_at - now)
    region.idle_since = inf  # not idle; `release` sets it when the last slot is free
    return round(wait, 6)


def _with_limits(script: Script, ticket: Ticket, now: float) -> Script:
    """Return the healthy script with the `x-ratelimit-*` headers of this moment in its head, and the time it takes.

    That is the time since admission, queueing included: to the first token of a stream, to the end of any other
    answer, at the present speed.
    """
    headers = quota_headers(ticket.quota, now)
    head = script.steps[0]
    if type(head) is not Head:
        return script
    changed = head.headers + headers
    if ticket.progress is not None:
        last = 0 if ticket.request.stream else max(0, ticket.tokens_planned - 1)
        changed = processed(changed, ticket.region.due(ticket, last) - ticket.admitted_s)
    elif not headers:
        return script
    changed_head = Head(head.status, changed, head.framing, head.content_length)
    return Script((changed_head, *script.steps[1:]))
