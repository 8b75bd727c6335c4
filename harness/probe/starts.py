"""The start of a sequence, and what is decided of it."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.harness.probe.arrived import Arrived
from windtunnel.harness.probe.sequences import Sequence

NEW_BODY = 0.97
"""How sure it is that a body that was never seen before begins a call."""

IMMEDIATE_S = 0.02
"""Callers that start together open their connections this close to one another's failures."""


@dataclass(slots=True)
class Start:
    """A sequence, and what was decided of it: its `certainty`, the `ground`, and what it retries.

    `number` is its place in the order of arrival.
    """

    sequence: Sequence
    number: int = 0
    certainty: float = NEW_BODY
    ground: str = "a new body"
    retried: Start | None = None
    sure_pair: bool = False
    followed: Start | None = None
    at_once: bool = False

    @property
    def first(self) -> Arrived:
        return self.sequence.first

    @property
    def last(self) -> Arrived:
        return self.sequence.last
