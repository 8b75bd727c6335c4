"""Metrics of connections: how many are opened, left open, lost and waited for."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import WAIT_FLOOR, Floor, Metric, percentiles

CONNECTION_CHURN = Metric(
    "connection_churn",
    "New connections per attempt",
    "ratio",
    "Connections whose first request is among the attempts ÷ attempts, as the server saw them.",
    better="lower",
    floor=Floor(0.02),
)

CONNECTIONS_PEAK = Metric(
    "connections_peak",
    "Connections open at most",
    "count",
    "Connections open at the same time, at most.",
    better="lower",
    unit="connections",
    scope="overall",
    floor=Floor(1.0, 0.05),
)

CONNECTIONS_LEAKED = Metric(
    "connections_leaked",
    "Connections lost to the client",
    "count",
    "Open connections with an answer that was not read to its end, which can neither be used again nor return to "
    "their pool: by the client's pools, 2 s after the last call ended, after a garbage collection. In cells of ten "
    "minutes or more also those that a client holds for longer than its longest call, looked at every minute: the "
    "most at once. By the server's view "
    "alone null.",
    better="lower",
    unit="connections",
    scope="overall",
    floor=Floor(0.5),
)

CONNECTIONS_IDLE = Metric(
    "connections_idle",
    "Connections kept for reuse",
    "count",
    "Open connections that are idle and whole in the client's pools, at the same moment.",
    unit="connections",
    scope="overall",
)

CONNECTING_SHARE = Metric(
    "connecting_share",
    "Time spent on connecting",
    "share",
    "DNS, connecting and TLS handshakes of all attempts ÷ time from beginning to end of all attempts. Null where "
    "the client's library does not show when it connects.",
    better="lower",
    floor=Floor(0.02),
)

STALE_CONNECTIONS = Metric(
    "stale_connections",
    "Attempts lost with a dead connection",
    "share",
    "Attempts that were sent on a connection that was there already, met its end or a reset before any answer, and "
    "of which the server has no record ÷ attempts. Null where the client's library does not show when it connects.",
    better="lower",
    floor=Floor(0.002),
)

POOL_WAIT = percentiles(
    "pool_wait",
    ("p50", "p95", "p99"),
    "Wait for a connection of the own pool",
    "beginning of an attempt to a connection, or to giving up, attempts",
    WAIT_FLOOR,
)
