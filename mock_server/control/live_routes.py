"""The routes of the live page: the state of every second in one reply, and single scripts.

GET /_windtunnel/live?since=N   the state, the last requests, the samples after number N
GET /_windtunnel/recent/ID      one of the last requests, with its script
GET /_windtunnel/plan/first     the plan that the server began with
"""

from __future__ import annotations

import os
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from windtunnel.mock_server.control.history import History
from windtunnel.mock_server.control.plan_routes import PlanServer, summaries
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.control.reply import Reply, json_reply, problem, shown

LONGEST = 200
"""Characters of a text that a client chose, such as a model's name; the rest is cut."""


class LiveServer(PlanServer, Protocol):
    """What these routes need of the server."""

    counters: Counters
    history: History

    @property
    def t0(self) -> float:
        """Where its zero lies, monotonic seconds."""

    def now(self) -> float:
        """Seconds from t0."""

    def snapshot(self) -> dict[str, Any]:
        """Return the engine's state."""

    def recent(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        """Return the last requests."""

    def script_of(self, served_id: str) -> str | None:
        """The script of one of them. Raises `KeyError` for one that is none of them."""

    @property
    def open_connections(self) -> int:
        """Connections that are open now, to the admin API included."""


class LiveRoutes:
    """The handlers of the live page's routes. `shared` is why this process may change nothing, or None."""

    def __init__(self, server: LiveServer, shared: str | None) -> None:
        self._server = server
        self._shared = shared
        self._first = server.plan

    def live(self, query: str) -> Reply:
        """Return the state of the moment, without the scripts, which never change."""
        since = parse_qs(query).get("since", ["0"])[-1]
        if not since.isascii() or not since.isdigit() or len(since) > 15:
            return problem(400, f"since: found {shown(since)}, expected the number of a sample", path="since")
        server = self._server
        return json_reply(
            200,
            {
                "process": os.getpid(),
                "t0": server.t0,
                "now_s": server.now(),
                "shared": self._shared,
                "plan": server.plan.name,
                "first_plan": {
                    "name": self._first.name,
                    "in_force": server.plan is self._first,
                    "phases": [phase.name for phase in self._first.phases],
                },
                "plans": summaries(server),
                "provider": _limits_cut(server.snapshot()),
                "connections": server.open_connections,
                "samples": [list(sample) for sample in server.history.since(int(since))],
                "requests": _cut(server.recent(scripts=False)),
            },
        )

    def script(self, served_id: str, _: bytes) -> Reply:
        """Return the script of one of the last requests."""
        served_id = unquote(served_id)
        try:
            script = self._server.script_of(served_id)
        except KeyError:
            return problem(404, f"found no {shown(served_id)} among the last requests")
        return json_reply(200, {"served_id": served_id, "script": script})

    def first(self, _: bytes) -> Reply:
        """Return the plan that the server began with."""
        return json_reply(200, self._first.model_dump(mode="json", by_alias=True))


def _limits_cut(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Cut the names of models in a snapshot, and return it."""
    for region in snapshot["regions"].values():
        _cut(region.get("limits", []))
    for scoped in snapshot.get("plans", {}).values():
        _limits_cut(scoped)
    return snapshot


def _cut(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows, with what clients chose made fit to be shown: cut where it is long, and always text."""
    for row in rows:
        for name in ("model", "call_id"):
            text = row.get(name)
            if text is not None and (len(text) > LONGEST or not text.isascii()):
                # Bytes that are no UTF-8 are lone surrogates here, which JSON cannot carry.
                whole = text.encode("utf-8", "replace").decode("utf-8")
                row[name] = whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"
    return rows
