"""What a client saw, as a sentence: one for each way in which an answer can end."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import httpx2
import openai
import pytest

from windtunnel.harness.matrix import wording
from windtunnel.harness.matrix.cases import PATIENT, Case
from windtunnel.harness.matrix.clients import take_line
from windtunnel.harness.matrix.reading import PLAIN, SDK, Reading, new_reading
from windtunnel.harness.matrix.wording import Seen, Stage, tell
from windtunnel.mock_server.api.truth import digest

TRUTH = digest([(0, "one two", None, [], "stop")])
STREAMED = Case("cut", (), "chat streamed")
WHOLE = Case("cut", (), "responses whole")
RESPONSES = Case("cut", (), "responses streamed")


def chat(*pieces: str, finish: str | None = "stop", usage: bool = True, refusal: str = "") -> Reading:
    reading = new_reading("chat", PLAIN)
    for piece in pieces:
        reading.take({"choices": [{"delta": {"content": piece, "refusal": refusal}}]})
    reading.take({"choices": [{"delta": {}, "finish_reason": finish}]})
    if usage:
        reading.take({"choices": [], "usage": {"total_tokens": 3}})
    return reading


def response(*pieces: str, status: str | None = "completed", reason: str | None = None) -> Reading:
    reading = new_reading("responses", PLAIN)
    for piece in pieces:
        reading.take({"type": "response.output_text.delta", "delta": piece})
    if status is not None:
        details = {"reason": reason} if reason else None
        told = {"status": status, "usage": {"total_tokens": 3}, "incomplete_details": details}
        reading.take({"type": "response.completed", "response": told})
    return reading


def after_an_error_event() -> Reading:
    reading = response("one", status=None)
    reading.take({"type": "error", "message": "The server had an error"})
    return reading


CUT_SHORT = "success that says of itself that it was cut short"
CHECKS = "(silent, unless the application checks)"


@pytest.mark.parametrize(
    ("case", "reading", "told"),
    [
        (STREAMED, chat("one", " two"), "success: complete and true"),
        (RESPONSES, response("one", " two"), "success: complete and true"),
        (STREAMED, chat("one", " two", usage=False), "success: complete and true, without its usage"),
        (STREAMED, chat("one", "one", " two"), wording.CORRUPTED),
        (STREAMED, chat(), wording.EMPTY),
        (STREAMED, chat("one", finish=None), f"success, incomplete: no finish reason {CHECKS}"),
        (RESPONSES, response("one", status=None), f"success, incomplete: no terminal event {CHECKS}"),
        (
            RESPONSES,
            response(status=None),
            "success, but nothing in it and no terminal event (silent corruption)",
        ),
        (RESPONSES, after_an_error_event(), wording.ERROR_UNHEARD),
        (STREAMED, chat("one", finish="length"), f"{CUT_SHORT} (finish_reason `length`)"),
        (
            RESPONSES,
            response("one", status="incomplete", reason="max_output_tokens"),
            f"{CUT_SHORT} (status `incomplete`, `max_output_tokens`)",
        ),
        (
            RESPONSES,
            response("one", status="failed"),
            "success that says of itself that it failed (status `failed`)",
        ),
        (
            STREAMED,
            chat("", refusal="no"),
            "success that says of itself that it is a refusal, and has no other content",
        ),
        (
            STREAMED,
            chat("one", " two", finish="paused"),
            "success: the content is true, finish_reason is `paused`",
        ),
        (RESPONSES, response("one two", status="odd"), "success: the content is true, status is `odd`"),
    ],
)
def test_a_success_is_told_by_what_the_application_has(case: Case, reading: Reading, told: str) -> None:
    """Complete and true, silently wrong, or an answer that says what is the matter with it."""
    assert tell(case, Seen(reading, 0.1), TRUTH, None) == told


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


ASKED = httpx2.Request("POST", "http://mock/v1")
REFUSED = httpx2.Response(429, request=ASKED)


@pytest.mark.parametrize(
    ("case", "error", "stage", "told"),
    [
        (
            WHOLE,
            caused(openai.APITimeoutError(ASKED), httpx2.ReadTimeout("")),
            "client",
            "waits until its read timeout: `APITimeoutError` ← `ReadTimeout`",
        ),
        (
            WHOLE,
            caused(aiohttp.ConnectionTimeoutError(), TimeoutError()),
            "client",
            "waits until its connect timeout: `ConnectionTimeoutError`",
        ),
        (
            WHOLE,
            httpx2.HTTPStatusError("", request=ASKED, response=REFUSED),
            "client",
            "`HTTPStatusError` (status 429)",
        ),
        (
            WHOLE,
            openai.RateLimitError("", response=REFUSED, body=None),
            "client",
            "`RateLimitError` (status 429)",
        ),
        (
            STREAMED,
            openai.APIError("It broke. Sorry.", ASKED, body=None),
            "client",
            "content, then `APIError`: It broke…",
        ),
        (STREAMED, KeyError("choices"), "reading", "content, then `KeyError` in the application"),
        (WHOLE, KeyError("output"), "reading", "success, until the application reads it: `KeyError`"),
        (STREAMED, KeyError("no_tool"), "using", "success, until the application uses it: `KeyError`"),
    ],
)
def test_a_failure_is_told_by_whose_it_is(case: Case, error: Exception, stage: Stage, told: str) -> None:
    """The client's own error with its cause and status, or the application's, which had an answer in hand."""
    assert tell(case, Seen(chat("one"), 0.1, error, stage), TRUTH, None) == told


def test_an_error_behind_the_whole_answer_is_told_as_that() -> None:
    """Who has everything when the error comes is not said to have a part."""
    seen = Seen(chat("one two"), 0.1, httpx2.ReadError(""))
    assert tell(STREAMED, seen, TRUTH, False) == "all of the content, then `ReadError`; not retried"


def test_a_wait_that_outlasts_the_read_timeout_is_told() -> None:
    """A success that took longer than any read timeout says so."""
    told = tell(STREAMED, Seen(chat("one two"), PATIENT + 0.1), TRUTH, None)
    assert told == "waits longer than its read timeout, which never fires; then success: complete and true"


def lines(*events: dict[str, Any]) -> list[str]:
    return ["", ": ping", "event: x", *[f"data: {json.dumps(event)}" for event in events]]


def test_a_stream_read_by_hand_ends_at_done_or_at_its_terminal_event() -> None:
    """`data:` lines count, others do not, and nothing is read behind the end."""
    reading = new_reading("chat", PLAIN)
    said = lines({"choices": [{"delta": {"content": "one"}}]})
    assert [take_line(reading, line) for line in said] == [False] * 4
    assert take_line(reading, "data: [DONE]")
    reading = new_reading("responses", PLAIN)
    ended = {"type": "response.completed", "response": {"status": "completed"}}
    assert [take_line(reading, line) for line in lines(ended)] == [False, False, False, True]
    assert reading.finish == "stop"


def test_a_call_of_a_tool_is_read_from_its_pieces_and_used() -> None:
    """Name and arguments come together; arguments that do not parse are the application's error."""
    reading = new_reading("chat", PLAIN)
    for function in ({"name": "get_weather", "arguments": '{"city"'}, {"arguments": ': "Rome"'}):
        reading.take({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]})
    assert reading.tools == [["get_weather", '{"city": "Rome"']]
    with pytest.raises(json.JSONDecodeError):
        reading.use("tool")


def test_a_body_that_is_no_answer_is_the_applications_error() -> None:
    """What an SDK hands over as text has no fields to read."""
    with pytest.raises(AttributeError):
        new_reading("chat", SDK).whole("<html>")
    with pytest.raises(KeyError):
        new_reading("responses", PLAIN).whole({"error": {}})
