"""All levels as rows: levels.csv, and the tables of answer.md and of the page."""

from __future__ import annotations

import csv
import io

from windtunnel.harness.contract.capacity import CapacityFound, ClientCapacity, Level
from windtunnel.reports.capacity.cost import Cost, cost_of_level
from windtunnel.reports.capacity.little import little

COLUMNS = (
    *("client", "rate", "state", "offered", "achieved", "goodput", "latency_p50_s", "latency_p95_s"),
    *("latency_p99_s", "ttft_p95_s", "wait_p95_s", "amplification", "refused_429", "slots_used", "batches"),
    *("cut", "plays", "in_flight", "wait_mean_s", "little_off"),
    *("tokens_per_1000_good", "usd_per_1000_good", "abandoned_share", "late_share", "retried_share", "slo"),
    "through",
)
"""The columns of levels.csv; rates are calls per second, `slo` is each term's mean with its interval.

`through` is the incident that the level went through, or the region that was gone; else empty. `little_off` is by
which share the calls under way differ from arrivals × mean wait. The `…_share`s are of all billed tokens.
"""


LARGE = 10_000
"""From here on numbers have no digits behind the point."""
BRIEF = (
    *(
        "rate",
        "state",
        "achieved",
        "goodput",
        "latency_p50_s",
        "latency_p95_s",
        "latency_p99_s",
        "ttft_p95_s",
    ),
    *("wait_p95_s", "in_flight", "amplification", "slo"),
)
"""The columns of the tables that people read; one of them is left out where no level has a value."""


def brief_table(found: CapacityFound, client: ClientCapacity) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the levels, in the columns of BRIEF."""
    rows = [dict(zip(COLUMNS, row_of(found, client, level), strict=True)) for level in client.levels]
    names = [name for name in BRIEF if any(row[name] for row in rows)]
    return names, [[row[name] for name in names] for row in rows]


def row_of(found: CapacityFound, client: ClientCapacity, level: Level, through: str = "") -> list[str]:
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
        **_costs(cost_of_level(level, found.price)),
    }
    terms = "; ".join(
        f"{one.term}: {_number(one.mean) or 'none'} [{_number(one.low)}, {_number(one.high)}]"
        for one in level.terms
    )
    words = {
        "client": client.client,
        "state": level.state,
        "slo": terms,
        "through": through,
    }
    return [words[name] if name in words else _number(own.get(name)) for name in COLUMNS]


def _costs(cost: Cost | None) -> dict[str, float | None]:
    """The columns of a level's cost."""
    if cost is None:
        return {}
    billed = cost.total.tokens
    return {
        "tokens_per_1000_good": billed,
        "usd_per_1000_good": cost.total.usd,
        "abandoned_share": cost.abandoned.tokens / billed,
        "late_share": cost.late.tokens / billed,
        "retried_share": cost.retried.tokens / billed,
    }


def levels_csv(found: CapacityFound) -> str:
    """levels.csv: a row for each level of each client, and for each that went through an incident or lacks a region."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for client in found.clients:
        writer.writerows(row_of(found, client, level) for level in client.levels)
        if (survival := client.survival) is not None:
            through = survival.incident.phase
            writer.writerows(row_of(found, client, level, through) for level in survival.levels)
        if (loss := client.loss) is not None:
            writer.writerows(
                row_of(found, client, level, f"{loss.lost.region} gone") for level in loss.levels
            )
    return text.getvalue()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if abs(value) < LARGE else f"{value:.0f}"
