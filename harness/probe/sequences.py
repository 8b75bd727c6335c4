"""Requests to sequences: what one SDK call sent, by its retry counter or idempotency key. Others stand alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from windtunnel.harness.probe.arrived import Arrived

SLACK_S = 0.25
"""By so much a retry may be there before the server has seen that its client had left."""


@dataclass(slots=True)
class RetryLink:
    """That one request was sent because an earlier one of its call had failed.

    `sure_pair`: there was only one that it can have been. That *some* one was retried can be sure without that.
    """

    earlier: Arrived
    later: Arrived
    sure_pair: bool


@dataclass(slots=True)
class Sequence:
    """Requests of one SDK call, in order. `unseen`: attempts that the counter tells of and that never arrived."""

    requests: list[Arrived]
    links: list[RetryLink] = field(default_factory=list)
    unseen: int = 0

    @property
    def first(self) -> Arrived:
        return self.requests[0]

    @property
    def last(self) -> Arrived:
        return self.requests[-1]


def sequences(requests: Iterable[Arrived]) -> list[Sequence]:
    """The sequences of like requests (same key and body), which are in the order of arrival."""
    found: list[Sequence] = []
    by_key: dict[str, Sequence] = {}
    for request in requests:
        same = by_key.get(request.idempotency) if request.idempotency else None
        if same is not None:
            _append(same, request, sure=True)
            continue
        sequence = _counted(found, request) if request.counter and not request.idempotency else None
        if sequence is None:
            sequence = Sequence([request], unseen=request.counter or 0)
            found.append(sequence)
        if request.idempotency:
            by_key[request.idempotency] = sequence
    return found


def _append(sequence: Sequence, request: Arrived, *, sure: bool) -> None:
    sequence.links.append(RetryLink(sequence.last, request, sure))
    sequence.requests.append(request)


def _counted(found: list[Sequence], request: Arrived) -> Sequence | None:
    """The sequence that goes on with `request`, by the SDK's counter, which it then has. None: all of it was unseen."""
    assert request.counter is not None
    before = [
        one
        for one in found
        if one.last.counter is not None and one.last.counter < request.counter and one.last.how != "ok"
    ]
    exact = [one for one in before if one.last.counter == request.counter - 1]
    fitting = [one for one in exact or before if one.last.over_s <= request.arrived_s + SLACK_S]
    if not fitting:
        return None
    same = [one for one in fitting if one.last.connection == request.connection]
    chosen = min(same or fitting, key=lambda one: one.last.over_s)
    chosen.unseen += request.counter - 1 - (chosen.last.counter or 0)
    _append(chosen, request, sure=len(fitting) == 1 or len(same) == 1)
    return chosen
