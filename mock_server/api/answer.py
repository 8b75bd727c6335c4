"""The healthy answer to a request, as a script, together with the truth about it."""

from __future__ import annotations

from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.request import Request


def answer(request: Request, world: World) -> Answer:
    """The answer to a request without a problem. Raises KeyError for an endpoint that does not exist."""
    return ENDPOINTS[request.endpoint].answer(request, world)


__all__ = ["Answer", "World", "answer"]
