"""The served row of an exchange, in the order of `SERVED_COLUMNS`."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.exchange import Exchange

BODY_DIGEST_CHARS = 16

_PID = os.getpid()


def _take_pid() -> None:
    global _PID
    _PID = os.getpid()


os.register_at_fork(after_in_child=_take_pid)


def served_row(exchange: Exchange, now: float) -> tuple[Any, ...]:
    """Return the served row of `exchange`, which is over at `now` (seconds from t0)."""
    ticket = exchange.ticket
    request = ticket.request
    player = exchange.player
    key = request.idempotency_key
    return (
        exchange.served_id,
        ticket.call_id,
        ticket.attempt,
        request.client_attempt,
        request.sdk_retry_count,
        ticket.identity,
        ticket.arrived_s,
        ticket.started_s,
        player.first_byte_s if player else None,
        player.last_byte_s if player else None,
        now,
        player.status if player else None,
        ticket.faults,
        request.fault_header,
        ticket.region.name,
        request.model,
        request.api,
        request.stream,
        request.key_hash,
        exchange.requester.connection.connection_id,
        exchange.number,
        exchange.http_version,
        ticket.truth_digest,
        ticket.tokens_planned,
        player.tokens_sent if player else 0,
        ticket.tokens_billed,
        ticket.prompt_tokens_billed,
        ticket.abandoned,
        ticket.abandoned_at_s,
        ticket.retry_after_promised_s,
        ticket.came_back_early,
        ticket.queue_depth,
        ticket.in_flight,
        request.user_agent,
        request.sdk_version,
        ticket.phase,
        ticket.prompt_tokens,
        ticket.rtt_s,
        player.bytes_sent if player else 0,
        exchange.ending,
        int(ticket.executed),
        ticket.replay,
        ticket.plan,
        _PID,
        ticket.call.step,
        ticket.identity_certainty,
        ticket.tokens_when_left,
        ticket.next_content_s,
        request.body_hash[:BODY_DIGEST_CHARS],
        None if key is None or request.call_id is not None else key_digest(key),
        exchange.delivered_s,
    )


def key_digest(key: str) -> str:
    """Return what stands for an idempotency key in the records: it may be an order's number, or a person's name."""
    return blake2b(key.encode("utf-8", "replace"), digest_size=8).hexdigest()
