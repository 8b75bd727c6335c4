"""What a status error says agrees with itself and with the provider: headers, body, limits, waits, times."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

URL = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 400}
ANSWER = {"first_token": "2s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 1}
WAIT = re.compile(r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?([\d.]+)(ms|s)")


def answer_to(
    rule: dict[str, Any] | None, body: dict[str, Any] | None = None, **provider: Any
) -> httpx2.Response:
    """The answer to one request."""
    rules = [] if rule is None else [rule]
    mock = InProcess(Plan.model_validate({"provider": {"answer": ANSWER, **provider}, "rules": rules}))
    headers = {"authorization": "Bearer sk-test"}
    with httpx2.Client(transport=httpx2.MockTransport(mock.handle), timeout=100.0, headers=headers) as client:
        return client.post(URL, json=BODY | (body or {}))


def said(answer: httpx2.Response) -> str:
    """The message of an error."""
    message: str = answer.json()["error"]["message"]
    return message


def wait_in(message: str) -> float:
    """The wait that a message names, in seconds."""
    found = WAIT.search(message)
    assert found is not None, message
    hours, minutes, rest, unit = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest) * (0.001 if unit == "ms" else 1.0)


@pytest.mark.parametrize("kind", ["requests", "tokens"])
@pytest.mark.parametrize(
    ("limits", "params", "limit"),
    [
        ({}, {}, None),
        ({"rpm": 60, "tpm": 5_000}, {}, {"requests": 60, "tokens": 5_000}),
        ({"rpm": 60, "tpm": 5_000}, {"limit": 77}, {"requests": 77, "tokens": 77}),
        ({}, {"limit": 77}, {"requests": 77, "tokens": 77}),
    ],
)
def test_a_rate_limit_states_one_limit_and_it_is_used_up(
    kind: str, limits: dict[str, Any], params: dict[str, Any], limit: dict[str, int] | None
) -> None:
    """Header and body name the provider's limit, or the rule's, and nothing remains of it."""
    answer = answer_to({"fault": f"rate_limit_{kind}", "with": params}, limits=limits)
    stated = int(answer.headers[f"x-ratelimit-limit-{kind}"])
    assert f"Limit {stated}, " in said(answer)
    assert answer.headers[f"x-ratelimit-remaining-{kind}"] == "0"
    assert answer.headers[f"x-ratelimit-reset-{kind}"] == "1m0s"
    if limit is not None:
        assert stated == limit[kind]
        assert f"Used {stated}, " in said(answer)
    if limit == {"requests": 60, "tokens": 5_000}:
        asked = 1 if kind == "requests" else 402
        assert f"Requested {asked}." in said(answer)


def test_the_other_limit_is_as_it_is() -> None:
    """A 429 of requests per minute takes nothing from the tokens."""
    answer = answer_to({"fault": "rate_limit_requests"}, limits={"rpm": 60, "tpm": 5_000})
    assert answer.headers["x-ratelimit-remaining-tokens"] == "5000"


def test_without_limit_headers_a_rate_limit_has_none_either() -> None:
    """The provider's switch holds for faults, too."""
    answer = answer_to({"fault": "rate_limit_requests"}, limits={"rpm": 60, "headers": False})
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    assert "Limit 60, " in said(answer)


def test_a_request_that_is_too_large_is_larger_than_the_limit_in_its_headers() -> None:
    """Body and headers name one limit, which the request alone exceeds, and which nobody has used."""
    for asked, requested in ((400, 5_000 + 1538), (9_000, 9_002)):
        answer = answer_to({"fault": "request_too_large"}, {"max_tokens": asked}, limits={"tpm": 5_000})
        assert f"Limit 5000, Requested {requested}." in said(answer)
        assert answer.headers["x-ratelimit-limit-tokens"] == "5000"
        assert answer.headers["x-ratelimit-remaining-tokens"] == "5000"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"retry_after": "7s"},
        {"retry_after": "1500ms"},
        {"retry_after": "3"},
        {"retry_after": "0"},
        {"retry_after_ms": "174ms"},
        {"retry_after_ms": "250", "retry_after": "9s"},
        {"retry_after": "100s"},
    ],
)
@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_the_words_name_the_wait_of_the_header(kind: str, params: dict[str, str]) -> None:
    """Whoever reads the message waits as long as whoever reads the headers, which SDKs read in this order."""
    answer = answer_to({"fault": f"rate_limit_{kind}", "with": params})
    milliseconds = answer.headers.get("retry-after-ms")
    told = float(answer.headers["retry-after"]) if milliseconds is None else float(milliseconds) / 1000
    assert wait_in(said(answer)) == pytest.approx(told)


def test_the_words_name_the_wait_until_a_date() -> None:
    """A date that lies 30 s ahead is 30 s in words."""
    answer = answer_to({"fault": "rate_limit_requests", "with": {"retry_after_date": "30s"}})
    assert wait_in(said(answer)) == 30.0


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "invalid_api_key"},
        {"fault": "ip_not_authorized"},
        {"fault": "status", "with": {"status": 401}},
    ],
)
def test_who_is_not_known_has_no_quota(rule: dict[str, Any]) -> None:
    """A 401 states no limits; any other error of the same provider does."""
    limits = {"rpm": 60, "tpm": 5_000}
    assert not [name for name in answer_to(rule, limits=limits).headers if name.startswith("x-ratelimit")]
    assert "x-ratelimit-limit-requests" in answer_to({"fault": "server_error"}, limits=limits).headers


@pytest.mark.parametrize(
    ("rule", "stream", "took"),
    [(None, False, 4000), (None, True, 2000), ({"fault": "server_error"}, False, 1)],
)
def test_the_processing_time_is_what_it_took(rule: dict[str, Any] | None, stream: bool, took: int) -> None:
    """To the end of a whole answer, to the first token of a stream; a refusal takes a millisecond."""
    answer = answer_to(rule, {"stream": stream})
    assert int(answer.headers["openai-processing-ms"]) == took


def test_the_processing_time_includes_the_queue() -> None:
    """A request that waited two seconds for its slot took two seconds more."""
    plan = {"provider": {"answer": ANSWER, "capacity": {"slots": 1, "queue": 3}}}
    mock = InProcess(Plan.model_validate(plan))
    headers = {"authorization": "Bearer sk-test"}
    with (
        httpx2.Client(transport=httpx2.MockTransport(mock.handle), timeout=100.0, headers=headers) as client,
        client.stream("POST", URL, json=BODY | {"stream": True}),
    ):
        answer = client.post(URL, json=BODY)
    assert int(answer.headers["openai-processing-ms"]) == 8000
