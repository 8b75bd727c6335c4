"""Check the tools, the choice among them and the answer's format in a request."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import objects
from windtunnel.mock_server.api.json_schema.strict import object_problem, strict_problem
from windtunnel.mock_server.api.json_schema.values import schema_problem
from windtunnel.mock_server.api.json_schema.work import Work
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.api.tools.calls import tool_name
from windtunnel.mock_server.api.tools.structured import requested_format, requested_schema

MOST_TOOLS: Final = 128
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FORMATS: Final = ("json_object", "json_schema", "text")


def check_tools(body: dict[str, Any], *, chat: bool) -> ApiError | None:
    """`tools` and `tool_choice` of either API."""
    tools = body.get("tools")
    if tools is None or (tools == [] and not chat):
        if body.get("tool_choice") not in (None, "none", "auto"):
            message = "'tool_choice' is only allowed when 'tools' are specified."
            return ApiError(400, message, INVALID_REQUEST, "tool_choice")
        return None
    problem = objects("tools", tools, longest=MOST_TOOLS)
    work = Work()
    for at, tool in enumerate(tools) if problem is None else ():
        problem = _tool(at, tool, work, chat=chat)
        if problem is not None:
            break
    return problem or _tool_choice(body, chat=chat)


def _tool(at: int, tool: dict[str, Any], work: Work, *, chat: bool) -> ApiError | None:
    param, kind = f"tools[{at}]", tool.get("type")
    if kind is None:
        return missing_parameter(f"{param}.type")
    if kind not in ("function", "custom"):
        return invalid_value(f"{param}.type", kind, ("function", "custom")) if chat else None
    inner = tool.get(kind) if chat else tool
    if chat:
        param = f"{param}.{kind}"
        if not isinstance(inner, dict):
            return missing_parameter(param) if inner is None else invalid_type(param, "an object", inner)
    assert inner is not None
    return _function(param, inner, work)


def _function(param: str, function: dict[str, Any], work: Work) -> ApiError | None:
    """A function by its name and its schema."""
    name = function.get("name")
    if name is None:
        return missing_parameter(f"{param}.name")
    if not isinstance(name, str):
        return invalid_type(f"{param}.name", "a string", name)
    if not _NAME.fullmatch(name):
        message = (
            f"Invalid '{param}.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        return ApiError(400, message, INVALID_REQUEST, f"{param}.name", "invalid_value")
    schema = function.get("parameters")
    if schema is None:
        return None
    where = f"{param}.parameters"
    if not isinstance(schema, dict):
        return invalid_type(where, "an object", schema)
    if not schema:  # a function without parameters
        return None
    strict = function.get("strict") is True
    problem = object_problem(schema) or _schema_complaint(schema, work, strict=strict)
    if problem is None:
        return None
    message = f"Invalid schema for function '{name}': {problem}"
    return ApiError(400, message, INVALID_REQUEST, where, "invalid_function_parameters")


def _schema_complaint(schema: dict[str, Any], work: Work, *, strict: bool) -> str | None:
    return (strict_problem(schema) if strict else None) or schema_problem(schema, work)


def _tool_choice(body: dict[str, Any], *, chat: bool) -> ApiError | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    if isinstance(choice, str):
        supported = ("none", "auto", "required")
        return None if choice in supported else invalid_value("tool_choice", choice, supported)
    if not isinstance(choice, dict):
        return invalid_type("tool_choice", "one of 'none', 'auto' or 'required', or an object", choice)
    kind = choice.get("type")
    if kind == "allowed_tools":
        allowed = choice.get("allowed_tools") if chat else choice
        if not isinstance(allowed, dict):
            return missing_parameter("tool_choice.allowed_tools")
        return objects("tool_choice.tools", allowed.get("tools"))
    if kind not in ("function", "custom"):
        return invalid_value("tool_choice.type", kind, ("function", "custom")) if chat else None
    name = tool_name(choice, chat=chat)
    if not name:
        return missing_parameter(f"tool_choice.{kind}.name" if chat else "tool_choice.name")
    if all(tool_name(tool, chat=chat) != name for tool in body["tools"]):
        return ApiError(
            400, f"Tool choice '{name}' not found in 'tools' parameter.", INVALID_REQUEST, "tool_choice"
        )
    return None


def check_functions(body: dict[str, Any]) -> ApiError | None:
    """The older `functions` and `function_call` of chat completions."""
    functions, call = body.get("functions"), body.get("function_call")
    if functions is None:
        if call is None:
            return None
        message = "'function_call' is only allowed when 'functions' are specified."
        return ApiError(400, message, INVALID_REQUEST, "function_call")
    problem = objects("functions", functions, longest=MOST_TOOLS)
    work = Work()
    for at, function in enumerate(functions) if problem is None else ():
        problem = problem or _function(f"functions[{at}]", function, work)
    if problem is not None or call is None or call in ("none", "auto"):
        return problem
    name = call.get("name") if isinstance(call, dict) else call
    if not any(function["name"] == name for function in functions):
        message = f"Function call '{name}' not found in 'functions' parameter."
        return ApiError(400, message, INVALID_REQUEST, "function_call")
    return None


def check_format(body: dict[str, Any], *, chat: bool) -> ApiError | None:
    """`response_format` of chat completions, `text.format` of Responses."""
    outer = "response_format" if chat else "text"
    if body.get(outer) is None:
        return None
    if not isinstance(body[outer], dict):
        return invalid_type(outer, "an object", body[outer])
    param = outer if chat else "text.format"
    form = requested_format(body, chat=chat)
    if form is None:
        return None
    kind = form.get("type")
    if kind is None:
        return missing_parameter(f"{param}.type")
    if kind not in _FORMATS:
        return invalid_value(f"{param}.type", kind, _FORMATS)
    if kind == "json_schema":
        return _json_schema(form, param, chat=chat)
    if kind == "json_object" and not _speaks_of_json(body, chat=chat):
        name = "messages" if chat else "input"
        message = (
            f"'{name}' must contain the word 'json' in some form, to use '{param}' of type 'json_object'."
        )
        return ApiError(400, message, INVALID_REQUEST, name)
    return None


def _json_schema(form: dict[str, Any], param: str, *, chat: bool) -> ApiError | None:
    holder: Any = form.get("json_schema") if chat else form
    inner = f"{param}.json_schema" if chat else param
    if not isinstance(holder, dict):
        return missing_parameter(inner) if holder is None else invalid_type(inner, "an object", holder)
    name = holder.get("name")
    if not isinstance(name, str):
        param = f"{inner}.name"
        return missing_parameter(param) if name is None else invalid_type(param, "a string", name)
    schema = requested_schema(form, chat=chat)
    if schema is None:
        if chat and "schema" not in holder:  # the API takes it for any object
            return None
        return missing_parameter(f"{inner}.schema")
    problem = _schema_complaint(schema, Work(), strict=holder.get("strict") is True)
    if problem is None:
        return None
    message = f"Invalid schema for response_format '{name}': {problem}"
    where, code = (param, None) if chat else (f"{param}.schema", "invalid_json_schema")
    return ApiError(400, message, INVALID_REQUEST, where, code)


def _speaks_of_json(body: dict[str, Any], *, chat: bool) -> bool:
    texts = [body.get("messages")] if chat else [body.get("input"), body.get("instructions")]
    return b"json" in orjson.dumps(texts).lower()


def tool_tokens(body: dict[str, Any]) -> int:
    """What the descriptions of tools add to the prompt."""
    given = [body[name] for name in ("tools", "functions") if body.get(name)]
    return tokens_in(orjson.dumps(given).decode()) if given else 0
