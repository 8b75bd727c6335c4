"""Four client configurations as policies: how long they wait for headers, how often they try, and when.

A stream's chunks come far quicker than any of these timeouts, so only the wait for the headers can time out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.model.des import Simulation, Timer
from tests.model.providers import Provider
from windtunnel.mock_server.chance import uniform


@dataclass(frozen=True)
class Policy:
    """`timeout` is for reading the headers, in seconds. `pause` is fixed, or None for the SDK's own backoff:
    min(0.5 · 2ⁿ, 8) s less 0 to 25 %. `budget` is (deposit per call, cap) with a retry costing 1."""

    name: str
    timeout: float
    tries: int
    pause: float | None = None
    budget: tuple[float, float] | None = None

    def backoff(self, seed: int, call_id: str, retry: int) -> float:
        """Seconds before retry number `retry`, counted from 0."""
        if self.pause is not None:
            return self.pause
        jitter = uniform(seed, "backoff", call_id, retry)
        return float(min(0.5 * 2**retry, 8.0) * (1 - 0.25 * jitter))


OPENAI_DEFAULT = Policy("openai-default", timeout=600.0, tries=3)
OPENAI_4S = Policy("openai-4s-timeout", timeout=4.0, tries=3)
NAIVE_LOOP = Policy("naive-loop", timeout=5.0, tries=10, pause=1.0)
RETRY_BUDGET = Policy("retry-budget", timeout=4.0, tries=3, budget=(0.1, 10.0))
POLICIES = (OPENAI_DEFAULT, OPENAI_4S, NAIVE_LOOP, RETRY_BUDGET)


class Application:
    """One instance of the application: all its calls share the budget."""

    def __init__(self, sim: Simulation, provider: Provider, policy: Policy, seed: int) -> None:
        self.sim = sim
        self.provider = provider
        self.policy = policy
        self.seed = seed
        self.tokens = 0.0
        self.calls: list[Call] = []

    def call(self, call_id: str) -> None:
        """The user asks for something."""
        if self.policy.budget is not None:
            deposit, cap = self.policy.budget
            self.tokens = min(cap, self.tokens + deposit)
        call = Call(self, call_id, self.sim.now)
        self.calls.append(call)
        call.attempt()

    def may_retry(self) -> bool:
        """Pay for a retry, if there is a budget and it is not empty."""
        if self.policy.budget is None:
            return True
        if self.tokens + 1e-9 < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Call:
    """One call and its attempts. `ended` stays infinite while it runs."""

    def __init__(self, application: Application, call_id: str, intended: float) -> None:
        self.application = application
        self.call_id = call_id
        self.intended = intended
        self.attempts = 0
        self.ok = False
        self.ended = math.inf

    def attempt(self) -> None:
        """Send the next request."""
        self.attempts += 1
        _Attempt(self)

    def succeeded(self) -> None:
        self.ok = True
        self.ended = self.application.sim.now

    def failed(self) -> None:
        """An attempt failed: again after a pause, or give up."""
        application = self.application
        policy, sim = application.policy, application.sim
        if self.attempts < policy.tries and application.may_retry():
            pause = policy.backoff(application.seed, self.call_id, self.attempts - 1)
            sim.at(sim.now + pause, self.attempt)
        else:
            self.ended = sim.now


class _Attempt:
    """One request: waits for headers up to the timeout, then for the answer's end."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.over = False
        application = call.application
        sim = application.sim
        self.timer: Timer = sim.at(sim.now + application.policy.timeout, self._timed_out)
        self.handle = application.provider.send(call.call_id, self)

    def headers(self, status: int) -> None:
        if self.over:
            return
        self.timer.cancel()
        if status >= 400:
            self.over = True
            self.call.failed()

    def complete(self) -> None:
        if not self.over:
            self.over = True
            self.call.succeeded()

    def _timed_out(self) -> None:
        self.over = True
        self.call.application.provider.leave(self.handle)
        self.call.failed()
