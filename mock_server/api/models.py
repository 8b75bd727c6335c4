"""The list of models, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from mock_server.api.errors import model_not_found
from mock_server.api.headers import RequestStamp, answer_headers
from mock_server.api.truth import Choice
from mock_server.request import Request
from mock_server.script import End, FirstToken, Head, Script, Send

CREATED: Final = 1_744_316_542
LISTED: Final = (
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
)
"""What is listed by a provider that serves every model name."""


def models_script(
    request: Request, *, stamp: RequestStamp, models: Sequence[str] | None
) -> tuple[Script, list[Choice]]:
    """The answer to GET /v1/models (no model named) or /v1/models/NAME, and what it says."""
    wanted = request.model
    if wanted and models is not None and wanted not in models:
        return model_not_found(wanted).script(stamp), []
    names = [wanted] if wanted else list(models if models is not None else LISTED)
    entries = [_entry(name) for name in names]
    body = orjson.dumps(entries[0] if wanted else {"object": "list", "data": entries})
    choices: list[Choice] = [(index, name, None, (), None) for index, name in enumerate(names)]
    head = Head(200, answer_headers(stamp))
    return Script((head, FirstToken(), Send(body, 1, "terminal"), End())), choices


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}
