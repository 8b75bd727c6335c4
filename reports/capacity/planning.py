"""What rates need and what calls cost, in words and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from windtunnel.harness.contract.capacity import ClientCapacity, TokenPrice
from windtunnel.reports.capacity.cost import Cost, CostPart
from windtunnel.reports.capacity.plan import ClientPlan, RatePlan
from windtunnel.reports.capacity.pool import PoolNeed

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The head of a table, and its rows."""


def pool_line(plan: RatePlan) -> Iterator[str]:
    """What is under way at a rate, and what must hold it."""
    rate = plan.needs.rate
    if plan.copies > 1:
        yield (
            f"{rate:g} calls/s are more than what is safe: {plan.copies} such clients, each with such a provider, at "
            f"{rate / plan.copies:.4g}/s each (a quota that they share must be what was said above)"
        )
    need = plan.pool
    if need is not None:
        calls, requests = need.calls, need.requests
        yield (
            f"{need.rate:.4g} calls/s have {calls.mean:.3g} calls under way in the mean ({calls.each_s:.3g} s each) "
            f"and up to {calls.enough} in 95 % of the time: a semaphore or workers of {calls.enough}; "
            f"for their requests ({requests.each_s:.3g} s a call) a pool of {requests.enough} connections"
            f"{_measured(need)}"
        )


def _measured(need: PoolNeed) -> str:
    return "" if need.rate == need.measured_at else f", by the waits at {need.measured_at:g}/s"


def cost_lines(client: ClientCapacity, plan: ClientPlan, price: TokenPrice | None) -> Iterator[str]:
    """What a thousand good calls cost at the safe rate, and at the lowest that failed."""
    safe, beyond = plan.cost_at(client.safe), plan.cost_at(client.high)
    if safe is not None:
        yield f"a thousand good calls at {safe.rate:g}/s cost {_whole(safe.total, price)}; {_adds(safe)}"
    if beyond is not None:
        what = _whole(beyond.total, price)
        yield f"at {beyond.rate:g}/s, which failed, they cost {what}; {_adds(beyond)}"
    elif safe is not None and client.high is not None:
        yield f"at {client.high:g}/s, which failed, no call was good, and all that was billed was for nothing"


def _whole(part: CostPart, price: TokenPrice | None) -> str:
    tokens = f"{part.tokens:,.0f} tokens ({part.prompt:,.0f} of prompts, {part.answer:,.0f} of answers)"
    if part.usd is None or price is None:
        return tokens
    prices = f"{price.input_per_million:g} and {price.output_per_million:g} USD a million"
    return f"{part.usd:.4g} USD: {tokens}, at {prices} ({price.source})"


def _adds(cost: Cost) -> str:
    """What came on top of useful answers, and how much of everything second requests were billed."""
    retried = cost.retried.tokens / cost.total.tokens
    if not cost.adds:
        return f"all of it useful, {_percent(retried)} of the tokens billed to retries"
    parts = [
        f"{name} {_percent(part.tokens / cost.useful.tokens)}"
        for name, part in (("abandoned requests add", cost.abandoned), ("late or broken answers", cost.late))
    ]
    return (
        f"{', '.join(parts)} to the useful tokens; {_percent(retried)} of all tokens were billed to retries"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else f"{100 * share:.2g} %"


def rates_table(plan: ClientPlan) -> Table:
    """What each rate needs."""
    head = (
        *("rate", "calls/s", "requests a minute", "billed tokens a minute", "keys", "such clients"),
        *("calls under way", "workers or semaphore", "connections"),
    )
    rows = []
    for one in plan.rates:
        pool = one.pool
        rows.append(
            [
                one.name,
                f"{one.needs.rate:g}",
                f"{one.needs.requests_per_minute:,.0f}",
                f"{one.needs.tokens_per_minute:,.0f}",
                "no limit" if one.needs.keys is None else str(one.needs.keys),
                str(one.copies),
                *(
                    ["", "", ""]
                    if pool is None
                    else [f"{pool.calls.mean:.3g}", str(pool.calls.enough), str(pool.requests.enough)]
                ),
            ]
        )
    return head, rows


def cost_table(client: ClientCapacity, plan: ClientPlan) -> Table:
    """What a thousand good calls cost at each level, in tokens (and US dollars, where there is a price)."""
    priced = any(cost.total.usd is not None for cost in plan.costs)
    head = (
        *(
            "calls/s",
            "state",
            "tokens",
            *(["USD"] if priced else []),
            "useful",
            "abandoned",
            "late or broken",
        ),
        "of all: in retries",
    )
    states = {level.rate: level.state for level in client.levels}
    rows = [
        [
            f"{cost.rate:g}",
            states[cost.rate],
            f"{cost.total.tokens:,.0f}",
            *([f"{cost.total.usd:.4g}"] if cost.total.usd is not None else []),
            *(f"{part.tokens:,.0f}" for part in (cost.useful, cost.abandoned, cost.late)),
            _percent(cost.retried.tokens / cost.total.tokens),
        ]
        for cost in plan.costs
    ]
    return head, rows
