"""Metrics of the provider's work: what was billed, and how much of it reached somebody in time."""

from __future__ import annotations

import numpy as np

from windtunnel.harness.contract.units import quantity
from windtunnel.reports.metrics.capacity import slots_of
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


def slots_used(cohort: Cohort) -> Result:
    """How busy the provider was, by the clock: whoever's calls they were."""
    cell, served = cohort.judged.cell, cohort.judged.served
    began = served["started_s"].to_numpy(dtype=float)
    ended = served["ended_s"].to_numpy(dtype=float)
    taken = there = 0.0
    for phase in cell.phases if cohort.phase is None else (cohort.phase,):
        end_s = min(phase.end_s, cohort.end_s)
        if end_s <= phase.start_s:
            continue
        taken += float(np.nansum(np.clip(np.fmin(ended, end_s) - np.maximum(began, phase.start_s), 0, None)))
        there += slots_of(cell, phase.index) * (end_s - phase.start_s)
    return ratio(taken, there)


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
