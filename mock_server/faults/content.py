"""Answers that are well-formed and not what was hoped for: refused, withheld, cut off."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from windtunnel.mock_server.api.text import CHARS_PER_TOKEN
from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.faults.content_in_chat import ChatDialect, CompletionsDialect
from windtunnel.mock_server.faults.content_in_responses import ResponsesDialect
from windtunnel.mock_server.faults.content_replacement import ChoiceReply, Dialect, Rewrite, replace_content
from windtunnel.mock_server.faults.json_edits import renumbered
from windtunnel.mock_server.script import Script

TEXT_APIS = ("chat", "responses", "completions")
"""The APIs whose answers are words."""

CALL_APIS = ("chat", "responses")
"""The APIs whose answers may also be refusals and tool calls."""

# Classes, not instances: a dialect remembers the answer that it has read.
_DIALECTS: dict[str, type[Dialect]] = {
    "chat": ChatDialect,
    "completions": CompletionsDialect,
    "responses": ResponsesDialect,
}


class RefusalParams(Params):
    """What is said in place of the answer."""

    message: str = Field(
        default="I'm sorry, but I can't assist with that request.",
        min_length=1,
        description="The words of the refusal.",
    )


class CutParams(Params):
    """How much of the content is left."""

    keep: float = Field(default=0.5, ge=0, lt=1, description="The part of the content that is sent.")


def rewrite(script: Script, ctx: FaultContext, change: Rewrite) -> Script:
    """Return the script with every reply changed; usage, ids and sequence numbers stay consistent."""
    reply = replace_content(script, _DIALECTS[ctx.api](), change, stream=ctx.stream)
    return renumbered(reply) if ctx.api == "responses" and ctx.stream else reply


def refusal(script: Script, params: RefusalParams, ctx: FaultContext) -> Script:
    """Every choice is a refusal; a tool call is not made."""

    def refuse(reply: ChoiceReply) -> ChoiceReply:
        return replace(reply.as_text(params.message), kind="refusal", finish="stop")

    return rewrite(script, ctx, refuse)


def _cut(script: Script, params: CutParams, ctx: FaultContext, finish: str, least: int) -> Script:
    def shorten(reply: ChoiceReply) -> ChoiceReply:
        tokens = max(least, int(reply.tokens * params.keep))
        return replace(reply, text=reply.text[: tokens * CHARS_PER_TOKEN], finish=finish)

    return rewrite(script, ctx, shorten)


def content_filter(script: Script, params: CutParams, ctx: FaultContext) -> Script:
    """Every choice is cut where the filter struck, perhaps before its first word."""
    return _cut(script, params, ctx, "content_filter", 0)


def length_cutoff(script: Script, params: CutParams, ctx: FaultContext) -> Script:
    """Every choice is cut as if a token limit had been reached; at least one token is left."""
    return _cut(script, params, ctx, "length", 1)


KINDS = (
    FaultKind(
        name="refusal",
        family="body",
        stage="answer",
        layer="content",
        params=RefusalParams,
        apply=refusal,
        apis=CALL_APIS,
        about="Status 200, `message.refusal` set and `content` null; in Responses the text part is a refusal part, "
        "with `response.refusal.*` events in a stream. A tool call is not made. The model declines, and whoever reads "
        "`content` alone finds nothing.",
        example="{fault: refusal, rate: 0.05}",
    ),
    FaultKind(
        name="content_filter",
        family="body",
        stage="answer",
        layer="content",
        params=CutParams,
        apply=content_filter,
        apis=TEXT_APIS,
        about="The content, or a tool call's arguments, stops in the middle with finish_reason `content_filter`; in "
        "Responses the response is `incomplete` with that reason. A moderation filter strikes while the answer is "
        "being written.",
        example="{fault: content_filter, with: {keep: 0.3}, rate: 0.05}",
    ),
    FaultKind(
        name="length_cutoff",
        family="body",
        stage="answer",
        layer="content",
        params=CutParams,
        apply=length_cutoff,
        apis=TEXT_APIS,
        about="The content, or a tool call's arguments, stops in the middle with finish_reason `length`; in Responses "
        "the response is `incomplete` with the reason `max_output_tokens`. A limit that is too low, or a model that "
        "does not come to an end.",
        example="{fault: length_cutoff, with: {keep: 0.5}, rate: 0.1}",
    ),
)
