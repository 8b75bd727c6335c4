"""The plain reader of server-sent events that applications write by hand, and the paths of the APIs.

It stays apart from `windtunnel.mock_server.sse` on purpose: drivers without an SDK are the clients under test, and they
must fail as an application's few lines fail, not read what only a complete reader can.
"""

from __future__ import annotations

import json
from typing import Any, Final

from windtunnel.harness.clients.reading import JsonAnswer

PATHS: Final = {"chat": "/chat/completions", "responses": "/responses", "embeddings": "/embeddings"}
DATA: Final = "data:"
DONE: Final = "[DONE]"


def event_of(line: str) -> Any:
    """Return the JSON of a `data:` line, `DONE` where the line says so, None for any other line.

    That is all that most hand-written clients know of server-sent events. Raises ValueError for what is no JSON.
    """
    if not line.startswith(DATA):
        return None
    data = line[len(DATA) :].strip()
    return DONE if data == DONE else json.loads(data, object_hook=JsonAnswer)
