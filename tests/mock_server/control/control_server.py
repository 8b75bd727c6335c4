"""A server that only remembers what the admin API told it, and how to ask that API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from windtunnel.mock_server.control.control import Control, Reply
from windtunnel.mock_server.control.history import History
from windtunnel.mock_server.control.named_plans import NamedPlans
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.punctuality import Punctuality
from windtunnel.mock_server.plan.plan import Plan

NOBODY: Mapping[str, str] = {}


class Server:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.counters = Counters()
        self.punctuality = Punctuality()
        self.t0 = 100.0
        self.plan = Plan(name="first")
        self.engine = Engine(self.plan)
        self.plans = NamedPlans()
        self.history = History()
        self.open_connections = 2
        self.client_connections = 1
        self.told: list[Any] = []

    def new_segments(self) -> None:
        self.told.append("new segments")

    def now(self) -> float:
        return 2.5

    def snapshot(self) -> dict[str, Any]:
        return {"regions": {"local": {"in_flight": 3, "queue_depth": 1}}}

    def recent(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        return [{"served_id": "s1"}]

    def script_of(self, served_id: str) -> str | None:
        return {"s1": "End"}[served_id]

    def set_plan(self, plan: Plan) -> None:
        self.plan = plan

    def put_plan(self, plan: Plan, key_hash: str | None) -> None:
        self.plans.put(plan, key_hash, self.now(), 0.0)

    def use_plan(self, name: str) -> None:
        self.plan = self.plans.get(name).plan

    def delete_plan(self, name: str) -> None:
        self.plans.delete(name)

    def advance_clock(self, seconds: float, name: str | None = None) -> float:
        engine = self.engine if name is None else self.plans.get(name).engine
        assert engine is not None
        engine.store.skew_s += seconds
        return engine.store.skew_s

    def reset(self, t0: float | None = None) -> None:
        self.told.append(("reset", t0))

    def begin_test(self, plan: Plan, key: str) -> None:
        self.plan = plan
        self.told.append(("test", key))

    def requests(self) -> list[dict[str, Any]]:
        return [{"served_id": "s1", "ended_s": None}]

    def stop(self) -> None:
        self.told.append("stop")


def ask(
    control: Control, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NOBODY
) -> Reply:
    """One request to the admin API; `path` below /_windtunnel/ unless it begins with a slash."""
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return control.handle(method, path if path.startswith("/") else f"/_windtunnel/{path}", headers, payload)


def content(reply: Reply) -> Any:
    """The JSON of a reply."""
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)
