"""The digest of the truth, the text, and what goes with every answer."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.api import errors
from windtunnel.mock_server.api.headers import (
    LimitLevel,
    answer_headers,
    format_duration,
    limit_headers,
    request_stamp,
)
from windtunnel.mock_server.api.text import TOKENS, prose, stream_of, tokens_in
from windtunnel.mock_server.api.truth import Choice, RunningDigest, digest

TEXT = st.none() | st.text(min_size=1)
CHOICE = st.tuples(
    st.integers(0, 200), TEXT, TEXT, st.lists(st.tuples(st.text(), st.text()), max_size=2), TEXT
)


@given(choices=st.lists(CHOICE, max_size=3, unique_by=lambda choice: choice[0]))
def test_the_digest_is_that_of_the_canonical_json(choices: list[Any]) -> None:
    """The digest is SHA-256 over plain json.dumps of the choices in order, for any text at all."""
    canonical = json.dumps(sorted(choices, key=lambda row: row[0]), separators=(",", ":"), ensure_ascii=False)
    expected = sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    assert digest(choices) == digest(choices[::-1]) == expected


def test_no_text_and_an_empty_text_are_one() -> None:
    """An application that was sent nothing may hold null or an empty string; both are the truth."""
    assert digest([(0, "", "", [], "stop")]) == digest([(0, None, None, (), "stop")])
    assert digest([(0, None, None, [], None)]) != digest([(0, None, None, [], "stop")])


def test_a_lone_surrogate_has_a_digest() -> None:
    """Even text that is no valid Unicode can be compared."""
    assert digest([(0, "\ud800", None, [], None)]) != digest([(0, "\ud801", None, [], None)])


def test_tokens_are_four_characters_that_need_no_escape() -> None:
    """Every token has exactly four characters, goes into JSON as it is, and some take more bytes."""
    assert len(TOKENS) == 256
    for token in TOKENS:
        assert len(token) == 4
        assert orjson.dumps(token).decode() == f'"{token}"'
    assert {len(character.encode()) for character in "".join(TOKENS)} == {1, 2, 3, 4}


@given(seed=st.integers(), key=st.text(st.characters(codec="utf-8")), length=st.integers(0, 300))
def test_text_is_as_long_as_asked_and_a_prefix_of_longer_text(seed: int, key: str, length: int) -> None:
    """n tokens are 4n characters, and the beginning of what a longer answer would say."""
    text = prose(stream_of(seed, key, 0, length))
    assert tokens_in(text) * 4 == len(text) == 4 * length
    assert prose(stream_of(seed, key, 0, length + 9)).startswith(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-3, "0s"),
        (0.0001, "1ms"),
        (0.012, "12ms"),
        (0.174, "174ms"),
        (0.9991, "1s"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3723.5, "1h2m3.5s"),
    ],
)
def test_durations_are_written_as_the_api_does(seconds: float, text: str) -> None:
    """Milliseconds below a second, then minutes and hours, never less than the true wait."""
    assert format_duration(seconds) == text


def test_every_answer_has_the_usual_headers() -> None:
    """Request id, processing time, version and organization are there, the same for the same attempt."""
    stamp = request_stamp(7, "c1")
    headers = dict(answer_headers(stamp))
    assert headers["x-request-id"].removeprefix("req_").isalnum()
    assert len(headers["x-request-id"]) == 36
    assert headers["openai-processing-ms"].isdigit()
    assert headers["openai-version"] == "2020-10-01"
    assert set(headers) >= {"openai-organization", "content-type"}
    assert stamp == request_stamp(7, "c1") != request_stamp(7, "c1", 1)


def test_limits_are_told_in_headers() -> None:
    """The six limit headers are whole numbers and durations; a limit that is not there is not told."""
    both = limit_headers(requests=LimitLevel(60, 59, 1.0), tokens=LimitLevel(1000, -4, 360))
    assert dict(both) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert len(limit_headers(tokens=LimitLevel(1, 1, 0))) == 3


def test_the_rate_limit_message_is_the_public_one() -> None:
    """A public message is reproduced to the letter from its own figures."""
    limit, used, requested = 30000, 18928, 11159
    wait = (used + requested - limit) / (limit / 60)
    error = errors.rate_limit(
        "tokens",
        model="gpt-4.1",
        limit=limit,
        used=used,
        requested=requested,
        wait_s=wait,
        organization="org-X",
    )
    assert error.message == (
        "Rate limit reached for gpt-4.1 in organization org-X on tokens per min (TPM): Limit 30000, Used 18928, "
        "Requested 11159. Please try again in 174ms. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    assert (error.status, error.type, error.code) == (429, "tokens", "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (
            errors.rate_limit("requests", model="m", limit=1, used=1, requested=1, wait_s=60),
            429,
            "requests",
            None,
        ),
        (errors.request_too_large(model="m", limit=1, requested=2), 429, "tokens", "rate_limit_exceeded"),
        (errors.insufficient_quota(), 429, "insufficient_quota", "insufficient_quota"),
        (errors.slow_down(), 429, "rate_limit_error", "slow_down"),
        (errors.overloaded(), 503, "service_unavailable_error", "server_is_overloaded"),
        (errors.overloaded_legacy(), 503, "server_error", None),
        (errors.server_error(), 500, "server_error", None),
        (errors.bad_gateway(), 502, "cf_bad_gateway", 502),
        (errors.invalid_api_key(), 401, "invalid_request_error", "invalid_api_key"),
        (errors.context_length_exceeded(limit=1, requested=2), 400, None, "context_length_exceeded"),
    ],
)
def test_errors_have_status_type_and_code(
    error: errors.ApiError, status: int, kind: str | None, code: str | int | None
) -> None:
    """Each error is a whole answer in the API's form with its own status, type and code."""
    script = error.script(request_stamp(0, "x"), [("retry-after", "1")])
    assert script.status == error.status == status
    body = orjson.loads(error.body())["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert kind in (None, body["type"])
    assert code in (None, body["code"])
    assert ("retry-after", "1") in script.steps[0].headers


def test_a_null_type_becomes_the_one_of_the_status() -> None:
    """An error without a type has the type that goes with its status."""
    assert orjson.loads(errors.error_body(500, "x", None))["error"]["type"] == "server_error"
    assert orjson.loads(errors.error_body(404, "x", None))["error"]["type"] == "invalid_request_error"


def test_a_running_digest_is_the_digest() -> None:
    """Choice by choice, and also where a text is none that UTF-8 has."""
    choices: list[Choice] = [
        (0, "a", None, (), None),
        (1, "", "no", (("f", "{}"),), "stop"),
        (2, "\ud800", None, (), None),
    ]
    running = RunningDigest()
    for count, choice in enumerate(choices, 1):
        running.add(choice)
        assert running.result() == digest(choices[:count])
