"""What the mock has served in a test, as its own records have it: requests, and the calls that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request that reached the mock. Times are seconds since the test began; `row` is the whole record."""

    call_id: str
    attempt: int
    """The number of the request within its call, from 0."""
    arrived_s: float
    status: int | None
    """The status that was sent; None where none was."""
    faults: tuple[str, ...]
    api: str
    model: str
    stream: bool
    ended_s: float | None
    """When everything was over; None while the mock still works on it."""
    abandoned: bool
    """Whether the client left before the answer was complete."""
    retry_after_promised_s: float | None
    came_back_early: bool
    row: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ServedRequest:
        """The request of a served row."""
        return cls(
            call_id=f"{row['call_id']}" + (f" step {row['step']}" if row.get("step") else ""),
            attempt=row["attempt"],
            arrived_s=row["arrived_s"],
            status=row["status"],
            faults=tuple(row["faults"] or ()),
            api=row["api"],
            model=row["model"],
            stream=row["stream"],
            ended_s=row["ended_s"],
            abandoned=row["abandoned"],
            retry_after_promised_s=row["retry_after_promised_s"],
            came_back_early=row["came_back_early"],
            row=row,
        )

    @property
    def waiting(self) -> bool:
        """Whether a client is still connected and waits for the rest of the answer."""
        return self.ended_s is None and not self.abandoned and self.row["ending"] is None

    @property
    def client_over_s(self) -> float | None:
        """When the client had its answer or left; None while it waits."""
        if self.waiting:
            return None
        for name in ("abandoned_at_s", "last_byte_s", "ended_s"):
            if self.row[name] is not None:
                return float(self.row[name])
        return self.arrived_s


@dataclass(frozen=True, slots=True)
class ServedCall:
    """One call of the application: the requests that a client has made for it, in order."""

    number: int
    """From 1, in the order in which the calls of the test began."""
    call_id: str
    requests: tuple[ServedRequest, ...]

    @property
    def attempts(self) -> int:
        """How many requests there were."""
        return len(self.requests)

    @property
    def statuses(self) -> list[int | None]:
        """The status of each attempt."""
        return [one.status for one in self.requests]

    @property
    def arrived_s(self) -> float:
        """When the first request arrived."""
        return self.requests[0].arrived_s

    @property
    def over_s(self) -> float | None:
        """When the client had its answer or left; None while it waits for one."""
        ends = [one.client_over_s for one in self.requests]
        return None if None in ends else max(end for end in ends if end is not None)


def calls_of(requests: Iterable[ServedRequest]) -> list[ServedCall]:
    """The calls of requests, in the order in which they began."""
    grouped: dict[str, list[ServedRequest]] = {}
    for one in requests:
        grouped.setdefault(one.call_id, []).append(one)
    return [ServedCall(i, call_id, tuple(some)) for i, (call_id, some) in enumerate(grouped.items(), 1)]
