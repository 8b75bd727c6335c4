"""What passes through a level: how many calls and requests are under way, and what they are billed.

Both are read from the records of one cell; the rest of this room sees only the dataclasses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from windtunnel.harness.contract.capacity import Bill, BilledTokens, Flow
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import RecordedPhase

Floats = npt.NDArray[np.float64]


def occupancy(begin_s: Floats, end_s: Floats, start_s: float, stop_s: float) -> tuple[float, float]:
    """How many intervals are open at a time between `start_s` and `stop_s`: mean and variance over that time.

    `begin_s` and `end_s` are the ends of each interval in seconds; one without an end (NaN) stays open.
    """
    known = ~np.isnan(begin_s)
    begin = np.clip(begin_s[known], start_s, stop_s)
    end = np.clip(np.nan_to_num(end_s[known], nan=stop_s), start_s, stop_s)
    at = np.concatenate([begin, end])
    step = np.concatenate([np.ones(len(begin)), -np.ones(len(end))])
    order = np.argsort(at, kind="stable")
    count = np.concatenate([[0.0], np.cumsum(step[order])])
    lasts = np.diff(np.concatenate([[start_s], at[order], [stop_s]]))
    length = stop_s - start_s
    mean = float((count * lasts).sum() / length)
    return mean, float(((count - mean) ** 2 * lasts).sum() / length)


def flows_of(judged: Judged, phases: Sequence[RecordedPhase]) -> tuple[Flow, ...]:
    """What passed in each of these phases, in order."""
    calls = judged.calls
    begin, wait = calls["intended_s"].to_numpy(dtype=float), calls["wait_s"].to_numpy(dtype=float)
    phase_i, good = calls["phase_i"].to_numpy(), calls["good"].to_numpy(dtype=bool)
    served = judged.served.frame(["arrived_s", "ended_s", "abandoned_at_s"])
    arrived = served["arrived_s"].to_numpy(dtype=float)
    left = served[["ended_s", "abandoned_at_s"]].min(axis=1).to_numpy(dtype=float)
    found = []
    for phase in phases:
        own = phase_i == phase.index
        in_flight, spread = occupancy(begin, begin + wait, phase.start_s, phase.end_s)
        requests, open_spread = occupancy(arrived, left, phase.start_s, phase.end_s)
        found.append(
            Flow(
                length_s=phase.end_s - phase.start_s,
                calls=int(own.sum()),
                good=int((own & good).sum()),
                waited_s=float(np.nansum(wait[own])),
                in_flight=in_flight,
                spread=spread,
                open=requests,
                open_spread=open_spread,
            )
        )
    return tuple(found)


def bills_of(judged: Judged, phases: Sequence[RecordedPhase]) -> tuple[Bill, ...]:
    """What was billed for the calls that were intended in each of these phases, in order."""
    calls = judged.calls
    good, phase_i = calls["good"].to_numpy(dtype=bool), calls["phase_i"].to_numpy()
    answers = calls["answer"].to_numpy()[good]
    served = judged.served.frame(
        ["call", "attempt", "abandoned", "tokens_billed", "prompt_tokens_billed"]
    ).reset_index(drop=True)
    served["useful"] = served.index.isin(answers[answers >= 0])
    served = served[served["call"] >= 0]
    batch = phase_i[served["call"].to_numpy()]
    return tuple(
        _bill(int((good & (phase_i == phase.index)).sum()), served[batch == phase.index]) for phase in phases
    )


def _bill(good: int, served: pd.DataFrame) -> Bill:
    useful = served["useful"].to_numpy(dtype=bool)
    left = served["abandoned"].to_numpy(dtype=bool) & ~useful
    return Bill(
        good=good,
        useful=_tokens(served[useful]),
        abandoned=_tokens(served[left]),
        late=_tokens(served[~left & ~useful]),
        retried=_tokens(served[served["attempt"] > 0]),
    )


def _tokens(served: pd.DataFrame) -> BilledTokens:
    return BilledTokens(int(served["prompt_tokens_billed"].sum()), int(served["tokens_billed"].sum()))
