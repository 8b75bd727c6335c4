"""Generate the JSON text that a request for structured output gets."""

from __future__ import annotations

from typing import Any

import orjson

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.values import instance_text
from windtunnel.mock_server.api.text import prose
from windtunnel.mock_server.api.tools.prompted import prompted_text


def requested_format(body: dict[str, Any], *, chat: bool) -> dict[str, Any] | None:
    """The format object: `response_format` of chat completions, `text.format` of Responses."""
    if chat:
        found = body.get("response_format")
    else:
        text = body.get("text")
        found = text.get("format") if isinstance(text, dict) else None
    return found if isinstance(found, dict) else None


def requested_schema(form: dict[str, Any], *, chat: bool) -> dict[str, Any] | None:
    """The JSON schema in a format of type `json_schema`; None if it has none."""
    holder = form.get("json_schema") if chat else form
    schema = holder.get("schema") if isinstance(holder, dict) else None
    return schema if isinstance(schema, dict) else None


def json_text(body: dict[str, Any], draws: Draws, *, tokens: int, chat: bool) -> str | None:
    """The answer's text if it has to be JSON, or in a form that the prompt asks for, else None.

    With a schema, the text is valid against it and as long as it comes out; a free JSON object is made about
    `tokens` tokens long.
    """
    form = requested_format(body, chat=chat)
    kind = form.get("type") if form is not None else None
    if form is not None and kind == "json_schema":
        return instance_text(requested_schema(form, chat=chat) or {}, draws, share=body.get("n") or 1)
    prompted = prompted_text(body, draws, chat=chat)
    if prompted is not None:
        return prompted
    if kind == "json_object":
        words = b"".join(draws.raw(min(left, 512)) for left in range(tokens, 0, -512))
        return orjson.dumps({"answer": prose(words[: max(1, tokens - 4)])}).decode()
    return None
