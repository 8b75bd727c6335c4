"""Is the measurement itself valid? Checked before any verdict: a drowning generator measures itself.

Each check has a value, a limit and a sentence for people. A figure that had to be measured and was not fails;
a figure for which there was no occasion (no call ended well, say) passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.times import quantile
from windtunnel.reports.read.outcomes import Judged

LATENESS_S: Final = 0.010
SERVER_LAG_S: Final = 0.010
RECEIVE_LAG_S: Final = 0.010
RECEIVE_LAG_SHARE: Final = 0.02
CLIENT_LAG_S: Final = 0.020
CLIENT_SOURCES: Final = ("hub", "loop")
SERVER_SOURCES: Final = ("server",)


State = Literal["valid", "noisy", "invalid"]
"""What a measurement is worth, from best to worst."""
STATES: Final[tuple[State, ...]] = ("valid", "noisy", "invalid")


@dataclass(frozen=True, slots=True)
class ValidityCheck:
    """One figure about the measurement. `limit` is None where it only informs."""

    name: str
    value: float | None
    limit: float | None
    passed: bool
    sentence: str

    @property
    def state(self) -> State:
        return "valid" if self.passed else "invalid"


def worst_state(checks: Iterable[ValidityCheck]) -> State:
    """The state of a measurement is that of its worst check."""
    return max((check.state for check in checks), key=STATES.index, default="valid")


def check_cell(judged: Judged) -> tuple[ValidityCheck, ...]:
    """Every check of one cell."""
    return tuple(check(judged) for check in CHECKS)


def worst(cells: Sequence[tuple[ValidityCheck, ...]]) -> tuple[ValidityCheck, ...]:
    """Per check the worst cell's: a failed one before a passed one, then by how near to its limit it is."""
    return tuple(max(checks, key=_badness) for checks in zip(*cells, strict=True))


def _badness(check: ValidityCheck) -> tuple[bool, float]:
    value = -math.inf if check.value is None else check.value
    return not check.passed, value / check.limit if check.limit else value


def generator_lateness(judged: Judged) -> ValidityCheck:
    calls = judged.calls
    own = calls[calls["lateness_cause"].fillna("") == ""]
    value = quantile((own["started_s"] - own["intended_s"]).to_numpy(dtype=float), 0.99)
    return _timed("generator_lateness_p99_s", value, LATENESS_S, "Calls were started", "after their time")


def server_lag(judged: Judged) -> ValidityCheck:
    if judged.cell.virtual:
        return _never_late("server_lag_p99_s", SERVER_LAG_S)
    lags = _lags(judged, SERVER_SOURCES)
    value = quantile(lags["lag_s"].to_numpy(dtype=float), 0.99)
    return _timed("server_lag_p99_s", value, SERVER_LAG_S, "The mock's event loop ran", "late", needed=True)


def receive_lag(judged: Judged) -> ValidityCheck:
    ok = judged.calls[(judged.calls["outcome"] == "ok") & (judged.calls["answer"] >= 0)]
    written = judged.served["last_byte_s"].to_numpy()[ok["answer"].to_numpy()]
    value = quantile(ok["ended_s"].to_numpy(dtype=float) - written, 0.99)
    waited = quantile(judged.calls["wait_s"].to_numpy(dtype=float), 0.99) or 0.0
    limit = max(RECEIVE_LAG_S, RECEIVE_LAG_SHARE * waited)
    return _timed("receive_lag_p99_s", value, limit, "Calls ended", "after the server's last byte")


def client_lag(judged: Judged) -> ValidityCheck:
    if judged.cell.virtual:
        return _never_late("client_lag_p99_s", CLIENT_LAG_S)
    lags = _lags(judged, CLIENT_SOURCES)
    second = np.floor(lags["at_s"])
    bins = lags.groupby([lags["source"], lags["process"], second])["lag_s"].quantile(0.99)
    value = float(bins.max()) if len(bins) else None
    about = "late in its worst second"
    return _timed("client_lag_p99_s", value, CLIENT_LAG_S, "The load's event loop ran", about, needed=True)


def dropped_arrivals(judged: Judged) -> ValidityCheck:
    calls = judged.calls[judged.calls["judged"]]
    never = calls["started_s"].isna() & (calls["lateness_cause"].fillna("") == "")
    never &= calls["outcome"] != "unknown"  # its row is lost: it may have been started
    if math.isfinite(judged.cell.observed_s):  # a call that was cut off left a trace at least
        never &= ~calls.index.isin(judged.attempts["call"]) & ~calls.index.isin(judged.served["call"])
    dropped = int(never.sum())
    few = f"{dropped} scheduled calls were never started" if dropped else "Every scheduled call was started"
    return ValidityCheck("dropped_arrivals", dropped, 0.0, dropped == 0, f"{few} (limit 0).")


def failed_cells(judged: Judged) -> ValidityCheck:
    status = judged.cell.status
    failed = status.get("state") not in ("finished", "interrupted")
    reason = status.get("reason") or "the run did not come to its end"
    sentence = (
        f"A part of the measurement failed: {reason}." if failed else "No part of the measurement failed."
    )
    return ValidityCheck("failed_cells", int(failed), 0.0, not failed, sentence)


def damaged_records(judged: Judged) -> ValidityCheck:
    damages = judged.cell.damages
    sentence = "Every table of records could be read."
    if damages:
        more = f", and {len(damages) - 1} more" if damages[1:] else ""
        sentence = f"Records are damaged: {damages[0].text}{more}."
    return ValidityCheck("damaged_records", len(damages), 0.0, not damages, sentence)


def server_cpu(judged: Judged) -> ValidityCheck:
    return _cpu(judged, "server_cpu_cores", SERVER_SOURCES, "The mock")


def client_cpu(judged: Judged) -> ValidityCheck:
    return _cpu(judged, "client_cpu_cores", CLIENT_SOURCES, "The busiest load process")


CHECKS: Final[tuple[Callable[[Judged], ValidityCheck], ...]] = (
    generator_lateness,
    server_lag,
    receive_lag,
    client_lag,
    dropped_arrivals,
    failed_cells,
    damaged_records,
    server_cpu,
    client_cpu,
)


def _timed(
    name: str, value: float | None, limit: float, did: str, what: str, *, needed: bool = False
) -> ValidityCheck:
    if value is None:
        sentence = f"{did} … {what}: not measured." if needed else f"{did} … {what}: no call to tell."
        return ValidityCheck(name, None, limit, not needed, sentence)
    sentence = f"{did} {1000 * value:.1f} ms {what} at the 99th percentile (limit {1000 * limit:.0f} ms)."
    return ValidityCheck(name, value, limit, value <= limit, sentence)


def _never_late(name: str, limit: float) -> ValidityCheck:
    """Time stands still while code runs: there is nothing to measure."""
    return ValidityCheck(name, None, limit, True, "On the virtual clock no event loop can be late.")


def _cpu(judged: Judged, name: str, sources: tuple[str, ...], who: str) -> ValidityCheck:
    lags = _lags(judged, sources)
    spans = lags.groupby("process")[["at_s", "cpu_s"]].agg(["min", "max"])
    seconds = spans["at_s"]["max"] - spans["at_s"]["min"]
    cores = ((spans["cpu_s"]["max"] - spans["cpu_s"]["min"]) / seconds)[seconds > 0].max()
    if pd.isna(cores):
        return ValidityCheck(name, None, None, True, f"{who}: CPU time not measured.")
    return ValidityCheck(name, float(cores), None, True, f"{who} used {cores:.2f} of a core.")


def _lags(judged: Judged, sources: tuple[str, ...]) -> pd.DataFrame:
    """The samples while measured calls ran: up to a deadline after the last phase."""
    cell, lags = judged.cell, judged.cell.lags
    end = cell.end_s + (cell.deadline_s if math.isfinite(cell.deadline_s) else 0.0)
    return lags[lags["source"].isin(sources) & lags["at_s"].between(cell.start_s, end)]
