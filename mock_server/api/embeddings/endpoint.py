"""POST /v1/embeddings."""

from __future__ import annotations

from windtunnel.mock_server.api.embeddings.checks import check_embeddings
from windtunnel.mock_server.api.embeddings.wire import embeddings_script
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request


def answer_embeddings(request: Request, world: World) -> Answer:
    """The healthy answer to an embeddings request."""
    script, choices = embeddings_script(request, stamp=world.stamp)
    return Answer(script, digest(choices), 1, None)


ENDPOINTS = (
    Endpoint(
        name="embeddings.create",
        method="POST",
        path="/embeddings",
        api="embeddings",
        answer=answer_embeddings,
        check=check_embeddings,
    ),
)
