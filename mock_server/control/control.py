"""The admin API: shows what the server is doing, and changes it. No I/O.

    GET  /_windtunnel/                 the page for people, and what it asks for: see `page` and `live_routes`
    GET  /_windtunnel/health           {"status": "ok", …}: pid, the time since t0, phase, queues
    GET  /_windtunnel/plan             the plan in force, as JSON
    PUT  /_windtunnel/plan             another plan, at once; a bad one gets a 400 that names the key path
    …    /_windtunnel/plans…, clock    named plans, and the clock of batches: see `plan_routes`
    GET  /_windtunnel/recent           the last requests with their scripts, for people
    GET  /_windtunnel/recent/ID        one of them
    GET  /_windtunnel/served           the served records so far, as JSON lines
    PUT  /_windtunnel/test             {"plan": {…}, "key": "sk-…"} begins a test: everything anew, under that plan
    GET  /_windtunnel/test             its requests, those under way included, as JSON
    POST /_windtunnel/reset            begin anew; {"t0": seconds} on the monotonic clock may lie ahead
    POST /_windtunnel/segments         the journal goes on in new segments; those so far are complete
    POST /_windtunnel/stop             cut the journal, flush it, exit
    GET  /_windtunnel/schemas/plan     JSON Schemas of the plan and of a served record
    GET  /_windtunnel/schemas/served
    GET  /metrics                      Prometheus text
    GET  /health                       {"status": "ok"}, on every port and without a token

With a token every request needs `Authorization: Bearer TOKEN`, but those for the page's own files. Without one the
server listens on loopback alone, and refuses requests to any name but that (as they come from a page whose own name
leads here) and from pages of other servers (they carry another Origin).
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ParamSpec, Protocol

import orjson

from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.control.live_routes import LiveRoutes, LiveServer
from windtunnel.mock_server.control.page import page_reply
from windtunnel.mock_server.control.plan_routes import PlanRoutes
from windtunnel.mock_server.control.prometheus import CONTENT_TYPE, Metrics
from windtunnel.mock_server.control.reply import (
    RefusedError,
    Reply,
    is_time,
    json_reply,
    problem,
    read_object,
    read_plan,
    shown,
)
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.punctuality import Punctuality
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.schema import plan_schema, served_schema
from windtunnel.mock_server.server.options import is_loopback

PREFIX = "/_windtunnel/"
_HEALTH = "/health"
"""Where tools and orchestrators ask whether a server lives; like the pages, it needs no token."""


_P = ParamSpec("_P")


class ControlledServer(LiveServer, Protocol):
    """The part of the server that the admin API uses."""

    journal: Journal
    punctuality: Punctuality

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force."""

    def reset(self, t0: float | None = None) -> None:
        """Begin anew."""

    def begin_test(self, plan: Plan, key: str) -> None:
        """Begin anew, for a test whose key has this hash."""

    def requests(self) -> list[dict[str, Any]]:
        """The served rows of all requests, finished or not."""

    @property
    def client_connections(self) -> int:
        """Open connections on the ports of regions."""

    def new_segments(self) -> None:
        """Let the journal go on in new segments."""

    def stop(self) -> None:
        """End the server, soon."""


class Control:
    """The handlers of the admin API's requests.

    `token` is the bearer token, None for none. `shared` gives a reason why changes are refused (one of several
    workers cannot change the others), or None.
    """

    def __init__(
        self, server: ControlledServer, *, token: str | None = None, shared: str | None = None
    ) -> None:
        self._server = server
        self._token = token.encode() if token is not None else None
        self._shared = shared
        self._metrics = Metrics(server.counters, self._gauges)
        plans = PlanRoutes(server)
        self._live = LiveRoutes(server, shared)
        self._named: dict[str, dict[str, Callable[[str, bytes], Reply]]] = {
            "plans/": {
                "GET": plans.get,
                "PUT": self._alone(plans.put),
                "DELETE": self._alone(plans.delete),
            },
            "recent/": {"GET": self._live.script},
        }
        """Routes that end in a name."""
        self._routes: dict[str, dict[str, Callable[[bytes], Reply]]] = {
            "health": {"GET": self._health},
            "plan": {"GET": self._plan, "PUT": self._alone(self._put_plan)},
            "plan/first": {"GET": self._live.first},
            "plans": {"GET": plans.all},
            "plan/use": {"POST": self._alone(plans.use)},
            "clock": {"GET": plans.clock, "POST": self._alone(plans.advance)},
            "recent": {"GET": self._recent},
            "served": {"GET": self._alone(self._served)},
            "test": {"GET": self._alone(self._requests), "PUT": self._alone(self._begin_test)},
            "reset": {"POST": self._alone(self._reset)},
            "segments": {"POST": self._alone(self._segments)},
            "stop": {"POST": self._stop},
            "schemas/plan": {"GET": lambda _: json_reply(200, plan_schema())},
            "schemas/served": {"GET": lambda _: json_reply(200, served_schema())},
            "/metrics": {"GET": self._metrics_text},
        }

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request. Raises nothing for a bad request: the reply says what is wrong with it."""
        bare, _, query = path.partition("?")
        if bare == _HEALTH and method in ("GET", "HEAD"):
            return json_reply(200, {"status": "ok"})
        page = page_reply(method, bare)
        if page is not None:
            return page
        refused = self._refused(headers)
        if refused is not None:
            return refused
        handlers = self._handlers(bare.removeprefix(PREFIX).rstrip("/"), query)
        if not handlers:
            routes = ["", "live", *self._routes]
            known = ", ".join([name if name.startswith("/") else f"{PREFIX}{name}" for name in routes])
            return problem(404, f"found {bare}, expected one of {known}")
        handler = handlers.get(method)
        if handler is None:
            allowed = ", ".join(handlers)
            return problem(405, f"found {method} {bare}, expected {allowed}", (("allow", allowed),))
        try:
            return handler(body)
        except RefusedError as error:
            return error.reply

    def _handlers(self, route: str, query: str) -> Mapping[str, Callable[[bytes], Reply]]:
        """The handlers of a route, by method."""
        if route == "live":
            return {"GET": lambda _: self._live.live(query)}
        if route in self._routes:
            return self._routes[route]
        for prefix, methods in self._named.items():
            if route.startswith(prefix):
                name = route.removeprefix(prefix)
                return {method: partial(handler, name) for method, handler in methods.items()}
        return {}

    def _alone(self, handler: Callable[_P, Reply]) -> Callable[_P, Reply]:
        """Wrap a handler so that it is refused where there are other workers, which would not follow the change."""

        def handle(*args: _P.args, **kwargs: _P.kwargs) -> Reply:
            return handler(*args, **kwargs) if self._shared is None else problem(409, self._shared)

        return handle

    def _refused(self, headers: Mapping[str, str]) -> Reply | None:
        if self._token is None:
            if not _local_name(headers):
                return problem(
                    403,
                    f"found the host {shown(headers['Host'])}, expected 127.0.0.1, [::1] or localhost; "
                    "other names need a server with an admin token",
                )
            if "Origin" in headers and headers["Origin"] != f"http://{headers.get('Host', '')}":
                return problem(
                    403, "requests of other servers' pages are refused unless this one has an admin token"
                )
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
        return json_reply(
            200,
            {
                "status": "ok",
                "pid": os.getpid(),
                "t0": server.t0,
                "now_s": server.now(),
                "journal": str(server.journal.path) if server.journal.path else None,
                "connections": server.client_connections,
                "plan": server.plan.name,
                "provider": server.snapshot(),
                "token_lateness": server.punctuality.summary(),
            },
        )

    def _plan(self, _: bytes) -> Reply:
        return json_reply(200, self._server.plan.model_dump(mode="json", by_alias=True))

    def _put_plan(self, body: bytes) -> Reply:
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return problem(400, f"the plan is not JSON: {error}")
        self._server.set_plan(read_plan(given))
        return self._plan(b"")

    def _recent(self, _: bytes) -> Reply:
        return json_reply(200, {"now_s": self._server.now(), "requests": self._server.recent()})

    def _served(self, _: bytes) -> Reply:
        return Reply(200, self._server.journal.json_lines(), "application/x-ndjson")

    def _requests(self, _: bytes) -> Reply:
        return json_reply(200, {"now_s": self._server.now(), "requests": self._server.requests()})

    def _begin_test(self, body: bytes) -> Reply:
        given = read_object(body, "plan", "key")
        key = given.get("key")
        if not isinstance(key, str) or not key.strip():
            return problem(400, f"key: found {shown(key)}, expected the API key of the test", path="key")
        self._server.begin_test(read_plan(given.get("plan")), key_hash(key.strip()))
        return json_reply(200, {"status": "ok"})

    def _reset(self, body: bytes) -> Reply:
        t0 = read_object(body, "t0").get("t0") if body.strip() else None
        if t0 is not None and not is_time(t0):
            return problem(400, f"t0: found {shown(t0)}, expected seconds on the monotonic clock", path="t0")
        self._server.reset(None if t0 is None else float(t0))
        return json_reply(200, {"status": "ok", "t0": self._server.t0, "now_s": self._server.now()})

    def _segments(self, _: bytes) -> Reply:
        self._server.new_segments()
        journal = self._server.journal.path
        return json_reply(200, {"now_s": self._server.now(), "journal": str(journal) if journal else None})

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


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
"""A Host header: a name or an address, and perhaps a port."""


def _local_name(headers: Mapping[str, str]) -> bool:
    """Whether the server was called by a name of this machine.

    A page whose own name an attacker has pointed here was not (DNS rebinding), and a browser takes it for a page of
    this server. Browsers always send a Host; a client that sends none is no browser.
    """
    if "Host" not in headers:
        return True
    found = _HOST.fullmatch(
        headers["Host"]
    )  # whole: `127.0.0.1/.evil.example` begins as a name of this machine does
    return found is not None and is_loopback(found[1].lower())


__all__ = ["Control", "ControlledServer", "Reply", "problem"]
