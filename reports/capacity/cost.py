"""What a thousand good calls cost, and what abandoned and late work add to it: in tokens, and in money at a price.

No price is made up: without one, tokens are the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from windtunnel.harness.contract.capacity import Bill, BilledTokens, Level, TokenPrice

THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class CostPart:
    """A part of the bill for a thousand good calls: tokens of prompts and answers, and US dollars (None: no price)."""

    prompt: float
    answer: float
    usd: float | None

    @property
    def tokens(self) -> float:
        """Both kinds together."""
        return self.prompt + self.answer


@dataclass(frozen=True, slots=True)
class Cost:
    """What a thousand good calls cost at a level: `useful` + `abandoned` + `late` = `total`.

    `useful` are the answers that good calls took, `abandoned` requests that the client left, `late` whatever else came
    too late, was broken, or belongs to a call that failed. `retried` is the part of `total` that second and later
    requests were billed, useful or not. `adds` is (`abandoned` + `late`) ÷ `useful`, in money where there is a price.
    """

    rate: float
    useful: CostPart
    abandoned: CostPart
    late: CostPart
    retried: CostPart
    total: CostPart
    adds: float


def cost_of_level(level: Level, price: TokenPrice | None) -> Cost | None:
    """The bill of a level for each thousand of its good calls; None where none was good, or nothing was billed."""
    good = sum(bill.good for bill in level.bills)

    def part(kind: Callable[[Bill], BilledTokens]) -> CostPart:
        prompt = THOUSAND * sum(kind(bill).prompt for bill in level.bills) / good
        answer = THOUSAND * sum(kind(bill).answer for bill in level.bills) / good
        return CostPart(prompt, answer, _usd(prompt, answer, price))

    if not good:
        return None
    useful, abandoned = part(lambda bill: bill.useful), part(lambda bill: bill.abandoned)
    late, retried = part(lambda bill: bill.late), part(lambda bill: bill.retried)
    prompt = useful.prompt + abandoned.prompt + late.prompt
    answer = useful.answer + abandoned.answer + late.answer
    total = CostPart(prompt, answer, _usd(prompt, answer, price))
    if not useful.tokens:
        return None
    whole, needed = (total.tokens, useful.tokens)
    if total.usd and useful.usd:
        whole, needed = total.usd, useful.usd
    return Cost(level.rate, useful, abandoned, late, retried, total, whole / needed - 1)


def _usd(prompt: float, answer: float, price: TokenPrice | None) -> float | None:
    if price is None:
        return None
    return (prompt * price.input_per_million + answer * price.output_per_million) / 1e6
