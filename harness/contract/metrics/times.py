"""Metrics of times, each at several points of its distribution."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import ALL_POINTS, WAIT_FLOOR, Floor, percentiles

LATENCY = percentiles(
    "latency", ALL_POINTS, "Latency of answered calls", "intended time to end, calls that are ok", WAIT_FLOOR
)

WAIT = percentiles(
    "wait",
    ALL_POINTS,
    "Wait of users, answered or not",
    "intended time to answer or giving up, all calls: what a user waits",
    WAIT_FLOOR,
)

SERVICE = percentiles(
    "service",
    ALL_POINTS,
    "Service time alone (not what users wait)",
    "first request sent to end, calls that are ok: what coordinated omission would show",
    WAIT_FLOOR,
)

TTFT = percentiles(
    "ttft",
    ALL_POINTS,
    "Wait for the first content",
    "intended time to first content, streamed calls that got one",
    WAIT_FLOOR,
    needs="stream",
)

INTER_TOKEN = percentiles(
    "inter_token",
    ALL_POINTS,
    "Pause between contents",
    "the pauses between contents of streamed calls",
    Floor(0.005, 0.05),
    needs="stream",
)

HANG = percentiles(
    "hang",
    ("p50", "p99", "max"),
    "Hanging in a stall before giving up",
    "last content (else sending) to giving up, attempts that met a stall and were given up",
    WAIT_FLOOR,
)

STOP_LAG = percentiles(
    "stop_lag",
    ("p50", "p99"),
    "From stopping to the server noticing",
    "the client stopping an attempt to the server seeing it",
    Floor(0.01, 0.05),
)
