"""The table of all endpoints: how a request's path finds its row, and the row its healthy answer.

/v1/files/file-1/content ─► Found(endpoint "files.content", ids ("file-1",))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from windtunnel.mock_server.api import models, moderations
from windtunnel.mock_server.api.batches import endpoint as batches
from windtunnel.mock_server.api.chat import endpoint as chat_endpoint
from windtunnel.mock_server.api.chat import stored as stored_chat
from windtunnel.mock_server.api.completions import endpoint as completions
from windtunnel.mock_server.api.conversations import endpoint as conversations
from windtunnel.mock_server.api.embeddings import endpoint as embeddings_endpoint
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.files import endpoint as files
from windtunnel.mock_server.api.files import uploads
from windtunnel.mock_server.api.media import audio, images
from windtunnel.mock_server.api.responses import endpoint as responses_endpoint
from windtunnel.mock_server.api.responses import stored as stored_responses
from windtunnel.mock_server.request import Request

ENDPOINTS: Final[dict[str, Endpoint]] = {
    endpoint.name: endpoint
    for module in (
        chat_endpoint,
        stored_chat,
        responses_endpoint,
        stored_responses,
        conversations,
        completions,
        embeddings_endpoint,
        moderations,
        models,
        images,
        audio,
        files,
        uploads,
        batches,
    )
    for endpoint in module.ENDPOINTS
}


def healthy_answer(request: Request, world: World) -> Answer:
    """Return the answer to a request without a problem, as the API gives it when nothing is wrong.

    Raises KeyError for an endpoint that does not exist.
    """
    return ENDPOINTS[request.endpoint].answer(request, world)


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A row of the table, and the ids in the path."""

    endpoint: Endpoint
    ids: tuple[str, ...] = ()


_EXACT: Final[dict[tuple[str, str], RouteMatch]] = {
    (endpoint.method, f"/v1{endpoint.path}"): RouteMatch(endpoint)
    for endpoint in ENDPOINTS.values()
    if "{" not in endpoint.path
}
_NAMED: Final[dict[int, list[tuple[tuple[str, ...], Endpoint]]]] = {}
for _endpoint in ENDPOINTS.values():
    if "{" in _endpoint.path:
        _segments = tuple(f"v1{_endpoint.path}".split("/"))
        _NAMED.setdefault(len(_segments), []).append((_segments, _endpoint))


def find(method: str, route: str) -> RouteMatch | tuple[str, ...]:
    """The row for a path without its query, or the methods that the path takes instead (none: no such path)."""
    exact = _EXACT.get((method, route))
    if exact is not None:
        return exact
    allowed = [known for known, path in _EXACT if path == route]
    if allowed:
        return tuple(allowed)
    segments = route.removeprefix("/").split("/")
    for pattern, endpoint in _NAMED.get(len(segments), ()):
        ids = _match(pattern, segments)
        if ids is None:
            continue
        if endpoint.method == method:
            return RouteMatch(endpoint, ids)
        allowed.append(endpoint.method)
    # A model's name may hold slashes: fine-tuned ones have them after their owner's name.
    if route.startswith("/v1/models/") and len(segments) > 3:
        return find_model(method, route)
    return tuple(dict.fromkeys(allowed))


def find_model(method: str, route: str) -> RouteMatch | tuple[str, ...]:
    """The row of one model, whose name is the whole rest of the path."""
    rows = [endpoint for endpoint in ENDPOINTS.values() if endpoint.path == "/models/{model}"]
    name = unquote(route.removeprefix("/v1/models/"))
    return next(
        (RouteMatch(row, (name,)) for row in rows if row.method == method), tuple(row.method for row in rows)
    )


def _match(pattern: tuple[str, ...], segments: list[str]) -> tuple[str, ...] | None:
    ids = []
    for expected, found in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            if not found:
                return None
            ids.append(unquote(found))
        elif expected != found:
            return None
    return tuple(ids)
