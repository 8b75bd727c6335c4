"""Plans by name: for all requests, or for the requests of one API key alone. No I/O, no clock.

    PUT plans/NAME {"plan"}         ──► stored, until it is put in force
    PUT plans/NAME {"plan", "key"}  ──► an engine of its own: slots, queues, limits, stores, phases from that moment on

So several test suites can share one server without disturbing each other. A key can also be retired: its requests are
refused from then on, whatever plan is in force, since they come from a test that is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.errors import WindtunnelServerError
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.request import Request

LATE = "a-test-that-is-over"
"""The name of the plan that requests with retired keys are under: so they are known in the records."""

LATE_PLAN = {
    "name": LATE,
    "rules": [
        {
            "fault": "status",
            "with": {
                "status": 401,
                "should_retry": False,
                "body": {
                    "error": {
                        "message": "This API key belongs to a test that is over. Make the client in the test that "
                        "uses it, or give a client that several tests share a key of its own, such as 'shared'.",
                        "type": "invalid_request_error",
                        "param": None,
                        "code": "invalid_api_key",
                    }
                },
            },
        }
    ],
}

MAX_PLANS = 64
"""Named plans at a time, scoped ones included."""


class PlansError(WindtunnelServerError):
    """An operation on named plans that is not possible; the message says why."""


@dataclass(slots=True)
class NamedPlan:
    """A plan under its name. With a key it has an engine of its own, whose phases count from `put_s`."""

    plan: Plan
    key_hash: str | None
    put_s: float
    engine: Engine | None

    def summary(self) -> dict[str, Any]:
        """Return the plan's entry in a list: its name, the key that it belongs to, since when."""
        return {"name": self.plan.name, "key_hash": self.key_hash, "put_s": self.put_s}


class NamedPlans:
    """The named plans of a server. `scoped` is empty as long as no plan belongs to a key."""

    __slots__ = ("_named", "_retired", "scoped")

    def __init__(self) -> None:
        self._named: dict[str, NamedPlan] = {}
        self._retired: NamedPlan | None = None
        self.scoped: dict[str, NamedPlan] = {}
        """By the hash of the key."""

    def __iter__(self) -> Iterator[NamedPlan]:
        return iter(self._named.values())

    def get(self, name: str) -> NamedPlan:
        """Return a named plan. Raises `KeyError` for an unknown name."""
        return self._named[name]

    def engines(self) -> list[Engine]:
        """Return the engines of the scoped plans."""
        every = [*self._named.values(), *([self._retired] if self._retired else [])]
        return [named.engine for named in every if named.engine is not None]

    def retire(self, key_hash: str, unix_t0: float) -> None:
        """Refuse the requests of a key from now on: the test that it was made for is over."""
        if self._retired is None:
            plan = Plan.model_validate(LATE_PLAN)
            self._retired = NamedPlan(plan, None, 0.0, Engine(plan, unix_t0=unix_t0))
        self.scoped[key_hash] = self._retired

    def put(self, plan: Plan, key_hash: str | None, now: float, unix_t0: float) -> Engine | None:
        """Store `plan` under its name, from `now` on; returns the engine of the plan that it replaces, if any.

        `unix_t0` is the Unix time of t0. Raises `PlansError` for one too many, and for a key that has another plan.
        """
        before = self._named.get(plan.name)
        if before is None and len(self._named) >= MAX_PLANS:
            raise PlansError(f"there are {MAX_PLANS} named plans already: DELETE one that is no longer used")
        if key_hash is not None:
            closing = next(_closing(plan), None)
            if closing is not None:
                raise PlansError(f"{closing}, which cannot be done for one key: put it in the server's plan")
            other = self.scoped.get(key_hash)
            if other is not None and other is not before:
                raise PlansError(f"this key has the plan {other.plan.name!r} already: DELETE that first")
        replaced = self._forget(plan.name)
        engine = None if key_hash is None else Engine(plan, unix_t0=unix_t0, origin=now)
        self._named[plan.name] = named = NamedPlan(plan, key_hash, now, engine)
        if key_hash is not None:
            self.scoped[key_hash] = named
        return replaced

    def delete(self, name: str) -> Engine | None:
        """Delete a plan; returns its engine, if it had one. Raises `KeyError` for an unknown name."""
        self.get(name)
        return self._forget(name)

    def route(self, request: Request, base: Engine) -> tuple[Engine, Request]:
        """Return the engine for a request, and the request. An unknown region becomes the scoped plan's first one."""
        named = self.scoped.get(request.key_hash)
        if named is None or named.engine is None:
            return base, request
        if not named.engine.has_region(request.region):
            request = replace(request, region=named.plan.provider.default_region)
        return named.engine, request

    def reset(self, unix_t0: float) -> None:
        """Begin anew: scoped plans stay, with engines that have no state, and their phases count from t0."""
        for named in [*self._named.values(), *([self._retired] if self._retired else [])]:
            named.put_s = 0.0
            if named.engine is not None:
                named.engine.reset(unix_t0=unix_t0)

    def _forget(self, name: str) -> Engine | None:
        named = self._named.pop(name, None)
        if named is None:
            return None
        if named.key_hash is not None:
            del self.scoped[named.key_hash]
        if named.engine is not None:
            named.engine.close()
        return named.engine


def _closing(plan: Plan) -> Iterator[str]:
    """Return the plan's faults that act on a port or a handshake, and what they do; no request meets them."""
    for rule in [*plan.rules, *[rule for phase in plan.phases for rule in phase.rules]]:
        for use in rule.uses:
            if use is not None and use.kind.stage in BEFORE_REQUESTS:
                does = "closes a port" if use.kind.stage == "listener" else "acts on a TLS handshake"
                yield f"{use.kind.name} {does}"
