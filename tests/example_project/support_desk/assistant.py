"""Asks a model what to answer to a customer."""

from __future__ import annotations

import openai

MODEL = "gpt-4.1-mini"
MAX_RETRIES = 2
TIMEOUT_S = 20.0


class HalfAnAnswerError(Exception):
    """The answer ended before it was complete."""


def client_of(http_client=None):
    """Return the client, as production has it; it reads OPENAI_BASE_URL and OPENAI_API_KEY."""
    return openai.OpenAI(max_retries=MAX_RETRIES, timeout=TIMEOUT_S, http_client=http_client)


def answer(question, client=None):
    """Return the answer to a question. Raises `HalfAnAnswerError` where it is not complete."""
    with client or client_of() as asked:
        stream = asked.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question}], stream=True
        )
        with stream:
            return _whole(list(stream))


async def answer_later(question: str):
    """Do the same on an event loop."""
    async with openai.AsyncOpenAI(max_retries=MAX_RETRIES, timeout=TIMEOUT_S) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question}], stream=True
        )
        async with stream:
            return _whole([event async for event in stream])


def _whole(events):
    choices = [event.choices[0] for event in events if event.choices]
    if not any(choice.finish_reason == "stop" for choice in choices):
        raise HalfAnAnswerError("the stream ended early")
    return "".join(choice.delta.content or "" for choice in choices)
