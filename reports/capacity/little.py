"""Little's law at a level: L = λ · W holds where as many calls leave as come (Little, 1961, Operations Research 9).

L is the mean number of calls under way over the time of the batches, λ the calls that were intended in them a second,
W their mean wait. All three are measured apart from each other, so that a difference says something: calls that wait
longer and longer do so at the cost of those behind the end of the batches, and the level is not steady.
"""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.harness.contract.capacity import Level

OFF = 0.05
"""A difference between L and λ · W beyond this share of the larger one is told: the level is not steady.

A queue that grows for ever makes a difference of the share by which a level is beyond capacity. Where all is steady,
calls that reach over the ends of the batches make one of about √L ÷ (λ × length): below 1 % at five calls/s of a second
each, in ten batches of 12 s.
"""
FEW = 0.5
"""Calls under way in the mean below which L is too small to tell a difference from chance."""


@dataclass(frozen=True, slots=True)
class Little:
    """L, λ (calls a second) and W (seconds) of a level, and the share by which L and λ · W differ.

    `off` is (L - λ · W) ÷ the larger of both: positive where more is under way than the waits explain.
    """

    rate: float
    in_flight: float
    arrivals: float
    wait_s: float
    off: float

    @property
    def steady(self) -> bool:
        """Whether the law holds within OFF, or so little is under way that nobody can tell."""
        return abs(self.off) <= OFF or self.in_flight < FEW


def little(level: Level) -> Little | None:
    """The law at a level; None where its records say nothing of what was under way."""
    length_s = sum(flow.length_s for flow in level.flows)
    calls = sum(flow.calls for flow in level.flows)
    if not calls:
        return None
    in_flight = sum(flow.in_flight * flow.length_s for flow in level.flows) / length_s
    arrivals = calls / length_s
    wait_s = sum(flow.waited_s for flow in level.flows) / calls
    most = max(in_flight, arrivals * wait_s)
    off = (in_flight - arrivals * wait_s) / most if most else 0.0
    return Little(level.rate, in_flight, arrivals, wait_s, off)
