"""Error statuses: the exact bodies, and every spelling of `come back later`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_of, headers_of
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import End, Head, Script, Send

EMPTY = Script(())
STATUS_FAULTS = [name for name, kind in FAULTS.items() if kind.family == "status" and name != "status"]

QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
RPM = (
    "Rate limit reached for gpt-4.1 in organization org-windtunnel on requests per min (RPM): Limit 500, Used 500, "
    "Requested 1. Please try again in 120ms. Visit https://platform.openai.com/account/rate-limits to learn more."
)
TPM = (
    "Rate limit reached for gpt-4.1 in organization org-windtunnel on tokens per min (TPM): Limit 30000, Used 18928, "
    "Requested 11159. Please try again in 174ms. Visit https://platform.openai.com/account/rate-limits to learn more."
)
TOO_LARGE = (
    "Request too large for gpt-4.1 in organization org-windtunnel on tokens per min (TPM): Limit 30000, "
    "Requested 31538. The input or output tokens must be reduced in order to run successfully. "
    "Visit https://platform.openai.com/account/rate-limits to learn more."
)
LEGACY = (
    "That model is currently overloaded with other requests. You can retry your request, or contact us through our "
    "help center at help.openai.com if the error persists. (Please include the request ID "
    "0123456789abcdef0123456789abcdef in your message.)"
)
SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"
BAD_KEY = (
    "Incorrect API key provided: sk-proj-***MxYA. You can find your API key at "
    "https://platform.openai.com/account/api-keys."
)
LONG = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 10240 tokens. "
    "Please reduce the length of the messages."
)
BUSY = "Our servers are currently overloaded. Please try again later."

Play = Callable[..., Script]


@pytest.mark.parametrize(
    ("name", "status", "message", "kind", "param", "code"),
    [
        ("rate_limit_requests", 429, RPM, "requests", None, "rate_limit_exceeded"),
        ("rate_limit_tokens", 429, TPM, "tokens", None, "rate_limit_exceeded"),
        ("request_too_large", 429, TOO_LARGE, "tokens", None, "rate_limit_exceeded"),
        ("insufficient_quota", 429, QUOTA, "insufficient_quota", None, "insufficient_quota"),
        ("overloaded", 503, BUSY, "service_unavailable_error", None, "server_is_overloaded"),
        ("overloaded_legacy", 503, LEGACY, "server_error", None, None),
        ("server_error", 500, SERVER_ERROR, "server_error", None, None),
        ("invalid_api_key", 401, BAD_KEY, "invalid_request_error", None, "invalid_api_key"),
        (
            "country_unsupported",
            403,
            "Country, region, or territory not supported",
            "request_forbidden",
            None,
            "unsupported_country_region_territory",
        ),
        (
            "model_not_found",
            404,
            "The model `gpt-4.1` does not exist or you do not have access to it.",
            "invalid_request_error",
            None,
            "model_not_found",
        ),
        (
            "context_length_exceeded",
            400,
            LONG,
            "invalid_request_error",
            "messages",
            "context_length_exceeded",
        ),
    ],
)
def test_bodies_are_those_that_were_seen(
    play: Play, name: str, status: int, message: str, kind: str, param: str | None, code: str | None
) -> None:
    """Status, message, type, param and code are exact."""
    script = play(name, EMPTY)
    assert script.status == status
    assert json.loads(body_of(script)) == {
        "error": {"message": message, "type": kind, "param": param, "code": code}
    }


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("slow_down", 429, "slow_down"),
        ("gateway_timeout", 504, None),
        ("ip_not_authorized", 401, "ip_not_authorized"),
        ("conflict", 409, None),
        ("request_timeout", 408, None),
        ("payload_too_large", 413, None),
        ("unprocessable", 422, None),
    ],
)
def test_what_nobody_has_seen_is_in_openais_form(
    play: Play, name: str, status: int, code: str | None
) -> None:
    """The status and the code are right, the body has the four keys, and the fault is marked as unseen."""
    script = play(name, EMPTY)
    error = json.loads(body_of(script))["error"]
    assert script.status == status
    assert list(error) == ["message", "type", "param", "code"]
    assert error["code"] == code
    assert FAULTS[name].seen == "U"


def test_a_bad_gateway_has_an_integer_code_and_its_keys_in_the_order_seen(play: Play) -> None:
    """The edge's 502 is byte for byte the one in public reports."""
    script = play("bad_gateway", EMPTY)
    assert script.status == 502
    assert (
        body_of(script)
        == b'{"error":{"code":502,"message":"Bad gateway.","param":null,"type":"cf_bad_gateway"}}'
    )


@pytest.mark.parametrize(
    ("name", "params", "status", "words"),
    [
        ("bad_gateway", {"html": True}, 502, "502 Bad Gateway"),
        ("gateway_timeout", {"html": True}, 504, "504 Gateway Time-out"),
        *(
            ("cloudflare", {"status": status}, status, f"Error code {status}")
            for status in (520, 521, 522, 523, 524, 530)
        ),
    ],
)
def test_pages_of_the_edge_are_html_without_the_apis_headers(
    play: Play, name: str, params: dict[str, Any], status: int, words: str
) -> None:
    """A page says its status in HTML, and has the edge's headers in place of the API's."""
    script = play(name, EMPTY, **params)
    headers = headers_of(script)
    assert script.status == status
    assert words in body_of(script).decode()
    assert headers["content-type"].startswith("text/html")
    assert "cf-ray" in headers
    assert "openai-version" not in headers


def test_azure_words_its_rate_limit_its_own_way(play: Play) -> None:
    """The code is a string of digits, there is no type, and the headers are Azure's."""
    script = play("azure_rate_limit", EMPTY, seconds="86400s")
    error = json.loads(body_of(script))["error"]
    headers = headers_of(script)
    assert list(error) == ["code", "message"]
    assert error["code"] == "429"
    assert error["message"].startswith(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version"
    )
    assert "have exceeded token rate limit of your current OpenAI S0 pricing tier" in error["message"]
    assert "Please retry after 86400 seconds." in error["message"]
    assert headers["retry-after"] == "86400"
    assert {"x-ms-region", "apim-request-id"} <= headers.keys()
    assert "retry-after" not in headers_of(play("azure_rate_limit", EMPTY, retry_after="none"))
    assert headers_of(play("azure_rate_limit", EMPTY, retry_after="-1"))["retry-after"] == "-1"


@pytest.mark.parametrize(
    ("limit", "used", "requested", "wait"), [(3, 3, 1, "20s"), (30000, 29937, 385, "644ms")]
)
def test_the_wait_of_a_rate_limit_is_that_of_a_bucket_that_refills_continuously(
    play: Play, limit: int, used: int, requested: int, wait: str
) -> None:
    """(used + requested - limit) / (limit / 60) seconds: in the message, exact in ms, rounded up in seconds."""
    script = play("rate_limit_tokens", EMPTY, limit=limit, used=used, requested=requested)
    headers = headers_of(script)
    seconds = (used + requested - limit) * 60 / limit
    assert f"Please try again in {wait}." in body_of(script).decode()
    assert headers["retry-after-ms"] == str(round(seconds * 1000))
    assert headers["retry-after"] == str(-int(-seconds // 1))


def test_a_duration_for_retry_after_is_the_wait_in_the_message_too(play: Play) -> None:
    """What a rate limit says in words and in its header is the same."""
    script = play("rate_limit_requests", EMPTY, retry_after="7s")
    assert "Please try again in 7s." in body_of(script).decode()
    assert headers_of(script)["retry-after"] == "7"
    assert "retry-after-ms" not in headers_of(script)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"retry_after": "5s"}, {"retry-after": "5"}),
        ({"retry_after": "1200ms"}, {"retry-after": "2"}),
        ({"retry_after": "5"}, {"retry-after": "5"}),
        ({"retry_after": "0"}, {"retry-after": "0"}),
        ({"retry_after": "-1"}, {"retry-after": "-1"}),
        ({"retry_after": "99999999999"}, {"retry-after": "99999999999"}),
        ({"retry_after": "soon"}, {"retry-after": "soon"}),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        ({"retry_after_date": "90s"}, {"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}),
        ({"retry_after_ms": "174ms"}, {"retry-after-ms": "174"}),
        ({"retry_after_ms": "x", "retry_after": "3s"}, {"retry-after-ms": "x", "retry-after": "3"}),
        ({"retry_after": "none"}, {}),
        ({"should_retry": True, "retry_after": "none"}, {"x-should-retry": "true"}),
        ({"should_retry": False, "retry_after": "none"}, {"x-should-retry": "false"}),
    ],
)
@pytest.mark.parametrize("name", STATUS_FAULTS)
def test_every_status_error_says_come_back_in_every_spelling(
    play: Play, name: str, params: dict[str, Any], expected: dict[str, str]
) -> None:
    """Retry parameters go with any status error, and replace what it would say by itself."""
    headers = headers_of(play(name, EMPTY, created=10.0, **params))
    told = {
        key: headers[key] for key in ("retry-after", "retry-after-ms", "x-should-retry") if key in headers
    }
    assert told == expected


@pytest.mark.parametrize("name", STATUS_FAULTS)
def test_a_status_error_is_a_whole_answer_with_a_type(play: Play, name: str) -> None:
    """Head, body, end; one content-type that fits the body; for every API that the fault acts on."""
    for api in FAULTS[name].apis:
        script = play(name, EMPTY, api=api, stream=False)
        head, body, end = script.steps
        assert isinstance(head, Head)
        assert head.framing == "length"
        assert isinstance(body, Send)
        assert body.role == "terminal"
        assert end == End()
        html = headers_of(script)["content-type"].startswith("text/html")
        assert html is body.data.lstrip().startswith(b"<")
        if not html:
            json.loads(body.data)


@pytest.mark.parametrize(
    ("params", "body", "content_type"),
    [
        ({"status": 418}, None, "application/json"),
        ({"status": 418, "body": "I'm a teapot"}, b"I'm a teapot", "text/plain; charset=utf-8"),
        ({"status": 418, "body": "<p>tea</p>"}, b"<p>tea</p>", "text/html; charset=UTF-8"),
        ({"status": 418, "body": {"tea": [1, None]}}, b'{"tea":[1,null]}', "application/json"),
        ({"status": 418, "body": '{"tea": 1}'}, b'{"tea": 1}', "application/json"),
        ({"status": 418, "body": "x", "headers": {"Content-Type": "a/b"}}, b"x", "a/b"),
    ],
)
def test_any_status_with_any_body(
    play: Play, params: dict[str, Any], body: bytes | None, content_type: str
) -> None:
    """`status` sends what it is told, with a fitting content-type unless the headers name one."""
    script = play("status", EMPTY, **params)
    headers = {name.lower(): value for name, value in headers_of(script).items()}
    assert script.status == 418
    assert headers["content-type"] == content_type
    if body is None:
        assert json.loads(body_of(script))["error"]["type"] == "invalid_request_error"
    else:
        assert body_of(script) == body


def test_headers_of_ones_own_replace_those_of_the_same_name(play: Play) -> None:
    """A header that is given stands once, as given."""
    headers = headers_of(play("server_error", EMPTY, headers={"x-request-id": "mine", "x-new": "1"}))
    assert (headers["x-request-id"], headers["x-new"]) == ("mine", "1")


@pytest.mark.parametrize(
    "params",
    [
        {"status": 42},
        {"status": 600},
        {"status": 204, "body": "x"},
        {"status": 500, "headers": {"x y": "1"}},
        {"status": 500, "headers": {"x": "a\r\nb: c"}},
        {"status": 500, "retry_after": "a\nb"},
        {"status": 500, "retry_after": 5},
        {"status": 500, "retry_after_date": 5},
    ],
)
def test_what_cannot_be_sent_is_refused(params: dict[str, Any]) -> None:
    """Impossible statuses, header injection and bare numbers are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS["status"].params.model_validate(params)


def test_a_status_without_a_body_has_none(play: Play) -> None:
    """204 is a head and an end."""
    assert len(play("status", EMPTY, status=204).steps) == 2
