"""Calls that a client kept to itself."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen

MUCH = 0.05
HOLDERS = {
    "held_by_pool": (
        "a free connection of its own pool",
        "pool.connections",
        "Allow as many as there are calls at once; find out first what holds those that there are.",
    ),
    "held_by_limiter": (
        "a turn at its own limiter, or its breaker",
        "limiter.rpm",
        "It kept within its limit, and the load asks for more: raise the limit, or refuse at once what cannot wait.",
    ),
    "held_by_workers": (
        "a free worker of its own",
        None,
        "Let more calls run at once (`load.concurrency`), or find out what holds the workers.",
    ),
}
"""By metric: what the calls waited for, the setting that decides it, and what to do."""


def held_up(seen: Seen) -> ClientFinding | None:
    """Calls failed because they spent most of their wait inside the client."""
    held = {name: seen.number(name) or 0.0 for name in HOLDERS}
    most = max(held, key=lambda name: held[name])
    if held[most] < MUCH:
        return None
    what, key, cure = HOLDERS[most]
    calls = seen.cohort.calls
    lost = calls[~calls["good"]].sort_values("wait_s", ascending=False, kind="stable")
    count = round(held[most] * seen.calls)
    return ClientFinding(
        rule="held_up",
        severity=2,
        sentence=f"{count:,} of {seen.calls:,} calls failed because they waited most of their time for {what}.",
        count=count,
        of=seen.calls,
        calls=seen.ids(lost.index.to_numpy()),
        cure=cure,
        key=key,
    )
