"""Metrics of attempts: how many a call becomes, what retries lead to, when they come."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

AMPLIFICATION = Metric(
    "amplification",
    "Attempts per call",
    "ratio",
    "Attempts that reached the server ÷ steps with at least one of them; a call has one step, unless it makes "
    "several different requests.",
    better="lower",
    floor=Floor(0.05),
)

CLIENT_AMPLIFICATION = Metric(
    "client_amplification",
    "Attempts per call, as the client counts",
    "ratio",
    "Attempts that the client made ÷ steps with at least one of them; it also counts those that never arrived.",
    better="lower",
    floor=Floor(0.05),
)

STEPS_PER_CALL = Metric(
    "steps_per_call",
    "Different requests per call (steps)",
    "ratio",
    "Steps ÷ calls with at least one: requests of one call with different bodies, as an agent makes them.",
)

LOAD_FACTOR = Metric(
    "load_factor",
    "Attempts arriving per call due",
    "ratio",
    "Attempts arriving in the phase ÷ calls intended in it (times steps per call, where calls have several).",
    better="lower",
    floor=Floor(0.05),
)

PEAK_AMPLIFICATION = Metric(
    "peak_amplification",
    "Attempts per call, worst 5 s",
    "ratio",
    "Maximum over windows of 5 s, 1 s apart, of 1 + arrivals that are retries ÷ calls intended in "
    "the window.",
    better="lower",
    scope="overall",
    floor=Floor(0.1, 0.05),
)

RETRY_YIELD = Metric(
    "retry_yield",
    "Retries that led to a good call",
    "share",
    "Calls that were good after a retry ÷ retries.",
    better="higher",
    floor=Floor(0.05),
)

RETRY_AFTER_VIOLATIONS = Metric(
    "retry_after_violations",
    "Retry-After promises broken",
    "share",
    "Retry-After promises broken ÷ promises followed by another attempt of the same call at the same "
    "region, key and model; a promise runs from the last byte of the refusal, 50 ms are tolerated.",
    better="lower",
    floor=Floor(0.02),
)

RETRY_SYNCHRONY = Metric(
    "retry_synchrony",
    "Retries coming in crowds (1 is chance)",
    "ratio",
    "Retry arrivals in bins of 100 ms, over blocks of 2 s with at least 20 of them: sum of the "
    "sample variances ÷ sum of the means. 1 is what independent clients give; null below 5 blocks.",
    better="lower",
    scope="overall",
    floor=Floor(0.5, 0.1),
)
