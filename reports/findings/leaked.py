"""Connections that a client neither used up nor gave back."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen


def leaked(seen: Seen) -> ClientFinding | None:
    """Answers were left unread, and their connections are lost to the pool."""
    count = int(seen.number("connections_leaked") or 0)
    if not count:
        return None
    attempts = seen.cohort.attempts[["call", "status", "error_type", "body_complete"]]
    unread = attempts[attempts["status"].notna() & ~attempts["body_complete"]]
    own = seen.setting("target") is not None
    return ClientFinding(
        rule="leaked",
        severity=2,
        sentence=f"Leaked {count:,} connections: answers that were not read to their end were never closed, and "
        f"{len(unread):,} of {len(attempts):,} attempts left one unread.",
        count=count,
        of=len(attempts),
        calls=seen.ids(unread["call"].to_numpy()),
        cure="Close every answer, also after an exception: `async with` around the stream."
        if own
        else "Close every answer that is given up; until then, let a pool that is used up fail quickly.",
        key="target" if own else "timeouts.pool",
        setting="" if own else "2s",
    )
