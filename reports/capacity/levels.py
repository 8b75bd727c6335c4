"""All levels as rows: levels.csv, and the tables of answer.md and of the page."""

from __future__ import annotations

import csv
import io

from windtunnel.harness.contract.capacity import CapacityFound, ClientCapacity, Level
from windtunnel.reports.capacity.little import little

COLUMNS = (
    *("client", "rate", "state", "offered", "achieved", "goodput", "latency_p50_s", "latency_p95_s"),
    *("latency_p99_s", "ttft_p95_s", "wait_p95_s", "amplification", "refused_429", "slots_used", "batches"),
    *("cut", "plays", "in_flight", "wait_mean_s", "little_off", "slo"),
)
"""The columns of levels.csv; rates are calls per second, `slo` is each term's mean with its interval.

`little_off` is by which share the calls under way differ from arrivals × mean wait.
"""


def row_of(found: CapacityFound, client: ClientCapacity, level: Level) -> list[str]:
    """One level in the order of COLUMNS; what has no value is empty."""
    law = little(level)
    own: dict[str, float | int | None] = {
        **level.shown,
        "rate": level.rate,
        "offered": level.offered,
        "achieved": level.achieved,
        "refused_429": level.refused_429,
        "batches": level.batches,
        "cut": level.cut,
        "plays": level.cells,
        "in_flight": None if law is None else law.in_flight,
        "wait_mean_s": None if law is None else law.wait_s,
        "little_off": None if law is None else law.off,
    }
    terms = "; ".join(
        f"{one.term}: {_number(one.mean) or 'none'} [{_number(one.low)}, {_number(one.high)}]"
        for one in level.terms
    )
    words = {"client": client.client, "state": level.state, "slo": terms}
    return [words[name] if name in words else _number(own.get(name)) for name in COLUMNS]


def levels_csv(found: CapacityFound) -> str:
    """levels.csv: a row for each level of each client."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for client in found.clients:
        writer.writerows(row_of(found, client, level) for level in client.levels)
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
