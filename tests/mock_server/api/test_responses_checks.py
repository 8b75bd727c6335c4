"""Which requests the Responses API takes, and what it says about the others."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import (
    input_token_count_params,
    response_compact_params,
    response_create_params,
    response_includable,
)
from openai.types.responses.response_output_item import ResponseOutputItem
from openai.types.responses.tool import Tool

from tests.mock_server.api.responses_bodies import Api, json_of
from windtunnel.mock_server.api.endpoint import World
from windtunnel.mock_server.api.responses.checks import (
    ITEMS,
    check_compact,
    check_input_tokens,
    check_responses,
)
from windtunnel.mock_server.api.responses.option_checks import COMPACTED, COUNTED, FIELDS, INCLUDABLE
from windtunnel.mock_server.api.responses.tool_checks import TOOLS
from windtunnel.mock_server.api.routes import ENDPOINTS

ASK = {"model": "gpt-4.1", "input": "Speak."}
USER = {"role": "user", "content": "Hi"}


def names(union: Any) -> set[str]:
    """The `type`s of a discriminated union of the SDK."""
    kinds: set[str] = set()
    for member in union.__args__[0].__args__:
        kinds |= set(member.model_fields["type"].annotation.__args__)
    return kinds


def test_the_tables_are_the_sdks() -> None:
    """Fields, types of tools and what can be included are exactly those that the SDK knows."""
    base = response_create_params.ResponseCreateParamsBase.__annotations__
    assert set(FIELDS) == {*base, "stream"}
    assert set(COUNTED) == set(input_token_count_params.InputTokenCountParams.__annotations__)
    assert set(COMPACTED) == set(response_compact_params.ResponseCompactParams.__annotations__)
    assert set(INCLUDABLE) == set(response_includable.ResponseIncludable.__args__)  # type: ignore[attr-defined]  # typing has no name for it
    assert set(TOOLS) == names(Tool)
    assert names(ResponseOutputItem) <= set(ITEMS)


BAD: list[tuple[dict[str, Any], str | None, str | None, str]] = [
    ({"model": None}, "model", "missing_required_parameter", "'model'"),
    ({"model": None, "zzz": 1}, "model", "missing_required_parameter", "'model'"),
    ({"zzz": 1, "truncation": "no"}, "zzz", "unknown_parameter", "Unknown parameter: 'zzz'."),
    ({"sto": 1}, "sto", "unknown_parameter", "Unknown parameter: 'sto'. Did you mean 'store'?"),
    ({"stre": 1}, "stre", "unknown_parameter", "Did you mean 'store' or 'stream'?"),
    ({"strem": 1}, "strem", "unknown_parameter", "Did you mean 'stream' or 'store'?"),
    ({"inpu": 1}, "inpu", "unknown_parameter", "Unknown parameter: 'inpu'."),
    ({"text": {"zzz": 1}}, "text.zzz", "unknown_parameter", "'text.zzz'"),
    ({"text": {"verbosity": "no"}}, "text.verbosity", "invalid_value", "'low', 'medium', and 'high'."),
    ({"reasoning": {"effort": "no"}}, "reasoning.effort", "invalid_value", "'none', 'minimal', 'low'"),
    ({"reasoning": "low"}, "reasoning", "invalid_type", "an object"),
    ({"stream_options": {"include_usage": True}}, "stream_options.include_usage", "unknown_parameter", ""),
    ({"stream_options": {}}, "stream_options", None, "only allowed when 'stream'"),
    ({"background": True, "store": False}, "background", "unsupported_parameter", "'store'"),
    ({"background": "yes"}, "background", "invalid_type", "a boolean"),
    ({"include": ["no"]}, "include[0]", "invalid_value", "Invalid value: 'no'."),
    ({"include": "no"}, "include", "invalid_type", "an array"),
    ({"conversation": 1}, "conversation", "invalid_type", ""),
    ({"conversation": {}}, "conversation.id", "missing_required_parameter", ""),
    ({"conversation": {"id": 1}}, "conversation.id", "invalid_type", ""),
    (
        {"conversation": "conv_1", "previous_response_id": "resp_1"},
        None,
        "mutually_exclusive_parameters",
        "only providing one of",
    ),
    ({"max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value", ">= 1"),
    ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value", "<= 20"),
    ({"metadata": {str(at): "" for at in range(17)}}, "metadata", "object_above_max_properties", "16"),
    ({"service_tier": "no"}, "service_tier", "invalid_value", ""),
    ({"prompt_cache_retention": "x"}, "prompt_cache_retention", "invalid_value", "'in_memory' and '24h'"),
    ({"prompt": {"id": 1}}, "prompt.id", "invalid_type", ""),
    ({"input": []}, None, "missing_required_parameter", "'prompt' or 'conversation'"),
    ({"input": [{"type": "no"}]}, "input[0]", "invalid_value", "Invalid value: 'no'."),
    ({"input": [{"type": 7}]}, "input[0]", "invalid_value", "Invalid value: ''."),
    ({"input": [USER | {"role": "bot"}]}, "input[0]", "invalid_value", "'assistant', 'system'"),
    ({"input": [USER | {"content": 1}]}, "input[0].content", "invalid_type", ""),
    ({"input": [USER | {"content": [1]}]}, "input[0].content[0]", "invalid_type", ""),
    ({"input": [USER | {"content": [{}]}]}, "input[0].content[0].type", "missing_required_parameter", ""),
    (
        {"input": [USER | {"content": [{"type": "input_text"}]}]},
        "input[0].content[0].text",
        "missing_required_parameter",
        "",
    ),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id", None, "call_id"),
    ({"input": [USER | {"id": 7}]}, "input[0].id", "invalid_type", "a string"),
    ({"tools": [{}]}, "tools[0].type", "missing_required_parameter", ""),
    ({"tools": [{"type": "no"}]}, "tools[0].type", "invalid_value", "'function'"),
    ({"tools": [{"type": "file_search"}]}, "tools[0].vector_store_ids", "missing_required_parameter", ""),
    ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "mcp"}}, "tool_choice", None, "not found"),
    ({"tools": [{"type": "web_search"}], "tool_choice": {}}, "tool_choice.type", None, ""),
]


@pytest.mark.parametrize(("body", "param", "code", "words"), BAD)
def test_bad_bodies_are_refused(
    body: dict[str, Any], param: str | None, code: str | None, words: str
) -> None:
    """Each bad body is a 400 whose message, param and code say what is wrong."""
    given = {name: value for name, value in {**ASK, **body}.items() if value is not None}
    error = check_responses(given)
    assert not isinstance(error, int)
    assert (error.status, error.param) == (400, param)
    assert code is None or error.code == code
    assert words in error.message


def test_input_of_every_kind_is_counted() -> None:
    """Texts count a token for four characters, whatever item they are in; pictures count by the piece."""
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "12345678"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "1234"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "1234"},
        {"type": "function_call_output", "call_id": "c", "output": "1234"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
    ]
    assert check_responses({**ASK, "input": items}) == 2 + 1 + 85 + 1 + 1
    assert check_responses({**ASK, "input": "1234", "instructions": "12345678"}) == 3
    assert check_responses({"prompt": {"id": "pmpt_1"}}) == 0


def test_counting_and_compacting_have_checks_of_their_own() -> None:
    """Counting requires nothing, compacting a model; neither takes what only a response has."""
    assert check_input_tokens({}) == 0
    assert check_input_tokens({"input": "1234", "personality": "friendly"}) == 1
    assert check_compact({"model": "gpt-4.1", "input": "1234"}) == 1
    for check, body in (
        (check_input_tokens, {"stream": True}),
        (check_compact, {"model": "m", "store": True}),
    ):
        error = check(body)
        assert not isinstance(error, int)
        assert error.code == "unknown_parameter"
    error = check_compact({"input": "x"})
    assert not isinstance(error, int)
    assert error.param == "model"


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (
            {"previous_response_id": "resp_x"},
            400,
            "previous_response_not_found",
            "Previous response with id 'resp_x' not found.",
        ),
        ({"conversation": "conv_x"}, 404, None, "Conversation with id 'conv_x' not found."),
        ({"input": [{"id": "rs_x"}]}, 404, None, "Item with id 'rs_x' not found. Items are not persisted"),
    ],
)
def test_what_is_not_there_cannot_be_gone_on_from(
    body: dict[str, Any], status: int, code: str | None, message: str
) -> None:
    """A previous response, conversation or item that does not exist is refused in the API's own words."""
    for path in ("/v1/responses", "/v1/responses/input_tokens"):
        api = Api()
        request = api.parsed("POST", path, {**ASK, **body}, "sk-one")
        assert request.problem is None
        if path.endswith("tokens"):
            made = api.do("POST", path, {**ASK, **body})
            error = json_of(made.script)["error"]
            assert made.script.status == status
        else:
            error = refused(request, api, status)
        assert error["code"] == code
        assert error["message"].startswith(message)


def refused(request: Any, api: Api, status: int) -> Any:
    """The error before the request takes anything."""
    refuse = ENDPOINTS[request.endpoint].refuse
    assert refuse is not None
    world = World(seed=7, call_key="c1", store=api.store)
    found = refuse(request, world)
    assert found is not None
    assert found.status == status
    return json_of(found.script(world.stamp))["error"]
