"""POST /v1/embeddings."""

from __future__ import annotations

from typing import Final

from windtunnel.mock_server.api.embeddings.checks import check_embeddings
from windtunnel.mock_server.api.embeddings.wire import dimensions_of, embeddings_script, inputs_of, vectors
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, Preparation, World
from windtunnel.mock_server.request import Request


def answer_embeddings(request: Request, world: World) -> Answer:
    """The healthy answer to an embeddings request."""
    script, truth = embeddings_script(request, world.prepared, stamp=world.stamp)
    return Answer(script, truth, 1, None)


_LITTLE: Final = 20_000
"""Components that are made at once, in some milliseconds."""

_FEW_TOKENS: Final = 4_000

_FLOAT_BYTES: Final = 22
_BASE64_BYTES: Final = 6


def _components(request: Request) -> int:
    return len(inputs_of(request.body)) * dimensions_of(request)


def _prepare(request: Request, world: World) -> Preparation | None:
    """Make many vectors one by one."""
    little = _components(request) <= _LITTLE and request.prompt_tokens <= _FEW_TOKENS
    return None if little else vectors(request)


def _outgoing(request: Request, world: World) -> int:
    each = _BASE64_BYTES if request.body.get("encoding_format") == "base64" else _FLOAT_BYTES
    return _components(request) * each


ENDPOINTS = (
    Endpoint(
        name="embeddings.create",
        method="POST",
        path="/embeddings",
        api="embeddings",
        answer=answer_embeddings,
        check=check_embeddings,
        prepare=_prepare,
        outgoing=_outgoing,
    ),
)
