"""Requests as they are read, and the errors of those that are refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.api.chat.checks import FIELDS as CHAT_FIELDS
from windtunnel.mock_server.api.completions.checks import FIELDS as LEGACY_FIELDS
from windtunnel.mock_server.api.embeddings.checks import FIELDS as EMBEDDING_FIELDS
from windtunnel.mock_server.api.parse import key_hash, parse
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Head

KEY = {"authorization": "Bearer sk-secret"}
USER = {"role": "user", "content": "Hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FUNCTION = {"type": "function", "function": {"name": "f"}}


def refused(wire: Any, request: Request) -> tuple[int, dict[str, Any]]:
    """The status and the error of a request with a problem, whose form is checked on the way."""
    assert request.problem is not None
    body = wire.json(request.problem)
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    head = request.problem.steps[0]
    assert dict(head.headers)["x-request-id"].startswith("req_")
    return head.status, body["error"]


def test_a_request_is_read_whole(wire: Any) -> None:
    """Everything that the engine and the journal need is there; the key is not."""
    headers = {
        **KEY,
        "x-windtunnel-call": "c12",
        "x-windtunnel-attempt": "1",
        "x-stainless-retry-count": "2",
        "x-stainless-package-version": "3.52.0",
        "user-agent": "OpenAI/Python",
        "x-windtunnel-fault": "hang",
    }
    body = orjson.dumps({"model": "m", "messages": [USER], "stream": True, "max_completion_tokens": 9})
    request = parse("POST", "/v1/chat/completions?api-version=1", headers, body, region="us-east")
    assert request.problem is None
    assert (request.api, request.model, request.region, request.stream) == ("chat", "m", "us-east", True)
    assert (request.call_id, request.client_attempt, request.sdk_retry_count) == ("c12", 1, 2)
    assert (request.user_agent, request.sdk_version) == ("OpenAI/Python", "3.52.0")
    assert (request.fault_header, request.max_tokens, request.prompt_tokens) == ("hang", 9, 1)
    assert request.key_hash == key_hash("sk-secret")
    assert "sk-secret" not in repr(request)


def test_keys_are_told_apart_by_a_stable_hash() -> None:
    """The hash of a key is 16 hex digits, the same in every process, and differs between keys."""
    assert key_hash("sk-secret") == "d89f9350e6991398"
    assert key_hash("sk-secret") != key_hash("sk-other")


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Basic abc", "sk-secret"])
def test_a_request_without_a_bearer_key_is_refused(wire: Any, authorization: str | None) -> None:
    """Without a Bearer key every path answers 401, whatever the body."""
    headers = {} if authorization is None else {"authorization": authorization}
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/nowhere")):
        status, error = refused(wire, parse(method, path, headers, b"{", region="local"))
        assert status == 401
        assert error["message"].startswith("You didn't provide an API key.")


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "code"),
    [
        ("POST", "/v1/chat/completion", 404, "Invalid URL (POST /v1/chat/completion)", None),
        ("GET", "/", 404, "Invalid URL (GET /)", None),
        ("POST", "/v1/complete", 404, "Invalid URL (POST /v1/complete)", None),
        ("GET", "/v1/chat/completions/", 404, "Invalid URL (GET /v1/chat/completions/)", None),
        ("PUT", "/v1/chat/completions", 405, "Only POST, GET requests are accepted.", "method_not_supported"),
        ("GET", "/v1/completions", 405, "Only POST requests are accepted.", "method_not_supported"),
        ("PATCH", "/v1/models/a/b", 405, "Only GET, DELETE requests are accepted.", "method_not_supported"),
        ("DELETE", "/v1/embeddings", 405, "Only POST requests are accepted.", "method_not_supported"),
        ("POST", "/v1/models", 405, "Only GET requests are accepted.", "method_not_supported"),
    ],
)
def test_wrong_places_are_refused(
    wire: Any, method: str, path: str, status: int, message: str, code: str | None
) -> None:
    """An unknown path is a 404, a known path with another method a 405, both in the API's form."""
    found, error = refused(wire, parse(method, path, KEY, b"", region="local"))
    assert (found, error["message"], error["code"]) == (status, message, code)
    assert error["type"] == "invalid_request_error"
    assert request_allows(method, path) == (message.split()[1:-3] if found == 405 else [])


def request_allows(method: str, path: str) -> list[str]:
    """The methods that the answer's `allow` header names, as words."""
    problem = parse(method, path, KEY, b"", region="local").problem
    assert problem is not None
    head = problem.steps[0]
    assert isinstance(head, Head)
    return dict(head.headers).get("allow", "").split()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("HEAD", "/v1/models", KEY, 200),
        ("HEAD", "/v1/chat/completions/chatcmpl-1", KEY, 200),
        ("HEAD", "/v1/embeddings", KEY, 405),
        ("HEAD", "/nowhere", KEY, 404),
        ("HEAD", "/v1/models", {}, 401),
        ("OPTIONS", "/v1/embeddings", {}, 200),
        ("OPTIONS", "/nowhere", KEY, 404),
    ],
)
def test_head_and_options_have_no_body(
    wire: Any, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """HEAD has the status of GET; OPTIONS needs no key and says which methods a path takes, to browsers too."""
    problem = parse(method, path, headers, b"", region="local").problem
    assert problem is not None
    assert (problem.status, wire.bytes(problem)) == (status, b"")
    if method == "OPTIONS" and status == 200:
        head = problem.steps[0]
        assert isinstance(head, Head)
        given = dict(head.headers)
        assert (given["allow"], given["access-control-allow-origin"]) == ("OPTIONS, POST", "*")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":}', b"nope"])
def test_a_body_that_is_not_json_is_refused(wire: Any, body: bytes) -> None:
    """Bytes that are no JSON give the API's own message about it."""
    status, error = refused(wire, parse("POST", "/v1/responses", KEY, body, region="local"))
    assert status == 400
    assert error["message"].startswith("We could not parse the JSON body of your request.")


BAD: list[tuple[str, dict[str, Any], str | None, str | None, str]] = [
    ("chat", {"model": None}, None, None, "you must provide a model parameter"),
    ("chat", {"model": 3}, "model", "invalid_type", "expected a string, but got an integer"),
    ("chat", {"messages": None}, "messages", "missing_required_parameter", "Missing required parameter"),
    ("chat", {"messages": "Hi"}, "messages", "invalid_type", "an array of objects, but got a string"),
    ("chat", {"messages": []}, "messages", "empty_array", "minimum length 1"),
    ("chat", {"messages": ["Hi"]}, "messages[0]", "invalid_type", "an object"),
    ("chat", {"messages": [{}]}, "messages[0].role", "missing_required_parameter", "role"),
    ("chat", {"messages": [{"role": "bot"}]}, "messages[0].role", "invalid_value", "Invalid value: 'bot'."),
    ("chat", {"messages": [{"role": 1}]}, "messages[0].role", "invalid_type", "a string"),
    ("chat", {"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter", ""),
    ("chat", {"messages": [USER | {"content": None}]}, "messages.[0].content", None, "got null"),
    ("chat", {"messages": [USER | {"content": 1}]}, "messages[0].content", "invalid_type", "an integer"),
    ("chat", {"messages": [USER | {"content": [{}]}]}, "messages[0].content[0].type", None, ""),
    ("chat", {"messages": [{"role": "tool", "content": "x"}]}, "messages.[0].tool_call_id", None, ""),
    (
        "chat",
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]},
        "messages.[0].role",
        None,
        "must be a response to a preceding message",
    ),
    (
        "chat",
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}, USER]},
        "messages.[1].role",
        None,
        "did not have response messages: a",
    ),
    ("chat", {"stream": "yes"}, "stream", "invalid_type", "a boolean, but got a string"),
    ("chat", {"n": 0}, "n", "integer_below_min_value", "Expected a value >= 1, but got 0"),
    ("chat", {"n": 129}, "n", "integer_above_max_value", "Expected a value <= 128, but got 129"),
    ("chat", {"n": True}, "n", "invalid_type", "an integer, but got a boolean"),
    ("chat", {"max_tokens": 0}, "max_tokens", "integer_below_min_value", ""),
    (
        "chat",
        {"max_tokens": 1, "max_completion_tokens": 1},
        "max_tokens",
        "invalid_parameter_combination",
        "",
    ),
    ("chat", {"temperature": 2.5}, "temperature", "decimal_above_max_value", "<= 2, but got 2.5"),
    ("chat", {"stop": list("abcde")}, "stop", "array_above_max_length", "maximum length 4"),
    ("chat", {"stop": 3}, "stop", "invalid_type", ""),
    ("chat", {"stream_options": {"include_usage": True}}, "stream_options", None, "when 'stream' is enabled"),
    ("chat", {"service_tier": "slow"}, "service_tier", "invalid_value", "'auto'"),
    ("chat", {"tool_choice": "required"}, "tool_choice", None, "only allowed when 'tools' are specified"),
    ("chat", {"tools": []}, "tools", "empty_array", ""),
    ("chat", {"tools": [{}]}, "tools[0].type", "missing_required_parameter", ""),
    ("chat", {"tools": [{"type": "web"}]}, "tools[0].type", "invalid_value", ""),
    ("chat", {"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter", ""),
    ("chat", {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", None, ""),
    (
        "chat",
        {"tools": [{"type": "function", "function": {"name": "a b"}}]},
        "tools[0].function.name",
        "invalid_value",
        "^[a-zA-Z0-9_-]+$",
    ),
    (
        "chat",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f'",
    ),
    ("chat", {"tools": [FUNCTION], "tool_choice": "always"}, "tool_choice", "invalid_value", ""),
    ("chat", {"tools": [FUNCTION], "tool_choice": 1}, "tool_choice", "invalid_type", ""),
    (
        "chat",
        {"tools": [FUNCTION], "tool_choice": {"type": "function"}},
        None,
        None,
        "tool_choice.function.name",
    ),
    (
        "chat",
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        None,
        "Tool choice 'g' not found",
    ),
    ("chat", {"function_call": "auto"}, "function_call", None, "only allowed when 'functions'"),
    ("chat", {"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call", None, "'g'"),
    ("chat", {"response_format": "json"}, "response_format", "invalid_type", ""),
    ("chat", {"response_format": {}}, "response_format.type", "missing_required_parameter", ""),
    ("chat", {"response_format": {"type": "xml"}}, "response_format.type", "invalid_value", "'json_object'"),
    ("chat", {"response_format": {"type": "json_object"}}, "messages", None, "the word 'json'"),
    ("chat", {"response_format": {"type": "json_schema"}}, "response_format.json_schema", None, ""),
    (
        "chat",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": []}}}},
        "response_format",
        None,
        "Invalid schema for response_format 'a'",
    ),
    ("responses", {"model": None}, "model", "missing_required_parameter", ""),
    ("responses", {"input": None}, None, "missing_required_parameter", 'One of "input"'),
    ("responses", {"input": 1}, "input", "invalid_type", ""),
    ("responses", {"input": [1]}, "input[0]", "invalid_type", ""),
    ("responses", {"input": [{"content": "x"}]}, "input[0].role", "missing_required_parameter", ""),
    ("responses", {"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter", ""),
    ("responses", {"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value", ">= 16"),
    ("responses", {"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema", None, ""),
    (
        "responses",
        {
            "text": {
                "format": {"type": "json_schema", "name": "a", "schema": {"type": "array"}, "strict": True}
            }
        },
        "text.format.schema",
        "invalid_json_schema",
        "got 'type: \"array\"'",
    ),
    ("embeddings", {"model": None}, None, None, "you must provide a model parameter"),
    ("embeddings", {"input": None}, "input", "missing_required_parameter", ""),
    ("embeddings", {"input": ""}, None, None, "'$.input' is invalid"),
    ("embeddings", {"input": []}, None, None, "'$.input' is invalid"),
    ("embeddings", {"input": ["a", 1]}, None, None, "'$.input' is invalid"),
    ("embeddings", {"input": {"a": 1}}, "input", "invalid_type", ""),
    ("embeddings", {"input": ["a"] * 2049}, "input", "array_above_max_length", "2048"),
    ("embeddings", {"encoding_format": "hex"}, "encoding_format", "invalid_value", ""),
    ("embeddings", {"dimensions": 1537}, "dimensions", "integer_above_max_value", ""),
    ("embeddings", {"dimensions": 8, "model": "text-embedding-ada-002"}, None, None, "specifying dimensions"),
]


@pytest.mark.parametrize(("api", "body", "param", "code", "message"), BAD)
def test_bad_bodies_are_refused_in_the_apis_form(
    wire: Any, api: str, body: dict[str, Any], param: str | None, code: str | None, message: str
) -> None:
    """Each bad body is a 400 whose message, param and code say what is wrong."""
    status, error = refused(wire, wire.ask(api, **body))
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert message in error["message"]
    if param is not None:
        assert error["param"] == param
    if code is not None:
        assert error["code"] == code


FIELDS = st.sampled_from(
    [
        *("model", "messages", "input", "stream", "n", "max_tokens", "stop", "tools", "tool_choice", "type"),
        *("function", "name", "parameters", "strict", "role", "content", "tool_calls", "tool_call_id", "id"),
        *("text", "format", "response_format", "json_schema", "schema", "properties", "required", "items"),
        *("anyOf", "$ref", "enum", "pattern", "functions", "function_call", "stream_options", "dimensions"),
        *("logprobs", "top_logprobs", "modalities", "audio", "prediction", "moderation", "reasoning_effort"),
        *("web_search_options", "parallel_tool_calls", "metadata", "store", "prompt", "echo", "suffix"),
    ]
)
TAKEN = {
    "/v1/chat/completions": st.sampled_from(list(CHAT_FIELDS)),
    "/v1/completions": st.sampled_from(list(LEGACY_FIELDS)),
    "/v1/embeddings": st.sampled_from(list(EMBEDDING_FIELDS)),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


VALID: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "m", "messages": [USER]},
    "/v1/responses": {"model": "m", "input": "Hi"},
    "/v1/embeddings": {"model": "m", "input": "Hi"},
    "/v1/completions": {"model": "m", "prompt": "Hi"},
}


@given(path=st.sampled_from(list(VALID)), data=st.data(), valid=st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_body_makes_the_server_fail(wire: Any, path: str, data: st.DataObject, valid: bool) -> None:
    """Any JSON either is refused in the API's form or has an answer."""
    names = TAKEN.get(path, FIELDS)
    fields = data.draw(st.dictionaries(names, JSON, max_size=5))
    body = {**(VALID[path] if valid else {}), **fields}
    request = parse("POST", path, KEY, orjson.dumps(body), region="local")
    if request.problem is not None:
        assert refused(wire, request)[0] == 400
    else:
        assert wire.reply(request, tokens=5, tool_calls="offered").tokens >= 1
