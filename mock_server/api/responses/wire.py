"""The Responses API on the wire: a `response` object in every state of its life, and the answer in one piece."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from windtunnel.mock_server.api.chat.moderation import moderation_result
from windtunnel.mock_server.api.headers import JSON, RequestStamp, answer_headers
from windtunnel.mock_server.api.responses.items import PLAIN, View, item, response_id, view_of
from windtunnel.mock_server.api.responses.output import Generation
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Tokens

State: TypeAlias = Literal["queued", "in_progress", "ended", "cancelled"]
"""`ended` is completed or incomplete, as the response came out."""

_ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that a response repeats, with what they are when the request has none."""

_RARE: Final = frozenset(
    (
        *("access_programs", "conversation", "image", "moderation", "prompt", "prompt_cache_options"),
        *("prompt_cache_retention", "service_tier"),
    )
)
"""Fields that a response has only where the request has them, or says otherwise than the request."""

PROMPTED: Final = "gpt-4.1"
"""The model of a prompt template, where the request names none."""


class ResponseSource(NamedTuple):
    """What a response is made of, at any time and in any view.

    `created` is Unix seconds, `prompt_tokens` the whole context: what the request holds and what it goes on from.
    """

    request: Request
    generation: Generation
    created: int
    prompt_tokens: int
    tokens_per_chunk: int


def response_object(
    source: ResponseSource,
    state: State,
    *,
    view: View | None = None,
    spoken: int | None = None,
    completed_at: int | None = None,
) -> dict[str, Any]:
    """A response in some state. `spoken` is how many tokens are generated of one in progress: the items that are
    done by then are shown. `completed_at` is Unix seconds; None: as soon as it was created."""
    view = view_of(source.request) if view is None else view
    response = started(source, "queued" if state == "queued" else "in_progress")
    if state == "ended":
        return ended(source, response, view, completed_at)
    if state == "cancelled":
        return response | {"status": "cancelled"}
    at = 0
    for number, output in enumerate(source.generation.outputs):
        at += output.tokens
        if spoken is None or at > spoken:
            break
        response["output"].append(item(source.generation, number, view, done=True))
    return response


def started(source: ResponseSource, status: str = "in_progress") -> dict[str, Any]:
    """The response as it is before there is anything of it."""
    request = source.request
    body = request.body
    response = {
        "id": response_id(source.generation),
        "object": "response",
        "created_at": source.created,
        "status": status,
        "background": bool(body.get("background")),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": request.model or PROMPTED,
        "output": [],
        "service_tier": "default",
        "usage": None,
        **_ECHOED,
    }
    for name in _ECHOED.keys() & body.keys():
        if body[name] is not None:
            response[name] = body[name]
    if body.get("tools"):
        response["tools"] = [_echoed_tool(tool) for tool in body["tools"]]
    if body.get("text"):
        response["text"] = {"format": {"type": "text"}, **body["text"]}
    if body.get("reasoning"):
        response["reasoning"] = {"effort": None, "summary": None, **body["reasoning"]}
    return response if _RARE.isdisjoint(body) else response | _rare(body)


def ended(
    source: ResponseSource, response: dict[str, Any], view: View, completed_at: int | None = None
) -> dict[str, Any]:
    """A started response, changed to what it is when it is over."""
    generation = source.generation
    response["output"] = [item(generation, at, view, done=True) for at in range(len(generation.outputs))]
    response["usage"] = usage(source)
    if source.request.body.get("moderation") is not None:
        response["moderation"] = _moderation(source)
    if generation.finish == "length":
        response["status"] = "incomplete"
        response["incomplete_details"] = {"reason": "max_output_tokens"}
    else:
        response["status"] = "completed"
        response["completed_at"] = source.created if completed_at is None else completed_at
    return response


def whole_script(source: ResponseSource, stamp: RequestStamp) -> Script:
    """The healthy answer in one piece."""
    body = orjson.dumps(ended(source, started(source), view_of(source.request)))
    tokens = source.generation.tokens
    work = (FirstToken(), Tokens(tokens - 1)) if tokens > 1 else (FirstToken(),)
    return Script((Head(200, answer_headers(stamp, JSON)), *work, Send(body, tokens, "terminal"), End()))


def queued_script(source: ResponseSource, stamp: RequestStamp) -> Script:
    """Return the immediate answer to a request whose response is made in the background."""
    body = orjson.dumps(response_object(source, "queued", view=PLAIN))
    return Script((Head(200, answer_headers(stamp, JSON)), Send(body, 0, "terminal"), End()))


def _echoed_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A function tool is repeated with its defaults filled in, an MCP server without what it is unlocked with."""
    if tool.get("type") == "mcp":
        return {name: value for name, value in tool.items() if name not in ("authorization", "headers")}
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}


def _rare(body: dict[str, Any]) -> dict[str, Any]:
    """What only some responses have."""
    given = {name: body[name] for name in _RARE & body.keys() if body[name] is not None}
    given.pop("moderation", None)  # its results are there in the end
    if "conversation" in given:
        given["conversation"] = {"id": reference_id(given["conversation"])}
    if given.get("service_tier") == "auto":
        given["service_tier"] = "default"
    if "image" in given:
        compression = given["image"].get("context_compression")
        given["image"] = {"context_compression": "disabled" if compression == "disabled" else "enabled"}
    if "prompt_cache_options" in given:
        options = {"mode": "implicit", "ttl": "30m", **given["prompt_cache_options"]}
        options.pop("prewarm", None)
        given["prompt_cache_options"] = options
        if options.get("comparison_response_id"):
            given["prompt_cache_diagnostics"] = {"type": "unavailable"}
    return given


def reference_id(given: str | dict[str, Any]) -> str:
    """The id in a reference to a conversation, which is the id alone or an object that holds it."""
    return given if isinstance(given, str) else str(given["id"])


def usage(source: ResponseSource) -> dict[str, Any]:
    """What a response is billed as."""
    prompt, output = source.prompt_tokens, source.generation.tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": source.generation.reasoning},
        "total_tokens": prompt + output,
    }


def _moderation(source: ResponseSource) -> dict[str, Any]:
    """Return the moderation results of input and output, in which nothing is flagged."""
    body = source.request.body
    model = body["moderation"].get("model") or "omni-moderation-latest"
    generated = source.generation.base.encode()
    return {
        "input": moderation_result(model, orjson.dumps(body.get("input"))),
        "output": moderation_result(model, generated),
    }
