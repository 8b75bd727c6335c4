"""What the assistant does when OpenAI is slow, broken or busy."""

import asyncio

import httpx
import openai
import pytest
from support_desk import assistant

import reports
import windtunnel


def test_it_answers(mock_openai):
    """A healthy provider: one request, and the answer is what was meant."""
    mock_openai.assert_no_silent_corruption(assistant.answer("Where is my parcel?"))
    mock_openai.assert_attempts(exactly=1)
    mock_openai.assert_all_streams_closed()
    assert reports.weekly(1, 1) == "1 of 1 questions answered"


@pytest.mark.windtunnel(faults=["overloaded"])
def test_it_does_not_hammer(mock_openai):
    """A provider that is overloaded gets three requests for a question, and no more."""
    with pytest.raises(openai.InternalServerError):
        assistant.answer("Where is my parcel?")
    mock_openai.assert_attempts(at_most=3)


def test_half_an_answer_is_none(mock_openai):
    """A stream that ends early is an error, though the SDK raises none."""
    mock_openai.fault("eof_without_done", after_chunks=3)
    with pytest.raises(assistant.HalfAnAnswerError):
        assistant.answer("Where is my parcel?")
    mock_openai.assert_all_streams_closed()


def test_it_comes_back_when_it_is_told_to(openai_route):
    """A rate limit names a time, and the client keeps to it."""
    mock = openai_route.mock_openai.fault("rate_limit_requests", retry_after_ms=300, first=1)
    client = openai.OpenAI(api_key="any", http_client=httpx.Client(), max_retries=assistant.MAX_RETRIES)
    assert assistant.answer("Where is my parcel?", client)
    mock.assert_honours_retry_after()


@windtunnel.virtual(seed=1)
async def test_nobody_waits_for_ever(mock_openai):
    """A stream that stalls: three tries of 20 s each, in no time."""
    mock_openai.fault("hang", seconds="forever")
    with pytest.raises(openai.APITimeoutError):
        await assistant.answer_later("Where is my parcel?")
    mock_openai.assert_gave_up_within(3 * assistant.TIMEOUT_S + 10)


@pytest.mark.windtunnel_virtual
@pytest.mark.windtunnel(scenario="scenarios/evening_rush.yaml")
async def test_the_evening_rush(mock_openai):
    """The evening on which the desk went down, as the whole of it: most questions are answered."""
    answered = 0
    for _ in range(20):
        try:
            await assistant.answer_later("Where is my parcel?")
        except openai.OpenAIError:
            pass
        else:
            answered += 1
        await asyncio.sleep(1)
    assert answered >= 15
    mock_openai.assert_attempts(at_most=3)
