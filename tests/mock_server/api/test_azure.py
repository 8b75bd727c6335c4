"""Azure's paths, headers, verdicts and errors, as the SDK's own Azure clients meet them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import in_process
from windtunnel.mock_server.api.azure.errors import ACCESS_DENIED, DEPLOYMENT_NOT_FOUND, FILTERED
from windtunnel.mock_server.api.azure.paths import dress, seconds_of, translate
from windtunnel.mock_server.api.endpoint import Answer, Endpoint
from windtunnel.mock_server.api.errors import ApiError, overloaded, server_error
from windtunnel.mock_server.api.headers import request_stamp
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.request import WORKING_APIS, AzureCall, Request
from windtunnel.mock_server.script import Close, Head, Script, Send
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

USER: Any = [{"role": "user", "content": "Speak."}]
VERSION = "2024-10-21"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STAMP = request_stamp(7, "c1")
SAFE = {"filtered": False, "severity": "safe"}


@contextmanager
def azure(mock: InProcess, **settings: Any) -> Iterator[openai.AzureOpenAI]:
    """The SDK's Azure client, without retries."""
    usual: dict[str, Any] = {"api_version": VERSION, "azure_endpoint": "http://mock.test", "api_key": "key"}
    http = httpx2.Client(transport=httpx2.MockTransport(mock.handle))
    with openai.AzureOpenAI(**{**usual, **settings}, http_client=http, max_retries=0) as client:
        yield client


def asked(api: str = "chat", version: str = VERSION) -> Request:
    """A request of a deployment."""
    endpoint = {"chat": "chat/completions", "embeddings": "embeddings", "completions": "completions"}[api]
    body = Wire.dumps({"model": "m", "messages": USER, "input": "x", "prompt": "x"})
    path = f"/openai/deployments/gpt/{endpoint}?api-version={version}"
    return parse("POST", path, {"api-key": "key"}, body, region="local")


def dressed(error: ApiError, *headers: tuple[str, str], request: Request | None = None) -> tuple[Head, Any]:
    """Head and body of an error in Azure's form."""
    script = dress(error.script(STAMP, headers), request or asked())
    head = script.steps[0]
    assert isinstance(head, Head)
    return head, Wire.json(script)["error"]


@pytest.mark.parametrize(
    ("route", "query", "path", "found"),
    [
        ("/openai/deployments/my%20one/embeddings", {"api-version": "1"}, "/v1/embeddings", ("my one", "1")),
        ("/openai/deployments/x/chat/completions", {}, "/v1/chat/completions", ("x", None)),
        ("/openai/deployments/x/completions", {"api-version": ""}, "/v1/completions", ("x", None)),
        ("/openai/models", {"api-version": "1"}, "/v1/models", (None, "1")),
        ("/openai/v1/responses", {}, "/v1/responses", (None, "v1")),
        ("/openai/v1/responses", {"api-version": "preview"}, "/v1/responses", (None, "preview")),
    ],
)
def test_paths_are_translated(route: str, query: dict[str, str], path: str, found: tuple[Any, Any]) -> None:
    """Azure's paths stand for the API's own; what only they say is kept."""
    assert translate(route, query) == (path, AzureCall(*found))


def test_an_answer_has_azures_headers() -> None:
    """Ids are GUIDs, the region has its long name, limits have no resets, nothing is OpenAI's own."""
    mock = in_process(limits={"rpm": 60, "tpm": 100_000})
    with azure(mock) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-prod", messages=USER, extra_headers={"x-ms-client-request-id": "mine"}
        )
        other = client.chat.completions.with_raw_response.create(model="gpt-4o-prod", messages=USER)
    headers = raw.headers
    for name in ("x-request-id", "apim-request-id"):
        assert GUID.fullmatch(headers[name])
        assert headers[name] != other.headers[name]
    assert headers["x-request-id"] != headers["apim-request-id"]
    assert (headers["x-ms-client-request-id"], other.headers["x-ms-client-request-id"]) == ("mine", "Not-Set")
    assert (headers["x-ms-region"], headers["x-ms-deployment-name"]) == ("East US", "gpt-4o-prod")
    assert headers["x-ratelimit-remaining-requests"] == "59"
    assert not [name for name in headers if name.startswith(("openai-", "x-ratelimit-reset-"))]


def extra(part: pydantic.BaseModel) -> dict[str, Any]:
    """The fields of an answer that the SDK's types do not have."""
    assert part.model_extra is not None
    return part.model_extra


def test_an_answer_has_the_filters_verdicts() -> None:
    """The prompt and every choice were looked at; keys come in Azure's order."""
    with azure(in_process()) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt", messages=USER, n=2)
    said = raw.parse()
    (prompt,) = extra(said)["prompt_filter_results"]
    assert prompt["content_filter_results"]["jailbreak"] == {"detected": False, "filtered": False}
    assert prompt["prompt_index"] == 0
    for choice in said.choices:
        verdict = extra(choice)["content_filter_results"]
        assert verdict["hate"] == SAFE
        assert "protected_material_text" in verdict
    body = raw.http_response.json()
    assert list(body) == sorted(body)
    assert list(body["choices"][0]) == sorted(body["choices"][0])


def test_a_stream_begins_with_the_verdict_on_the_prompt() -> None:
    """First a chunk without choices or a model, then content with verdicts, none on the role and the end."""
    with azure(in_process()) as client:
        stream = client.chat.completions.create(model="gpt", messages=USER, stream=True)
        first, role, *content, end = list(stream)
    assert (first.choices, first.id, first.model, first.object, first.created) == ([], "", "", "", 0)
    assert extra(first)["prompt_filter_results"][0]["content_filter_results"]["sexual"] == SAFE
    assert extra(role.choices[0])["content_filter_results"] == {}
    assert all(extra(one.choices[0])["content_filter_results"]["hate"] == SAFE for one in content)
    assert extra(end.choices[0])["content_filter_results"] == {}
    assert end.choices[0].finish_reason == "stop"


def test_the_truth_survives_the_dressing() -> None:
    """What an Azure client reads is the truth, whole, streamed and through the SDK's helper."""
    mock = in_process()
    same = {
        "model": "gpt",
        "messages": USER,
        "extra_headers": {"x-windtunnel-call": "c5", "x-windtunnel-step": "0"},
    }
    with azure(mock) as client:
        text = client.chat.completions.create(**same).choices[0].message.content
        with client.chat.completions.stream(**same) as stream:
            for _ in stream:
                pass
            assert stream.get_final_completion().choices[0].message.content == text
    assert len({ticket.truth_digest for ticket in mock.tickets}) == 1


async def test_the_async_client_works_on_every_path() -> None:
    """Chat, legacy completions, embeddings and models by the async Azure client, and `/openai/v1/` by the plain one."""
    mock = in_process()
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(mock.handle))
    settings: dict[str, Any] = {"http_client": http, "max_retries": 0}
    async with openai.AsyncAzureOpenAI(
        api_version=VERSION, azure_endpoint="http://mock.test", azure_ad_token="token", **settings
    ) as client:
        assert (await client.chat.completions.create(model="gpt", messages=USER)).choices
        legacy = await client.completions.create(model="gpt", prompt="x")
        assert extra(legacy.choices[0])["content_filter_results"]["hate"] == SAFE
        streamed = [
            part async for part in await client.completions.create(model="gpt", prompt="x", stream=True)
        ]
        assert "prompt_filter_results" in (streamed[0].model_extra or {})
        assert len((await client.embeddings.create(model="small", input="x")).data[0].embedding) == 1536
        assert [model.id async for model in client.models.list()]
        plain = openai.AsyncOpenAI(base_url="http://mock.test/openai/v1/", api_key="key", **settings)
        assert (await plain.chat.completions.create(model="gpt", messages=USER)).model_extra


def test_a_key_is_needed() -> None:
    """Without a key Azure denies access, in its own words."""
    request = parse(
        "POST", f"/openai/deployments/g/embeddings?api-version={VERSION}", {}, b"", region="local"
    )
    mock = in_process()
    ticket = mock.engine.identify(request, 0.0)
    mock.engine.admit(ticket, 0.0)
    assert ticket.status == 401
    assert ticket.script is not None
    assert Wire.json(ticket.script) == {"error": {"code": "401", "message": ACCESS_DENIED}}


@pytest.mark.parametrize(
    "path", ["deployments/g/chat/completions", "deployments/g/nothing?api-version=1", "models", "v1/nothing"]
)
def test_wrong_paths_and_a_missing_version_are_not_found(path: str) -> None:
    """A path that does not exist, another method and a missing `api-version` are all `Resource not found`."""
    mock = in_process()
    sent = httpx2.Request("POST", f"http://mock.test/openai/{path}", headers={"api-key": "key"}, json={})
    response = mock.handle(sent)
    response.read()
    assert response.status_code == 404
    assert response.json() == {"error": {"code": "404", "message": "Resource not found"}}


def test_a_deployment_that_is_not_there() -> None:
    """A model that the provider does not serve is a deployment that does not exist."""
    with (
        azure(in_process(models=["gpt"])) as client,
        pytest.raises(openai.NotFoundError, match="deployment for this resource does not exist") as caught,
    ):
        client.chat.completions.create(model="other", messages=USER)
    assert caught.value.code == "DeploymentNotFound"
    assert caught.value.body == {"code": "DeploymentNotFound", "message": DEPLOYMENT_NOT_FOUND}


def test_a_limit_speaks_azure() -> None:
    """A 429 has the code `"429"`, the operation, the version and the wait in whole seconds; resets are seconds."""
    with azure(in_process(limits={"rpm": 1})) as client:
        client.embeddings.create(model="m", input="x")
        with pytest.raises(openai.RateLimitError) as caught:
            client.embeddings.create(model="m", input="x")
    error: Any = caught.value.body
    headers = caught.value.response.headers
    assert set(error) == {"code", "message"}
    assert error["code"] == "429"
    assert error["message"].startswith(
        f"Requests to the Embeddings_Create Operation under Azure OpenAI API version {VERSION} have exceeded "
        "call rate limit of your current OpenAI S0 pricing tier. Please retry after "
    )
    assert f"retry after {headers['retry-after']} seconds" in error["message"]
    assert headers["x-ratelimit-reset-requests"].isdecimal()
    assert "x-ms-deployment-name" not in headers


@pytest.mark.parametrize(
    ("message", "headers", "wait"),
    [
        ("Please try again in 174ms.", (), "1 second."),
        ("Please try again in 6m0s.", (), "360 seconds."),
        ("Please try again in 1h2m3.5s.", (), "3724 seconds."),
        ("Please try again in 6m0s.", (("retry-after", "7"),), "7 seconds."),
        ("Please try again in 6m0s.", (("retry-after-ms", "7100"), ("retry-after", "9")), "8 seconds."),
        ("Later.", (("retry-after", "-1"),), "60 seconds."),
        ("Later.", (("retry-after", "soon"),), "60 seconds."),
    ],
)
def test_the_wait_is_the_one_that_was_promised(message: str, headers: Any, wait: str) -> None:
    """The message's wait is the headers', or what the limiter's own message said."""
    _, error = dressed(ApiError(429, message, "tokens"), *headers)
    assert (
        f"token rate limit of your current OpenAI S0 pricing tier. Please retry after {wait}"
        in error["message"]
    )


def test_other_errors_have_azures_forms() -> None:
    """Timeouts, server errors and overload are worded by Azure; bad requests come through from the model."""
    assert dressed(ApiError(408, "x"))[1] == {"code": "Timeout", "message": "The operation was timeout."}
    head, error = dressed(server_error())
    ident = STAMP.request_id.removeprefix("req_")
    assert f"(Please include the request ID {ident} in your email.)" in error["message"]
    assert (head.status, error["type"]) == (500, "server_error")
    assert "Azure support request" in dressed(overloaded())[1]["message"]
    bad = ApiError(400, "Unknown parameter: 'x'.", param="x", code="unknown_parameter")
    assert dressed(bad)[1]["param"] == "x"
    head, error = dressed(ApiError(405, "Only POST requests are accepted."))
    assert (head.status, error["code"]) == (404, "404")


def test_a_filtered_prompt_has_an_inner_error() -> None:
    """A 400 of the content filter says which category it was."""
    _, error = dressed(ApiError(400, "x", code="content_filter"))
    assert (error["message"], error["param"], error["status"]) == (FILTERED, "prompt", 400)
    inner = error["innererror"]
    assert inner["code"] == "ResponsibleAIPolicyViolation"
    assert inner["content_filter_result"]["violence"] == {"filtered": True, "severity": "medium"}
    assert inner["content_filter_result"]["jailbreak"] == {"filtered": False, "detected": False}


@pytest.mark.parametrize("stream", [False, True])
def test_a_choice_that_was_filtered_says_why(wire: type[Wire], stream: bool) -> None:
    """Where a fault ended a choice with `content_filter`, its verdict names a category."""
    body = wire.dumps({"model": "m", "messages": USER, "stream": stream})
    request = parse(
        "POST",
        f"/openai/deployments/g/chat/completions?api-version={VERSION}",
        {"api-key": "k"},
        body,
        region="local",
    )
    answer: Answer = wire.reply(request)
    stopped = answer.script.map_steps(
        lambda step: [
            Send(
                step.data.replace(b'"finish_reason":"stop"', b'"finish_reason":"content_filter"'),
                step.tokens,
                step.role,
            )
            if isinstance(step, Send)
            else step
        ]
    )
    script = dress(stopped, request)
    events = [data for _, data in wire.events(script)[:-1]] if stream else [wire.json(script)]
    verdicts = [choice["content_filter_results"] for event in events for choice in event["choices"]]
    assert verdicts[-1]["violence"] == {"filtered": True, "severity": "medium"}


def test_what_is_not_the_apis_is_left_alone() -> None:
    """Pages of gateways, resets, and bodies that another fault has broken stay as they are."""
    page = Script((Head(502, (("content-type", "text/html"),)), Send(b"<html>"), Close()))
    nothing = Script((Close(),))
    plain = parse("GET", "/v1/models", {"authorization": "Bearer k"}, b"", region="local")
    for script, request in ((page, asked()), (nothing, asked()), (server_error().script(STAMP), plain)):
        assert dress(script, request) == script
    broken = Script((Head(500, (("x-request-id", "req_0"),)), Send(b'{"error":'), Close()))
    assert Wire.bytes(dress(broken, asked())) == b'{"error":'
    torn = Script(
        (Head(200, (("x-request-id", "req_0"),)), Send(b'"finish_reason":"content_filter"}'), Close())
    )
    assert Wire.bytes(dress(torn, asked())) == b'"finish_reason":"content_filter"}'


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("12ms", 1), ("1s", 1), ("6m0s", 360), ("1h2m3.5s", 3724), ("7", 0), ("soon", 0)],
)
def test_durations_in_seconds(duration: str, seconds: int) -> None:
    """What OpenAI writes as a duration, Azure writes in whole seconds."""
    assert seconds_of(duration) == seconds


FORM = b'--b\r\ncontent-disposition: form-data; name="%s"\r\n\r\nx\r\n--b--\r\n'
WORKING = [one for one in ENDPOINTS.values() if one.api in WORKING_APIS and "{" not in one.path]


@pytest.mark.parametrize(
    "endpoint", [one for one in WORKING if one.method == "POST"], ids=lambda one: one.name
)
def test_the_deployment_in_the_path_is_the_model_before_the_body_is_checked(endpoint: Endpoint) -> None:
    """No endpoint asks for a model that the path names; what it says of the rest of the body it says all the same."""
    path = f"/openai/deployments/mine{endpoint.path}?api-version={VERSION}"
    for content in (b"{}", b'{"model": 7}', FORM % b"n", FORM % b"model"):
        kind = "application/json" if content[:1] == b"{" else "multipart/form-data; boundary=b"
        headers = {"api-key": "key", "content-type": kind}
        found = parse("POST", path, headers, content, region="local")
        assert found.model == "mine"
        if found.problem is not None:
            said = Wire.json(found.problem)["error"]
            assert "model" not in (said.get("param"), said["message"].lower().split("'")[0]), said


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": USER, "max_tokens": 5}),
        ("embeddings", {"input": "x"}),
        ("completions", {"prompt": "x", "max_tokens": 5}),
        ("audio/speech", {"input": "x", "voice": "alloy"}),
        ("images/generations", {"prompt": "x"}),
    ],
)
def test_a_body_of_azure_needs_no_model(path: str, body: dict[str, Any]) -> None:
    """Bodies as Azure's own reference has them get their answer."""
    mock = in_process()
    with httpx2.Client(transport=httpx2.MockTransport(mock.handle)) as client:
        url = f"http://mock.test/openai/deployments/mine/{path}?api-version={VERSION}"
        answer = client.post(url, json=body, headers={"api-key": "key"})
    assert answer.status_code == 200, answer.text
    assert mock.tickets[0].request.model == "mine"


def test_a_rate_limit_as_a_fault_names_the_requests_own_version() -> None:
    """The api-version in the message is the one in the query; the wait is the one in Retry-After."""
    mock = in_process({"fault": "azure_rate_limit", "with": {"retry_after": "9s"}})
    with (
        azure(mock, api_version="2025-04-01-preview") as client,
        pytest.raises(openai.RateLimitError) as error,
    ):
        client.chat.completions.create(model="gpt", messages=USER)
    assert "API version 2025-04-01-preview have exceeded" in error.value.message
    assert "Please retry after 9 seconds." in error.value.message
    assert error.value.response.headers["retry-after"] == "9"
