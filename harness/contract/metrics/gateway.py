"""Metrics of what a gateway makes of requests, and of what comes back."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

CERTAINTY = Metric(
    "gateway_certainty",
    "Requests behind the gateway that are tied to their call",
    "share",
    "Requests that reached the provider and named their call ÷ all of them. Below 90 % the other figures of the "
    "gateway are not known.",
    needs="gateway",
)

AMPLIFICATION = Metric(
    "gateway_amplification",
    "Requests behind the gateway per attempt of the client",
    "ratio",
    "Requests that reached the provider ÷ attempts that the client sent to the gateway. Times client_amplification "
    "it is what the provider sees of a call.",
    better="lower",
    needs="gateway",
    floor=Floor(0.05),
)

ORPHANS = Metric(
    "gateway_orphans",
    "Requests behind the gateway that nobody waited for",
    "count",
    "Requests that went on for over 0.25 s when no attempt of their call was open any more, or that began then; "
    "and whole answers that no attempt of their call received.",
    unit="requests",
    better="lower",
    needs="gateway",
    floor=Floor(0.5),
)

RETRY_AFTER_KEPT = Metric(
    "gateway_retry_after_kept",
    "Retry-After that came through the gateway",
    "share",
    "Attempts that were refused and told the wait that the provider had promised (within 1 s) ÷ attempts refused "
    "where the last request behind them was promised one.",
    better="higher",
    needs="gateway",
    floor=Floor(0.02),
)

FAILOVER = Metric(
    "gateway_failover_s",
    "Time to failover",
    "seconds",
    "From the start of a faulty phase whose rules name regions, one of them in use before, to the end of the first "
    "good call that another region answered; the longest, where there are several. If there is none, at least the "
    "phase.",
    unit="s",
    better="lower",
    scope="overall",
    needs="gateway",
    floor=Floor(0.5, 0.05),
)

CORRUPTION = Metric(
    "gateway_corruption",
    "Answers that the gateway spoilt",
    "count",
    "Calls that took a wrong answer for a success although the provider's was whole and without a fault, or the "
    "gateway left it, or the provider broke it off and the gateway ended it as a whole one.",
    unit="calls",
    better="lower",
    needs="gateway",
    floor=Floor(0.5),
)
