"""Tool calls that cannot be made: arguments that do not parse, a tool that was not offered."""

from __future__ import annotations

import orjson
from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Params
from windtunnel.mock_server.faults.content import CALL_APIS, rewrite
from windtunnel.mock_server.faults.content_replacement import CALL_KINDS, ChoiceReply
from windtunnel.mock_server.faults.json_edits import read_json
from windtunnel.mock_server.script import Script

_NAME = r"^[A-Za-z0-9_-]{1,64}$"


class BadArgumentsParams(Params):
    """Which tool is called where none was."""

    name: str = Field(
        default="lookup",
        pattern=_NAME,
        description="The tool that is called where the healthy answer calls none.",
    )


class UnknownToolParams(Params):
    """Which tool is called."""

    name: str = Field(default="undefined_tool", pattern=_NAME, description="The tool that is called.")


def bad_tool_arguments(script: Script, params: BadArgumentsParams, ctx: FaultContext) -> Script:
    """Every call's arguments lack their end, so that they are no JSON."""

    def spoil(reply: ChoiceReply) -> ChoiceReply:
        if reply.kind == "refusal":
            return reply
        call = reply if reply.kind in CALL_KINDS else reply.as_call(params.name, _arguments(reply))
        return call.as_call(call.name or params.name, _broken(call.text))

    return rewrite(script, ctx, spoil)


def _arguments(reply: ChoiceReply) -> str:
    """Arguments for a call that was made of words."""
    return orjson.dumps({"text": reply.text}).decode()


def _broken(arguments: str) -> str:
    shorter = arguments[:-1]
    return shorter if shorter and read_json(shorter) is None else "{"


def unknown_tool(script: Script, params: UnknownToolParams, ctx: FaultContext) -> Script:
    """Every call goes to a tool of another name, its arguments as they were; words become such a call."""

    def rename(reply: ChoiceReply) -> ChoiceReply:
        if reply.kind == "refusal":
            return reply
        return reply.as_call(params.name, reply.text if reply.kind in CALL_KINDS else _arguments(reply))

    return rewrite(script, ctx, rename)


KINDS = (
    FaultKind(
        name="bad_tool_arguments",
        family="body",
        stage="answer",
        layer="content",
        params=BadArgumentsParams,
        apply=bad_tool_arguments,
        apis=CALL_APIS,
        about="The arguments of the tool call lack their last character and do not parse; a custom tool's input lacks "
        "it as well. Of several calls the first one is made; an answer in words becomes a call of the tool `name`. A "
        "model that loses count of its braces.",
        example="{fault: bad_tool_arguments, rate: 0.1}",
    ),
    FaultKind(
        name="unknown_tool",
        family="body",
        stage="answer",
        layer="content",
        params=UnknownToolParams,
        apply=unknown_tool,
        apis=CALL_APIS,
        about="The answer calls a tool that nobody offered, with the arguments of the healthy call; an answer in words "
        'becomes such a call with `{"text": …}`. A model that makes a tool up, or remembers one from elsewhere.',
        example="{fault: unknown_tool, with: {name: search_everything}, rate: 0.1}",
    ),
)
