"""The admin API's routes for named plans, and for the clock of batches and expiries.

GET    /_windtunnel/plans         their names, whose they are, and which one is in force
PUT    /_windtunnel/plans/NAME    {"plan": {…}} keeps one, {"plan": {…}, "key": "sk-…"} puts it in force for that key
GET    /_windtunnel/plans/NAME    one of them
DELETE /_windtunnel/plans/NAME    forget it, and everything that happened under it
POST   /_windtunnel/plan/use      {"name": NAME} puts it in force for everybody
GET    /_windtunnel/clock         how far the clock of batches and expiries is ahead
POST   /_windtunnel/clock         {"advance": "2h"} puts it forward; {"plan": NAME} a scoped plan's
"""

from __future__ import annotations

import re
from typing import Any, Protocol
from urllib.parse import unquote

from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.control.named_plans import NamedPlan, NamedPlans, PlansError
from windtunnel.mock_server.control.reply import (
    RefusedError,
    Reply,
    json_reply,
    problem,
    read_object,
    read_plan,
    shown,
)
from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.units import parse_seconds

_HASH = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST_ADVANCE_S = 10 * 365 * 86_400.0


class PlanServer(Protocol):
    """What these routes need of the server."""

    plans: NamedPlans

    @property
    def plan(self) -> Plan:
        """The plan in force for everybody."""

    def put_plan(self, plan: Plan, key_hash: str | None) -> None:
        """Store a plan under its name. Raises `PlansError`."""

    def use_plan(self, name: str) -> None:
        """Put a named plan in force. Raises `KeyError` and `PlansError`."""

    def delete_plan(self, name: str) -> None:
        """Delete a plan. Raises `KeyError`."""

    def advance_clock(self, seconds: float, name: str | None = None) -> float:
        """Put the clock of batches and expiries forward; returns how far it is ahead."""


class PlanRoutes:
    """Answers requests about named plans. Every method may raise `RefusedError`."""

    def __init__(self, server: PlanServer) -> None:
        self._server = server

    def all(self, _: bytes) -> Reply:
        """The named plans."""
        return json_reply(200, {"plans": summaries(self._server)})

    def get(self, name: str, _: bytes) -> Reply:
        """One named plan."""
        named = self._named(name)
        plan = named.plan.model_dump(mode="json", by_alias=True)
        in_force = _in_force(named, self._server.plan)
        return json_reply(200, {**named.summary(), "in_force": in_force, "plan": plan})

    def put(self, name: str, body: bytes) -> Reply:
        """Store a plan, or put it in force for one key. The key itself is neither stored nor shown."""
        name = unquote(name)
        if not _NAME.fullmatch(name):
            raise RefusedError(
                problem(400, f"found the name {shown(name)}, expected up to 64 letters, digits, _, . and -")
            )
        given = read_object(body, "plan", "key")
        if not isinstance(given.get("plan"), dict):
            raise RefusedError(
                problem(400, f"plan: found {shown(given.get('plan'))}, expected a plan", path="plan")
            )
        key = given.get("key")
        if key is not None and (not isinstance(key, str) or not key.strip()):
            raise RefusedError(problem(400, "key: expected an API key, or its hash", path="key"))
        plan = read_plan({**given["plan"], "name": name})
        try:
            self._server.put_plan(plan, None if key is None else _hash(key.strip()))
        except PlansError as error:
            raise RefusedError(problem(409, str(error))) from error
        return self.get(name, b"")

    def delete(self, name: str, _: bytes) -> Reply:
        """Delete a plan."""
        self._named(name)
        self._server.delete_plan(unquote(name))
        return json_reply(200, {"status": "ok"})

    def use(self, body: bytes) -> Reply:
        """Put a named plan in force for everybody."""
        name = read_object(body, "name").get("name")
        self._named(name if isinstance(name, str) else "")
        try:
            self._server.use_plan(str(name))
        except PlansError as error:
            raise RefusedError(problem(409, str(error))) from error
        return json_reply(200, self._server.plan.model_dump(mode="json", by_alias=True))

    def clock(self, _: bytes) -> Reply:
        """Return how far the clocks are ahead."""
        scoped = [named for named in self._server.plans if named.engine is not None]
        ahead = {named.plan.name: named.engine.store.skew_s for named in scoped if named.engine is not None}
        return json_reply(200, {"ahead_s": self._server.advance_clock(0.0), "plans": ahead})

    def advance(self, body: bytes) -> Reply:
        """Put a clock forward."""
        given = read_object(body, "advance", "plan")
        try:
            seconds = parse_seconds(given.get("advance"))
        except PlanError as error:
            raise RefusedError(problem(400, f"advance: {error}", path="advance")) from error
        if seconds > _LONGEST_ADVANCE_S:
            raise RefusedError(
                problem(400, "advance: expected no more than ten years at a time", path="advance")
            )
        name = given.get("plan")
        if name is not None:
            self._named(str(name))
        try:
            ahead = self._server.advance_clock(seconds, None if name is None else str(name))
        except PlansError as error:
            raise RefusedError(problem(409, str(error))) from error
        return json_reply(200, {"ahead_s": ahead})

    def _named(self, name: str) -> NamedPlan:
        try:
            return self._server.plans.get(unquote(name))
        except KeyError:
            known = ", ".join([named.plan.name for named in self._server.plans]) or "none"
            message = f"found no plan {shown(unquote(name))}, expected one of: {known}"
            raise RefusedError(problem(404, message)) from None


def summaries(server: PlanServer) -> list[dict[str, Any]]:
    """The named plans of a server: names, keys, and which one is in force."""
    in_force = server.plan
    return [{**named.summary(), "in_force": _in_force(named, in_force)} for named in server.plans]


def _in_force(named: NamedPlan, in_force: Any) -> bool:
    """Whether the plan is in force, for its key or for everybody."""
    return named.key_hash is not None or named.plan is in_force


def _hash(key: str) -> str:
    """The hash of an API key; a hash stays as it is."""
    return key if _HASH.fullmatch(key) else key_hash(key)
