"""False timeouts: attempts that a client gave up though it would have had more of its answer in time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.cohort import ABSENT, Absent, Cohort, Result
from windtunnel.reports.metrics.work import cost_of

TIMED_OUT = ("timeout", "deadline")
COLUMNS = (
    "call",
    "attempt",
    "client_attempt",
    "next_content_s",
    "tokens_when_left",
    "tokens_billed",
    "prompt_tokens_billed",
)


def false_timeouts(cohort: Cohort) -> Result:
    found = cohort.once(given_up_too_early)
    return ABSENT if isinstance(found, Absent) else len(found)


def false_timeout_cost_usd(cohort: Cohort) -> Result:
    found = cohort.once(given_up_too_early)
    if isinstance(found, Absent):
        return ABSENT
    output, prompt = found[["tokens_billed", "prompt_tokens_billed"]].sum()
    return cost_of(cohort, float(output), float(prompt))


def given_up_too_early(cohort: Cohort) -> pd.DataFrame | Absent:
    """The served rows of such attempts; absent in records of a server that did not say how they would have gone on."""
    left = cohort.served[cohort.served["abandoned"]].frame(COLUMNS)
    if not left.empty and left["next_content_s"].isna().all() and left["tokens_when_left"].isna().all():
        return ABSENT
    calls = cohort.judged.calls.iloc[left["call"].to_numpy()]
    in_time = (
        left["next_content_s"].to_numpy() <= calls["intended_s"].to_numpy() + cohort.judged.cell.deadline_s
    )
    return left[in_time & _timed_out(cohort, left, calls)]


def _timed_out(cohort: Cohort, left: pd.DataFrame, calls: pd.DataFrame) -> pd.Series[bool]:
    """Whether a timeout ended the attempt: not the end of the run, nor a hedge that another attempt has overtaken."""
    theirs = np.zeros(len(cohort.judged.calls), dtype=bool)
    theirs[left["call"].to_numpy()] = True
    attempts = cohort.attempts.part(theirs[cohort.attempts["call"].to_numpy()]).frame(
        ("call", "attempt", "error_type")
    )
    attempts = attempts.drop_duplicates(["call", "attempt"])
    numbers = left["client_attempt"].fillna(left["attempt"]).astype("int64")
    keys = pd.DataFrame({"call": left["call"].to_numpy(), "attempt": numbers.to_numpy()})
    errors = keys.merge(attempts, on=["call", "attempt"], how="left")["error_type"].fillna("")
    own = errors.str.contains("Timeout").to_numpy()
    return pd.Series(own | calls["outcome"].isin(TIMED_OUT).to_numpy(), index=left.index)
