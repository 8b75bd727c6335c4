"""Counts and levels over time, for the eye: the numbers of the report come from the metrics, not from here."""

from __future__ import annotations

import numpy as np
import pandas as pd

from windtunnel.reports.charts.view import ClientView, Floats, RunView

NICE_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
          7200.0, 10800.0, 21600.0, 43200.0, 86400.0)  # fmt: skip
WINDOW_S = 5.0
STEP_S = 1.0
MOST_STEPS = 600


def bin_width(length_s: float, most: int) -> float:
    """The smallest round width in seconds that cuts `length_s` into at most `most` bins."""
    return next((width for width in NICE_S if length_s <= width * most), length_s / most)


def edges(run: RunView, most: int = 60) -> Floats:
    """Bin edges over the phases, in seconds; the last bin may reach beyond the end."""
    width = bin_width(run.end - run.start, most)
    bins = max(1, int(np.ceil((run.end - run.start) / width - 1e-9)))
    return np.asarray(run.start + width * np.arange(bins + 1), dtype=np.float64)


def counts(times: pd.Series, at: Floats) -> Floats:
    """How many of `times` fall into each bin."""
    return np.histogram(times.to_numpy(dtype=float), at)[0].astype(float)


def rate(times: pd.Series, at: Floats) -> Floats:
    """Events per second in each bin."""
    return counts(times, at) / np.diff(at)


def good_share(view: ClientView, at: Floats) -> Floats:
    """Good calls ÷ calls intended in each bin, NaN where none was intended."""
    offered = counts(view.calls["intended_s"], at)
    good = counts(view.calls.loc[view.calls["good"], "intended_s"], at)
    return np.divide(good, offered, out=np.full_like(good, np.nan), where=offered > 0)


def window_s(run: RunView) -> float:
    """Length of the windows of `amplification`: 5 s; in a long run so long that no call lies between two of them."""
    return max(WINDOW_S, bin_width(run.end - run.start, MOST_STEPS))


def amplification(view: ClientView, run: RunView) -> tuple[Floats, Floats]:
    """(Centres of windows, 1 + retries that arrive ÷ calls intended in the window; NaN where none was intended)."""
    step = max(STEP_S, bin_width(run.end - run.start, MOST_STEPS))
    window = window_s(run)
    starts = np.arange(run.start, max(run.end - window, run.start) + step / 2, step)
    intended = np.sort(view.calls["intended_s"].to_numpy(dtype=float))
    retries = np.sort(view.served.loc[view.served["attempt"] > 0, "arrived_s"].to_numpy(dtype=float))

    def within(times: Floats) -> Floats:
        return (np.searchsorted(times, starts + window) - np.searchsorted(times, starts)).astype(float)

    calls = within(intended)
    ratio = np.divide(within(retries), calls, out=np.full_like(calls, np.nan), where=calls > 0)
    return starts + window / 2, 1.0 + ratio


def level(served: pd.DataFrame, column: str, at: Floats) -> Floats:
    """The highest level that arrivals found in each bin; a bin without arrivals keeps the level before it."""
    values = served[["arrived_s", column]].dropna()
    where = np.digitize(values["arrived_s"].to_numpy(dtype=float), at) - 1
    highest = pd.Series(values[column].to_numpy(dtype=float)).groupby(where).max()
    return highest.reindex(range(len(at) - 1)).ffill().fillna(0.0).to_numpy(dtype=float)
