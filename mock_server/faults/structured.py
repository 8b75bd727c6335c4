"""Structured outputs that are none: the envelope is right, the content is no JSON, or JSON of another shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams
from windtunnel.mock_server.faults.content import TEXT_APIS, rewrite
from windtunnel.mock_server.faults.content_replacement import ChoiceReply
from windtunnel.mock_server.faults.json_edits import read_json
from windtunnel.mock_server.faults.shapes import retyped
from windtunnel.mock_server.script import Script


def non_json_content(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """The content stands in a fence with a polite sentence before it; a call's arguments come as words too."""

    def chat_about(reply: ChoiceReply) -> ChoiceReply:
        if reply.kind == "refusal":
            return reply
        return reply.as_text(f"Sure, here is the JSON you asked for:\n\n```json\n{reply.text}\n```")

    return rewrite(script, ctx, chat_about)


def schema_violation(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """The content (or a call's arguments) is JSON with values of other types and a key outside its schema."""

    def violate(reply: ChoiceReply) -> ChoiceReply:
        if reply.kind == "refusal":
            return reply
        return replace(reply, text=orjson.dumps(_violation(reply.text)).decode())

    return rewrite(script, ctx, violate)


def _violation(text: str) -> dict[str, Any]:
    found = read_json(text)
    if not isinstance(found, dict):
        return {"unexpected": text if found is None else found}
    return {**{key: retyped(value) for key, value in found.items()}, "unexpected": True}


KINDS = (
    FaultKind(
        name="non_json_content",
        family="body",
        stage="answer",
        layer="content",
        params=NoParams,
        apply=non_json_content,
        apis=TEXT_APIS,
        about="The envelope is right, and the content is no JSON: a sentence, then the healthy content in a Markdown "
        "fence. A tool call comes as such words, too; content that was prose is treated alike, since a match cannot "
        "ask for structured outputs. A model without strict mode, or one that forgets it.",
        example="{fault: non_json_content, rate: 0.1}",
    ),
    FaultKind(
        name="schema_violation",
        family="body",
        stage="answer",
        layer="content",
        params=NoParams,
        apply=schema_violation,
        apis=TEXT_APIS,
        about="The content, or a tool call's arguments, is JSON that breaks its schema: every value of the object has "
        'another type, and there is a key `unexpected`. Content that was no JSON object becomes `{"unexpected": …}`. '
        "Schemas that are sent and not enforced; a newer model under the same name.",
        example="{fault: schema_violation, rate: 0.1}",
    ),
)
