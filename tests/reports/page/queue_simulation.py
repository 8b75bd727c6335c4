"""A small queue simulation whose records look like those of a real run: no sockets, no clock, some milliseconds.

    Client (a retry policy) ──► a FIFO queue with slots ──► rows of calls, attempts and served

It exists so that there is something to draw; nothing is checked against it.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

TOKENS_PER_SECOND = 80.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the incident: the provider's slots, the share of answers it breaks, the share it refuses."""

    name: str
    start: float
    end: float
    slots: int = 28
    broken: float = 0.0
    refused: float = 0.0

    @property
    def faulty(self) -> bool:
        return self.slots != 28 or self.broken > 0 or self.refused > 0


STORM = (Phase("healthy", 0, 8), Phase("brownout", 8, 20, slots=4), Phase("after", 20, 50))


@dataclass(frozen=True, slots=True)
class Client:
    """A retry policy: seconds until it gives an attempt up, how many tries, how long it waits between them."""

    name: str
    timeout: float = 600.0
    tries: int = 3
    fixed_wait: float | None = None
    budget: float | None = None

    def backoff(self, retry: int, chance: random.Random) -> float:
        if self.fixed_wait is not None:
            return self.fixed_wait
        return min(0.5 * 2.0**retry, 8.0) * (1 - 0.25 * chance.random())


CLIENTS = (
    Client("openai-default"),
    Client("openai-4s-timeout", timeout=4.0),
    Client("naive-loop", timeout=5.0, tries=10, fixed_wait=1.0),
    Client("retry-budget", timeout=4.0, budget=0.1),
)


@dataclass(slots=True, eq=False)
class Attempt:
    """One request in the provider's hands."""

    row: Row
    served: Row
    call: Row
    service: float
    first: float
    started: bool = False
    gone: bool = False


@dataclass(slots=True)
class Storm:
    """One cell: after `play`, `calls`, `attempts` and `served` hold rows with the column names of the records."""

    client: Client
    phases: tuple[Phase, ...] = STORM
    rate: float = 14.0
    seed: int = 7
    queue_limit: int = 400
    tail: float = 10.0
    calls: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    served: list[Row] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)
    _queue: deque[Attempt] = field(default_factory=deque)
    _busy: int = 0
    _tokens: float = 0.0
    _now: float = 0.0

    def play(self) -> Storm:
        """Run the whole cell; calls that still run when the tail is over end as `cancelled`."""
        over = self.phases[-1].end + self.tail
        arrivals, at = random.Random(self.seed), -3.0
        while (at := at + arrivals.expovariate(self.rate)) < over:
            self._at(at, partial(self._call, at))
        for phase in self.phases:
            self._at(phase.start, self._start_waiting)
        while self._events and self._events[0][0] < over:
            self._now, _, event = heapq.heappop(self._events)
            event()
        for call in self.calls:
            if call["outcome"] is None:
                call |= {"outcome": "cancelled", "ended_s": over}
        return self

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), event))

    def _phase(self, at: float) -> Phase:
        return next((p for p in self.phases if at < p.end), self.phases[-1])

    def _chance(self, *key: object) -> random.Random:
        return random.Random(repr((self.seed, *key)))

    def _call(self, at: float) -> None:
        end = self.phases[-1].end
        prefix = "w" if at < 0 else "t" if at >= end else "c"
        call: Row = {
            "call_id": f"{prefix}{len(self.calls)}",
            "client": self.client.name,
            "model": "gpt-4.1-mini",
            "api": "chat",
            "stream": True,
            "region": "local",
            "phase": self._phase(at).name if prefix == "c" else None,
            "warmup": at < 0,
            "intended_s": at,
            "started_s": at + 0.001,
            "outcome": None,
            "attempts_seen": 0,
            "lateness_cause": "",
            "gaps_s": [],
            "declared_incomplete": False,
            "saw_done": False,
        }
        self.calls.append(call)
        if self.client.budget is not None:
            self._tokens = min(self._tokens + self.client.budget, 10.0)
        self._try(call)

    def _try(self, call: Row) -> None:
        number = call["attempts_seen"]
        call["attempts_seen"] += 1
        chance = self._chance(call["call_id"], number)
        tokens = max(4, round(self._chance(call["call_id"]).lognormvariate(math.log(60), 0.42)))
        first = chance.lognormvariate(math.log(0.25), 0.55)
        shared: Row = {
            "call_id": call["call_id"],
            "attempt": number,
            "client": call["client"],
            "region": "local",
        }
        row = shared | {"started_s": self._now, "sent_s": self._now, "sdk_retry_count": number}
        served = shared | {
            "served_id": f"s{len(self.served)}",
            "client_attempt": number,
            "identity": "header",
            "arrived_s": self._now,
            "model": "gpt-4.1-mini",
            "api": "chat",
            "stream": True,
            "tokens_planned": tokens,
            "truth_digest": f"truth-{call['call_id']}",
            "queue_depth": len(self._queue),
            "in_flight": self._busy,
            "faults": [],
            "abandoned": False,
        }
        row["served_id"] = served["served_id"]
        self.attempts.append(row)
        self.served.append(served)
        self._arrive(Attempt(row, served, call, first + (tokens - 1) / TOKENS_PER_SECOND, first))

    def _arrive(self, attempt: Attempt) -> None:
        refused = self._chance("refuse", attempt.call["call_id"], attempt.row["attempt"]).random()
        if len(self._queue) >= self.queue_limit or refused < self._phase(self._now).refused:
            attempt.served |= {"status": 503, "ended_s": self._now, "faults": ["overloaded"]}
            self._fail(attempt, "InternalServerError", status=503)
            return
        self._queue.append(attempt)
        self._at(self._now + self.client.timeout, partial(self._time_out, attempt))
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._queue and self._busy < self._phase(self._now).slots:
            attempt = self._queue.popleft()
            self._busy += 1
            attempt.started = True
            attempt.served |= {"started_s": self._now, "status": 200}
            if not attempt.gone:
                attempt.row |= {"headers_s": self._now, "status": 200}
            self._at(self._now + attempt.service, partial(self._finish, attempt))

    def _finish(self, attempt: Attempt) -> None:
        self._busy -= 1
        tokens = attempt.served["tokens_planned"]
        began = self._now - attempt.service + attempt.first
        attempt.served |= {"first_byte_s": began, "last_byte_s": self._now, "ended_s": self._now}
        attempt.served |= {"tokens_sent": tokens, "tokens_billed": tokens, "prompt_tokens_billed": 50}
        if not attempt.gone:
            broken = self._chance("break", attempt.call["call_id"]).random() < self._phase(self._now).broken
            digest = "half" if broken else attempt.served["truth_digest"]
            done: Row = {"outcome": "ok", "status": 200, "digest": digest, "ended_s": self._now + 0.001}
            done |= {"first_token_s": began, "served_id": attempt.served["served_id"], "saw_done": not broken}
            attempt.call |= done | {
                "last_content_s": self._now,
                "tokens_received": tokens,
                "finish_reason": "stop",
            }
            attempt.row |= {"ended_s": self._now + 0.001, "first_byte_s": began, "last_byte_s": self._now}
        self._start_waiting()

    def _time_out(self, attempt: Attempt) -> None:
        if attempt.started:
            return
        attempt.gone = True
        attempt.served |= {"abandoned": True, "abandoned_at_s": self._now}
        self._fail(attempt, "APITimeoutError", status=None)

    def _fail(self, attempt: Attempt, error: str, status: int | None) -> None:
        attempt.row |= {"ended_s": self._now, "error_type": error, "status": status}
        call, tried = attempt.call, attempt.call["attempts_seen"]
        allowed = tried < self.client.tries and (self.client.budget is None or self._tokens >= 1)
        if not allowed:
            call |= {"outcome": "timeout" if status is None else "error", "ended_s": self._now}
            call |= {"error_type": error, "status": status}
            return
        if self.client.budget is not None:
            self._tokens -= 1
        wait = self.client.backoff(tried - 1, self._chance("backoff", call["call_id"], tried))
        self._at(self._now + wait, partial(self._try, call))
