"""Metrics of the provider's work: what was billed, and how much of it reached somebody in time."""

from __future__ import annotations

import numpy as np

from windtunnel.harness.contract.units import quantity
from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.read.columns import Records


def _useful(cohort: Cohort) -> tuple[float, float]:
    """(output tokens, prompt tokens) billed for the answers that were delivered to good calls."""
    answers = cohort.good["answer"]
    served = cohort.judged.served
    delivered = np.zeros(len(served), dtype=bool)
    delivered[answers[answers >= 0].to_numpy()] = True
    return _billed_of(served.part(delivered))


def _billed(cohort: Cohort) -> tuple[float, float]:
    return _billed_of(cohort.served)


def _billed_of(served: Records) -> tuple[float, float]:
    return float(served["tokens_billed"].sum()), float(served["prompt_tokens_billed"].sum())


def wasted_work(cohort: Cohort) -> Result:
    useful = ratio(sum(_useful(cohort)), sum(_billed(cohort)))
    return None if useful is None else 1 - useful


def tokens_after_stop(cohort: Cohort) -> Result:
    left = cohort.served[cohort.served["abandoned"]]
    generated = left["tokens_when_left"].fillna(left["tokens_sent"]).fillna(0)  # older records lack the first
    after = left["tokens_billed"].fillna(0) - generated
    return int(after.clip(lower=0).sum())


def duplicate_effects(cohort: Cohort) -> Result:
    if cohort.judged.served["effects"].isna().all():  # records of a server that did not count them
        return ABSENT
    effects = cohort.served["effects"].fillna(0).to_numpy(dtype=float)
    executed = np.bincount(cohort.served["call"].to_numpy(), weights=effects)
    return int((executed > 1).sum())


def cost_usd(cohort: Cohort) -> Result:
    return cost_of(cohort, *_billed(cohort))


def cost_useful_usd(cohort: Cohort) -> Result:
    return cost_of(cohort, *_useful(cohort))


def cost_of(cohort: Cohort, output: float, prompt: float) -> Result:
    """What so many tokens cost by the scenario's prices; absent without any."""
    prices = cohort.scenario.get("prices")
    if not prices:
        return ABSENT
    per_output, per_prompt = (quantity(prices[key]) for key in ("output_per_million", "input_per_million"))
    return (output * per_output + prompt * per_prompt) / 1e6
