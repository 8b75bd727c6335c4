"""The admin API: what the server is doing, and how to make it do something else. No I/O.

    GET  /_windtunnel/health           {"status": "ok", …}: pid, the time since t0, phase, queues
    GET  /_windtunnel/plan             the plan in force, as JSON
    PUT  /_windtunnel/plan             another plan, at once; a bad one gets a 400 that names the key path
    GET  /_windtunnel/served           the served records so far, as JSON lines
    POST /_windtunnel/reset            begin anew; {"t0": seconds} on the monotonic clock may lie ahead
    POST /_windtunnel/stop             cut the journal, flush it, exit
    GET  /_windtunnel/schemas/plan     JSON Schemas of the plan and of a served record
    GET  /_windtunnel/schemas/served
    GET  /metrics                      Prometheus text

With a token every request needs `Authorization: Bearer TOKEN`. Without one the server listens on loopback
alone, and requests that a web page made (they carry an Origin) are refused.
"""

from __future__ import annotations

import hmac
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from pydantic import ValidationError

from mock_server.journal import Journal
from mock_server.metrics import CONTENT_TYPE, Counters, Metrics
from mock_server.plan import Plan
from mock_server.punctuality import Punctuality
from mock_server.schemas import plan_schema, served_schema

JSON = "application/json"
PREFIX = "/_windtunnel/"


class Server(Protocol):
    """What the admin API needs of the server that it is part of."""

    journal: Journal
    counters: Counters
    punctuality: Punctuality
    t0: float

    @property
    def plan(self) -> Plan:
        """The plan in force."""

    def now(self) -> float:
        """Seconds from t0."""

    def snapshot(self) -> dict[str, Any]:
        """The engine's state, for people."""

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force."""

    def reset(self, t0: float | None = None) -> None:
        """Begin anew."""

    def stop(self) -> None:
        """End the server, soon."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the admin API; `then` is to be called once it is written."""

    status: int
    body: bytes | Iterator[bytes]
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    then: Callable[[], None] | None = None


class Control:
    """Answers the admin API's requests.

    `token` is the bearer token, None for none. `shared` gives a reason why changes are refused (one of several
    workers cannot change the others), or None.
    """

    def __init__(self, server: Server, *, token: str | None = None, shared: str | None = None) -> None:
        self._server = server
        self._token = token.encode() if token is not None else None
        self._shared = shared
        self._metrics = Metrics(server.counters, self._gauges)
        self._routes: dict[str, dict[str, Callable[[bytes], Reply]]] = {
            "health": {"GET": self._health},
            "plan": {"GET": self._plan, "PUT": self._put_plan},
            "served": {"GET": self._served},
            "reset": {"POST": self._reset},
            "stop": {"POST": self._stop},
            "schemas/plan": {"GET": lambda _: _json(200, plan_schema())},
            "schemas/served": {"GET": lambda _: _json(200, served_schema())},
            "/metrics": {"GET": self._metrics_text},
        }

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request. Never raises: whatever is wrong with it is said in the reply."""
        refused = self._refused(headers)
        if refused is not None:
            return refused
        bare = path.partition("?")[0]
        handlers = self._routes.get(bare.removeprefix(PREFIX).rstrip("/"), {})
        if not handlers:
            known = ", ".join([name if name.startswith("/") else f"{PREFIX}{name}" for name in self._routes])
            return problem(404, f"found {bare}, expected one of {known}")
        handler = handlers.get(method)
        if handler is None:
            allowed = ", ".join(handlers)
            return problem(405, f"found {method} {bare}, expected {allowed}", (("allow", allowed),))
        return handler(body)

    def _refused(self, headers: Mapping[str, str]) -> Reply | None:
        if self._token is None:
            if "Origin" in headers:
                return problem(403, "requests of web pages are refused unless the server has an admin token")
            return None
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self._token
        ):
            return None
        return problem(
            401, "expected Authorization: Bearer and the admin token", (("www-authenticate", "Bearer"),)
        )

    def _health(self, _: bytes) -> Reply:
        server = self._server
        return _json(
            200,
            {
                "status": "ok",
                "pid": os.getpid(),
                "t0": server.t0,
                "now_s": server.now(),
                "journal": str(server.journal.path) if server.journal.path else None,
                "plan": server.plan.name,
                "provider": server.snapshot(),
                "token_lateness": server.punctuality.summary(),
            },
        )

    def _plan(self, _: bytes) -> Reply:
        return _json(200, self._server.plan.model_dump(mode="json", by_alias=True))

    def _put_plan(self, body: bytes) -> Reply:
        if self._shared is not None:
            return problem(409, self._shared)
        try:
            plan = Plan.model_validate(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            return problem(400, f"the plan is not JSON: {error}")
        except ValidationError as error:
            return invalid_plan(error)
        self._server.set_plan(plan)
        return self._plan(b"")

    def _served(self, _: bytes) -> Reply:
        if self._shared is not None:
            return problem(409, self._shared)
        return Reply(200, self._server.journal.json_lines(), "application/x-ndjson")

    def _reset(self, body: bytes) -> Reply:
        if self._shared is not None:
            return problem(409, self._shared)
        t0: float | None = None
        if body.strip():
            try:
                given = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                return problem(400, f"the body is not JSON: {error}")
            if not isinstance(given, dict) or given.keys() - {"t0"}:
                return problem(400, f"found {_shown(given)}, expected an object with no key but t0")
            t0 = given.get("t0")
            if t0 is not None and not _is_time(t0):
                return problem(
                    400, f"t0: found {_shown(t0)}, expected seconds on the monotonic clock", path="t0"
                )
        self._server.reset(None if t0 is None else float(t0))
        return _json(200, {"status": "ok", "t0": self._server.t0, "now_s": self._server.now()})

    def _stop(self, _: bytes) -> Reply:
        return Reply(200, orjson.dumps({"status": "stopping"}), then=self._server.stop)

    def _metrics_text(self, _: bytes) -> Reply:
        return Reply(200, self._metrics.text(), CONTENT_TYPE)

    def _gauges(self) -> dict[str, tuple[str, dict[str, float]]]:
        regions: dict[str, Any] = self._server.snapshot().get("regions", {})
        return {
            "in_flight": ("Slots busy.", {name: region["in_flight"] for name, region in regions.items()}),
            "queue_depth": (
                "Requests queued.",
                {name: region["queue_depth"] for name, region in regions.items()},
            ),
        }


def problem(
    status: int, message: str, headers: tuple[tuple[str, str], ...] = (), *, path: str | None = None
) -> Reply:
    """An error of the admin API: `{"error": {"message", "path"}}`."""
    return Reply(status, orjson.dumps({"error": {"message": message, "path": path}}), headers=headers)


def invalid_plan(error: ValidationError) -> Reply:
    """A 400 that names the key path of everything that is wrong with a plan, the first one in the message."""
    wrong = [
        {
            "path": ".".join([str(part) for part in one["loc"]]),
            "message": one["msg"].removeprefix("Value error, "),
            "found": _shown(one["input"]),
        }
        for one in error.errors(include_url=False)
    ]
    first = wrong[0]
    message = f"{first['path'] or 'the plan'}: {first['message']}"
    body = {"error": {"message": message, "path": first["path"], "problems": wrong}}
    return Reply(400, orjson.dumps(body))


def _json(status: int, content: Any) -> Reply:
    return Reply(status, orjson.dumps(content))


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
