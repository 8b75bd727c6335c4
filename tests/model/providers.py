"""Two providers behind one interface: a model written from the rules alone, and the real engine.

Both are told when a client sends and when it leaves, and tell its listener when headers and the answer's end are
back at the client. They share the draws (`windtunnel.mock_server.chance`) and nothing else.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tests.model.des import Simulation
from windtunnel.mock_server.chance import lognormal, lognormal_from_mean, uniform
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.request import Request


@dataclass(frozen=True)
class Brownout:
    """The shape of the reference incident: slots before, during and after, and for how long (seconds)."""

    seed: int
    slots: tuple[int, int, int] = (28, 4, 28)
    lengths: tuple[float, float, float] = (8.0, 12.0, 30.0)
    queue: int = 400
    keep_working: bool = True
    rate: float = 14.0
    deadline: float = 10.0

    @property
    def starts(self) -> tuple[float, float, float]:
        return (0.0, self.lengths[0], self.lengths[0] + self.lengths[1])

    @property
    def end(self) -> float:
        return sum(self.lengths)


class Listener(Protocol):
    """The client's side of one attempt."""

    def headers(self, status: int) -> None: ...
    def complete(self) -> None: ...


class Provider(Protocol):
    """What clients send to. `served` lists (call, attempt, arrival) of every request."""

    served: list[tuple[str, int, float]]

    def send(self, call_id: str, listener: Listener) -> Any: ...
    def leave(self, handle: Any) -> None: ...


@dataclass(eq=False)
class Job:
    """One request at the model provider."""

    call_id: str
    attempt: int
    rtt: float
    listener: Listener
    state: str = "travelling"
    events: list[Any] = field(default_factory=list)


class ModelProvider:
    """Slots, a bounded queue, and answers that take first token + (tokens − 1) ÷ 80 s."""

    def __init__(self, sim: Simulation, storm: Brownout) -> None:
        self.sim = sim
        self.storm = storm
        self.busy = 0
        self.slots = storm.slots[0]
        self.queue: deque[Job] = deque()
        self.attempts: dict[str, int] = {}
        self.served: list[tuple[str, int, float]] = []
        for start, slots in zip(storm.starts[1:], storm.slots[1:], strict=True):
            sim.at(start, partial(self._set_slots, slots))

    def send(self, call_id: str, listener: Listener) -> Job:
        attempt = self.attempts.get(call_id, 0)
        self.attempts[call_id] = attempt + 1
        u = uniform(self.storm.seed, "rtt", "us-east", call_id, attempt)
        job = Job(call_id, attempt, round(lognormal_from_mean(u, mean=0.089, p99=0.21), 6), listener)
        self.served.append((call_id, attempt, self.sim.now))
        self.sim.at(self.sim.now + job.rtt * 1.5, lambda: self._arrive(job))
        return job

    def leave(self, job: Job) -> None:
        if self.storm.keep_working or job.state in ("over", "refused"):
            return
        if job.state == "queued":
            self.queue.remove(job)
        elif job.state == "running":
            self._free(job)
        job.state = "over"

    def _arrive(self, job: Job) -> None:
        if job.state == "over":
            return
        if self.busy < self.slots and not self.queue:
            self._serve(job)
        elif len(self.queue) < self.storm.queue:
            job.state = "queued"
            self.queue.append(job)
        else:
            job.state = "refused"
            self.sim.at(self.sim.now + job.rtt / 2, lambda: job.listener.headers(503))

    def _serve(self, job: Job) -> None:
        self.busy += 1
        job.state = "running"
        seed, now = self.storm.seed, self.sim.now
        u = uniform(seed, "first_token", job.call_id, job.attempt)
        first = round(lognormal(u, median=0.25, p99=0.9), 6)
        tokens = max(1, round(lognormal(uniform(seed, "tokens", job.call_id), median=60, p99=160)))
        end = now + first + (tokens - 1) / 80
        self.sim.at(now + job.rtt / 2, lambda: job.listener.headers(200))
        self.sim.at(end + job.rtt / 2, job.listener.complete)
        self.sim.at(end, lambda: self._free(job))

    def _free(self, job: Job) -> None:
        if job.state == "running":
            job.state = "over"
            self.busy -= 1
            self._let_in()

    def _set_slots(self, slots: int) -> None:
        self.slots = slots
        self._let_in()

    def _let_in(self) -> None:
        while self.queue and self.busy < self.slots:
            self._serve(self.queue.popleft())


class EngineProvider:
    """The engine in a shell that consists of the simulation's timers."""

    def __init__(self, sim: Simulation, storm: Brownout) -> None:
        self.sim = sim
        self.engine = Engine(plan_of(storm))
        self.served: list[tuple[str, int, float]] = []
        self._listeners: dict[Ticket, Listener] = {}
        self._next = math.inf
        self._follow()

    def send(self, call_id: str, listener: Listener) -> Ticket:
        ticket = self.engine.identify(asks(call_id), self.sim.now)
        self.served.append((call_id, ticket.attempt, self.sim.now))
        self._listeners[ticket] = listener
        self.sim.at(self.sim.now + ticket.rtt_s * 1.5, lambda: self._admit(ticket))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        self.engine.left(ticket, self.sim.now)
        self._follow()

    def _admit(self, ticket: Ticket) -> None:
        self.engine.admit(ticket, self.sim.now)
        if ticket.state == "granted":
            self._start(ticket)
        elif ticket.state == "refused":
            listener, status = self._listeners[ticket], ticket.status or 0
            self.sim.at(self.sim.now + ticket.rtt_s / 2, lambda: listener.headers(status))
        self._follow()

    def _start(self, ticket: Ticket) -> None:
        now, half = self.sim.now, ticket.rtt_s / 2
        listener = self._listeners[ticket]
        script = self.engine.start(ticket, now)
        self.sim.at(now + half, partial(listener.headers, script.status))
        end = ticket.slot_end()
        assert end < math.inf
        self.sim.at(end + half, listener.complete)

    def _follow(self) -> None:
        """Start what may start, and come back when the engine says."""
        now = self.sim.now
        if self._next <= now:
            self._next = math.inf
        while (at := self.engine.next_change(now)) <= now:
            for ticket in self.engine.advance(now).started:
                self._start(ticket)
        if at < self._next:
            self._next = at
            self.sim.at(at, self._follow)


def asks(call_id: str) -> Request:
    """The same question in every call."""
    return Request(
        api="chat",
        endpoint="chat.create",
        model="gpt-4.1-mini",
        region="us-east",
        stream=True,
        key_hash="key",
        body_hash="body",
        prompt_tokens=50,
        call_id=call_id,
        body={"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True},
    )


def plan_of(storm: Brownout) -> Plan:
    """The same incident as the server's plan, limits of the reference scenario included."""
    before, during, after = storm.slots
    names = ("healthy", "brownout", "after")
    overrides: tuple[dict[str, Any], ...] = (
        {},
        {"capacity": {"slots": during}},
        {"capacity": {"slots": after}},
    )
    abandoned = "keep_working" if storm.keep_working else "stop"
    return Plan.model_validate(
        {
            "seed": storm.seed,
            "provider": {
                "regions": {"us-east": {"rtt": {"mean": "89ms", "p99": "210ms"}}},
                "capacity": {"slots": before, "queue": storm.queue, "abandoned": abandoned},
                "answer": {
                    "first_token": {"median": "250ms", "p99": "900ms"},
                    "tokens": {"median": 60, "p99": 160},
                    "tokens_per_second": 80,
                },
                "limits": {"rpm": 6000, "tpm": 2_000_000, "refused_requests_count": True},
            },
            "phases": [
                {"name": name, "for": f"{length}s", "provider": part}
                for name, length, part in zip(names, storm.lengths, overrides, strict=True)
            ],
        }
    )
