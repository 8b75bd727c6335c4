"""What a client saw, as a sentence: one for each way in which an answer can end."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import aiohttp
import httpx2
import openai
import pytest

from windtunnel.harness.clients.reading import AnswerFailedError, JsonAnswer
from windtunnel.harness.matrix import sentence as sentences
from windtunnel.harness.matrix.cases import PATIENT, Case
from windtunnel.harness.matrix.observed_call import CallStage, ObservedAnswer, ObservedCall, observing
from windtunnel.harness.matrix.sentence import sentence_of
from windtunnel.mock_server.api.truth import digest

TRUTH = digest([(0, "one two", None, [], "stop")])
STREAMED = Case("cut", (), "chat streamed")
WHOLE = Case("cut", (), "responses whole")
RESPONSES = Case("cut", (), "responses streamed")


def choice(**said: Any) -> JsonAnswer:
    """A chunk of a chat stream, with one choice."""
    delta = {key: value for key, value in said.items() if key != "finish_reason"}
    chosen = JsonAnswer(index=0, delta=JsonAnswer(delta), finish_reason=said.get("finish_reason"))
    return JsonAnswer(choices=[chosen])


def chat(*pieces: str, finish: str | None = "stop", usage: bool = True, refusal: str = "") -> ObservedAnswer:
    answer = ObservedAnswer("chat")
    for piece in pieces:
        answer.take(choice(content=piece, refusal=refusal))
    answer.take(choice(finish_reason=finish))
    if usage:
        answer.take(JsonAnswer(choices=[], usage=JsonAnswer(total_tokens=3)))
    return answer


def response(*pieces: str, status: str | None = "completed", reason: str | None = None) -> ObservedAnswer:
    answer = ObservedAnswer("responses")
    for piece in pieces:
        answer.take(JsonAnswer(type="response.output_text.delta", delta=piece))
    if status is not None:
        details = JsonAnswer(reason=reason) if reason else None
        ended = JsonAnswer(status=status, usage=JsonAnswer(total_tokens=3), incomplete_details=details)
        with contextlib.suppress(AnswerFailedError):
            answer.take(JsonAnswer(type="response.completed", response=ended))
    return answer


CUT_SHORT = "success, but the answer is cut short, as its"
CHECKS = "(silent, unless the application checks)"


@pytest.mark.parametrize(
    ("case", "answer", "sentence"),
    [
        (STREAMED, chat("one", " two"), "success: complete and true"),
        (RESPONSES, response("one", " two"), "success: complete and true"),
        (STREAMED, chat("one", " two", usage=False), "success: complete and true, without its usage"),
        (STREAMED, chat("one", "one", " two"), sentences.CORRUPTED),
        (STREAMED, chat(), sentences.EMPTY),
        (STREAMED, chat("one", finish=None), f"success, incomplete: no finish reason {CHECKS}"),
        (RESPONSES, response("one", status=None), f"success, incomplete: no terminal event {CHECKS}"),
        (
            RESPONSES,
            response(status=None),
            "success, but the answer is empty and has no terminal event (silent corruption)",
        ),
        (STREAMED, chat("one", finish="length"), f"{CUT_SHORT} finish_reason says (`length`)"),
        (
            RESPONSES,
            response("one", status="incomplete", reason="max_output_tokens"),
            f"{CUT_SHORT} status says (`incomplete`, `max_output_tokens`)",
        ),
        (
            STREAMED,
            chat("", refusal="no"),
            "success, but the answer is a refusal and has no other content",
        ),
        (
            STREAMED,
            chat("one", " two", finish="paused"),
            "success: the content is true, finish_reason is `paused`",
        ),
        (RESPONSES, response("one two", status="odd"), "success: the content is true, status is `odd`"),
    ],
)
def test_a_success_is_described_by_what_the_application_has(
    case: Case, answer: ObservedAnswer, sentence: str
) -> None:
    """Complete and true, silently wrong, or an answer that says what is the matter with it."""
    assert sentence_of(case, ObservedCall(answer, 0.1), TRUTH, None) == sentence


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (None, sentences.ERROR_UNRAISED),
        ("failed", sentences.FAILURE_UNRAISED.format(status="failed")),
    ],
)
def test_an_answer_that_says_that_it_failed_was_a_success_to_the_client(
    status: str | None, sentence: str
) -> None:
    """An error event and a failed response are the application's to find: the client hands them over."""
    call = ObservedCall(
        response("one", status=status), 0.1, AnswerFailedError("server_error"), stage="reading"
    )
    assert sentence_of(RESPONSES, call, TRUTH, None) == sentence


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


ASKED = httpx2.Request("POST", "http://mock/v1")
REFUSED = httpx2.Response(429, request=ASKED)


@pytest.mark.parametrize(
    ("case", "error", "stage", "sentence"),
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
        (
            WHOLE,
            KeyError("output"),
            "reading",
            "success, but it fails when the application reads it: `KeyError`",
        ),
        (
            STREAMED,
            KeyError("no_tool"),
            "using",
            "success, but it fails when the application uses it: `KeyError`",
        ),
    ],
)
def test_a_failure_is_described_by_whose_it_is(
    case: Case, error: Exception, stage: CallStage, sentence: str
) -> None:
    """The client's own error with its cause and status, or the application's, which had an answer in hand."""
    call = ObservedCall(chat("one"), 0.1, error, stage=stage)
    assert sentence_of(case, call, TRUTH, None) == sentence


def test_an_error_behind_the_whole_answer_is_described_as_that() -> None:
    """An application that has everything when the error comes is not said to have a part."""
    call = ObservedCall(chat("one two"), 0.1, httpx2.ReadError(""))
    expected = "all of the content, then `ReadError`; not retried"
    assert sentence_of(STREAMED, call, TRUTH, retried=False) == expected


def test_a_wait_that_outlasts_the_read_timeout_is_described() -> None:
    """A success that took longer than any read timeout says so."""
    sentence = sentence_of(STREAMED, ObservedCall(chat("one two"), PATIENT + 0.1), TRUTH, None)
    assert (
        sentence == "waits longer than its read timeout, which never fires; then success: complete and true"
    )


def lines(*events: dict[str, Any]) -> list[str]:
    return ["", ": ping", "event: x", *[f"data: {json.dumps(event)}" for event in events]]


def test_a_stream_read_by_hand_ends_at_done_as_in_a_run() -> None:
    """`data:` lines count, others do not; without `[DONE]` a stream is read to the end of the connection."""
    call = ObservedCall(ObservedAnswer("chat"))
    assert [call.take_line(line) for line in lines(choice(content="one"))] == [False] * 4
    assert call.take_line(b"data: [DONE]\n")
    call = ObservedCall(ObservedAnswer("responses"))
    ended = {"type": "response.completed", "response": {"status": "completed"}}
    assert [call.take_line(line) for line in lines(ended)] == [False] * 4
    assert call.answer.finish == "stop"


def test_a_call_of_a_tool_is_read_from_its_pieces_and_used() -> None:
    """Name and arguments come together; arguments that do not parse are an error of the application's use."""
    call = ObservedCall(ObservedAnswer("chat"))
    for function in (JsonAnswer(name="get_weather", arguments='{"city"'), JsonAnswer(arguments=': "Rome"')):
        call.take(choice(tool_calls=[JsonAnswer(index=0, function=function)]))
    assert call.answer.choices()[0][3] == [("get_weather", '{"city": "Rome"')]
    with pytest.raises(json.JSONDecodeError):
        call.use("tool")
    assert call.stage == "using"


def test_a_body_that_is_no_answer_is_an_error_of_the_applications_reading() -> None:
    """What an SDK hands over as text has no fields to read; what is JSON, but no answer, has no choices."""
    for body, kind in (("<html>", AttributeError), (JsonAnswer(error=JsonAnswer()), TypeError)):
        with observing(STREAMED) as call:
            call.whole(body)
        assert isinstance(call.error, kind)
        assert call.stage == "reading"
        assert not call.failed
