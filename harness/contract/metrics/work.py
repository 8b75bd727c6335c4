"""Metrics of the provider's work: what of it is wasted, done twice, or paid for."""

from __future__ import annotations

from windtunnel.harness.contract.metrics.metric import Floor, Metric

WASTED_WORK = Metric(
    "wasted_work",
    "Provider's work wasted",
    "share",
    "1 - tokens billed for the answers delivered to good calls ÷ all tokens billed, prompts included.",
    better="lower",
    floor=Floor(0.02),
)

SLOTS_USED = Metric(
    "slots_used",
    "Provider's slots in use",
    "share",
    "Mean number of calls that the provider answers at the same time ÷ its slots.",
)

TOKENS_AFTER_STOP = Metric(
    "tokens_after_stop",
    "Tokens billed after stopping",
    "count",
    "Output tokens billed for attempts that the client left, beyond those generated until then.",
    better="lower",
    unit="tokens",
    floor=Floor(50.0, 0.05),
)

DUPLICATE_EFFECTS = Metric(
    "duplicate_effects",
    "Side effects executed twice",
    "count",
    "Calls whose side effect was executed more than once.",
    better="lower",
    unit="calls",
    floor=Floor(0.5),
)

COST = Metric(
    "cost_usd",
    "Cost",
    "usd",
    "All tokens billed × the scenario's prices.",
    better="lower",
    unit="USD",
    needs="prices",
    floor=Floor(share=0.05),
)

COST_USEFUL = Metric(
    "cost_useful_usd",
    "Cost of the good calls",
    "usd",
    "Tokens billed for the answers delivered to good calls × the scenario's prices.",
    unit="USD",
    needs="prices",
)
