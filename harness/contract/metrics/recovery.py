"""Metrics of what follows an incident: whether and when calls are as good as before."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

TIME_TO_RECOVER = Metric(
    "time_to_recover_s",
    "Time to recover after the fault",
    "seconds",
    "From the end of the last faulty phase to the change point from which on calls are as good as before "
    "the first one; a lower bound where it never came; over repeats the median, where never is infinite.",
    better="lower",
    unit="s",
    scope="overall",
    needs="faults",
    floor=Floor(1.0, 0.05),
)

RECOVERED = Metric(
    "recovered",
    "Recovered",
    "truth",
    "Whether the goodput from there on is that of before: at least 0.9 of it, and not below 0.95 of it at 1 % "
    "(exact binomial test); null where too few calls tell; over repeats, whether it did in all of them.",
    better="higher",
    scope="overall",
    needs="faults",
    floor=Floor(0.05),
)

RECOVERED_FRACTION = Metric(
    "recovered_fraction",
    "Repeats that recovered",
    "share",
    "Share of the repeats that recovered.",
    better="higher",
    scope="repeats",
    needs="faults",
    floor=Floor(0.05),
)

RECOVERY_WINDOW = Metric(
    "recovery_window_s",
    "Window over which recovery was judged",
    "seconds",
    "From the change point to the end of the phases: at least 15 s and 20 calls.",
    unit="s",
    scope="overall",
    needs="faults",
)

RECOVERY_OBSERVED = Metric(
    "recovery_observed_s",
    "Observed after the fault",
    "seconds",
    "How long was observed after the last faulty phase: where time_to_recover_s is censored.",
    unit="s",
    scope="overall",
    needs="faults",
)

METASTABLE = Metric(
    "metastable",
    "Overload sustains itself (metastable)",
    "truth",
    "Whether the overload sustains itself: unrecovered at the end, at least two fault lengths "
    "observed, the provider's parameters restored, intended load at most 0.9 of its capacity, and in "
    "the last third load_factor ≥ 1.2 or wasted_work ≥ 0.3 with the queue not falling; null if "
    "observed for less.",
    better="lower",
    scope="overall",
    needs="faults",
    floor=Floor(0.05),
)

DRAINING = Metric(
    "draining",
    "Still draining at the end",
    "truth",
    "Whether a run that is unrecovered and was observed for long enough is not metastable.",
    better="lower",
    scope="overall",
    needs="faults",
    floor=Floor(0.05),
)
