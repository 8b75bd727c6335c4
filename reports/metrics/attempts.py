"""Metrics of attempts: how much a client multiplies its load, and how it comes back after a refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Floats

PEAK_WINDOW_S = 5.0
PEAK_STEP_S = 1.0
TOLERANCE_S = 0.05
BIN_S = 0.1
BINS_PER_BLOCK = 20
RETRIES_PER_BLOCK = 20
BLOCKS = 5
_STEP_BITS = 20


def steps_per_call(cohort: Cohort) -> Result:
    if cohort.judged.served["step"].isna().all():  # records of a server that did not tell steps apart
        return ABSENT
    return ratio(_steps(cohort.served), distinct(cohort.served["call"]))


def _steps(served: Records) -> int:
    """How many different requests there are: an agent's call has several, and none of them is a retry of another."""
    step = served["step"].fillna(0).to_numpy().astype(np.int64)
    if not step.any():
        return distinct(served["call"])
    return len(np.unique((served["call"].to_numpy().astype(np.int64) << _STEP_BITS) + step))


def amplification(cohort: Cohort) -> Result:
    return ratio(len(cohort.served), _steps(cohort.served))


def client_amplification(cohort: Cohort) -> Result:
    if cohort.judged.attempts.empty and not cohort.judged.served.empty:
        return ABSENT
    more = _steps(cohort.served) - distinct(cohort.served["call"])  # steps behind the first of their call
    return ratio(len(cohort.attempts), distinct(cohort.attempts["call"]) + more)


def distinct(calls: pd.Series[int]) -> int:
    """How many different calls there are: their numbers are small, so that they need no hashing."""
    return int(np.count_nonzero(np.bincount(calls.to_numpy()))) if len(calls) else 0


def load_factor(cohort: Cohort) -> Result:
    served, calls = cohort.judged.served, cohort.judged.calls
    own = served[served["call"] >= 0]
    steps = (_steps(own) / distinct(own["call"])) if len(own) else 1.0
    return ratio(_inside(own["arrived_s"], cohort), steps * _inside(calls["intended_s"], cohort))


def _inside(times: pd.Series[float], cohort: Cohort) -> int:
    return int(times.between(cohort.start_s, cohort.end_s, inclusive="left").sum())


def peak_amplification(cohort: Cohort) -> Result:
    starts = np.arange(cohort.start_s, cohort.end_s - PEAK_WINDOW_S + 1e-9, PEAK_STEP_S)
    offered = _in_windows(cohort.judged.calls["intended_s"], starts)
    again = _in_windows(_retries(cohort, "arrived_s"), starts)
    held = offered > 0
    return float((1 + again[held] / offered[held]).max()) if held.any() else None


def _in_windows(times: pd.Series[float], starts: Floats) -> Floats:
    ordered = np.sort(times.to_numpy(dtype=float))
    first = np.searchsorted(ordered, starts, side="left")
    return (np.searchsorted(ordered, starts + PEAK_WINDOW_S, side="left") - first).astype(float)


def _retries(cohort: Cohort, column: str) -> pd.Series[float]:
    """One column of the cohort's served attempts that were not the first of their call."""
    return cohort.served[column][cohort.served["attempt"] > 0]


def retry_yield(cohort: Cohort) -> Result:
    retries = _retries(cohort, "call")
    retried = retries.unique()
    return ratio(int(cohort.calls["good"].reindex(retried).sum()), len(retries))


def retry_after_violations(cohort: Cohort) -> Result:
    broken = promises_followed(cohort)["broken"]
    return ratio(int(broken.sum()), len(broken))


def promises_followed(cohort: Cohort) -> pd.DataFrame:
    """The promises of a refusal that the same call followed by another attempt: `call`, `promised_s` (how long),
    `after_s` (after how long it came) and `broken`."""
    same = ["call", "step", "region", "key_hash", "model"]
    promised = np.zeros(len(cohort.judged.calls), dtype=bool)
    promised[cohort.served["call"][cohort.served["retry_after_promised_s"].notna()].to_numpy()] = True
    theirs = cohort.served.part(promised[cohort.served["call"].to_numpy()])
    attempts = theirs[[*same, "arrived_s", "last_byte_s", "retry_after_promised_s"]]
    attempts = attempts.sort_values("arrived_s", kind="stable")
    next_arrival = attempts.groupby(same, dropna=False, sort=False, observed=True)["arrived_s"].shift(-1)
    promised_until = attempts["last_byte_s"] + attempts["retry_after_promised_s"]
    followed = promised_until.notna() & next_arrival.notna()
    return pd.DataFrame(
        {
            "call": attempts["call"][followed],
            "promised_s": attempts["retry_after_promised_s"][followed],
            "after_s": (next_arrival - attempts["last_byte_s"])[followed],
            "broken": next_arrival[followed] < promised_until[followed] - TOLERANCE_S,
        }
    )


def retry_synchrony(cohort: Cohort) -> Result:
    at = _retries(cohort, "arrived_s").to_numpy()
    at = at[at >= cohort.judged.cell.start_s] - cohort.judged.cell.start_s
    bins = np.floor(at / BIN_S + 1e-9).astype(np.int64)
    blocks, block_of = np.unique(bins // BINS_PER_BLOCK, return_inverse=True)
    counts = np.zeros((len(blocks), BINS_PER_BLOCK))
    np.add.at(counts, (block_of, bins % BINS_PER_BLOCK), 1)
    full = counts[counts.sum(axis=1) >= RETRIES_PER_BLOCK]
    if len(full) < BLOCKS:
        return None
    return float(full.var(axis=1, ddof=1).sum() / full.mean(axis=1).sum())
