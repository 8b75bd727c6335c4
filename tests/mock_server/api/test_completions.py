"""Legacy completions: every form of prompt, every option, whole and streamed."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types import Completion

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import async_sdk, in_process, post, refusal, sdk, strict
from windtunnel.mock_server.api.text import TOKENS
from windtunnel.mock_server.api.truth import digest

PROMPTS: dict[str, tuple[Any, int, int]] = {
    "string": ("Once upon", 1, 3),
    "nothing": (None, 1, 0),
    "strings": (["a", "bcdef"], 2, 3),
    "tokens": ([1, 2, 3], 1, 3),
    "lists of tokens": ([[1, 2], [3]], 2, 3),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "long": {"max_tokens": 50},
    "choices": {"n": 3, "max_tokens": 7},
    "prompts": {"prompt": ["a", "b"], "n": 2},
    "echo": {"echo": True},
    "echo of tokens": {"echo": True, "prompt": [[4, 5], [6]]},
    "logprobs": {"logprobs": 3},
    "logprobs alone": {"logprobs": 0},
    "stopped": {"stop": ["e", " "]},
    "inserted": {"suffix": " The end.", "user": "me", "seed": 1, "logit_bias": {"1": 1}},
    "nothing but the prompt": {"echo": True, "max_tokens": 0},
    "cut": {"max_tokens": 2, "temperature": 0, "top_p": 1, "presence_penalty": 1, "frequency_penalty": 1},
}


def ask(**body: Any) -> Any:
    """A request with a prompt, changed by `body`."""
    return post(
        "/v1/completions", **{"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", **body}
    )


def received(wire: type[Wire], script: Any) -> list[tuple[Any, ...]]:
    """What an application reads from a stream, every part validated strictly on the way."""
    texts: dict[int, str] = {}
    finish: dict[int, str] = {}
    *parts, (_, last) = wire.events(script)
    assert last == "[DONE]"
    for _, part in parts:
        for choice in part["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
            if choice["finish_reason"]:
                finish[choice["index"]] = choice["finish_reason"]
            choice["finish_reason"] = choice["finish_reason"] or "stop"  # null in the API, not in its SDK
        checked(part)
    return [(index, texts[index], None, (), finish[index]) for index in sorted(finish)]


def checked(part: dict[str, Any]) -> Completion:
    """The object as the SDK's type, without what has no log probability before it (null in the API)."""
    for choice in part["choices"]:
        found = choice["logprobs"]
        if found is not None and found["token_logprobs"][:1] == [None]:
            found["token_logprobs"][0] = 0.0
            found["top_logprobs"][0] = {}
    return strict(Completion, Wire.dumps(part))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_satisfies_the_sdks_type(wire: type[Wire], shape: str) -> None:
    """Whole and streamed answers validate strictly and mean the same, which is the truth."""
    answer = wire.reply(ask(**SHAPES[shape]))
    completion = checked(wire.json(answer.script))
    assert completion.usage is not None
    assert max(1, completion.usage.completion_tokens) == answer.tokens == wire.work(answer.script)
    rows: Any = [(c.index, c.text, None, (), c.finish_reason) for c in completion.choices]
    assert digest(rows) == answer.truth_digest
    for usage in (True, False):
        streamed = wire.reply(ask(**SHAPES[shape], stream=True, stream_options={"include_usage": usage}))
        assert streamed.truth_digest == answer.truth_digest == digest(received(wire, streamed.script))
        assert wire.work(streamed.script) == answer.tokens
        found = [part.get("usage") for _, part in wire.events(streamed.script)[:-1]]
        assert [one is not None for one in found] == [False] * (len(found) - 1) + [usage]


@pytest.mark.parametrize("form", PROMPTS)
def test_each_form_of_prompt_has_its_choices(wire: type[Wire], form: str) -> None:
    """Strings and tokens, one or several: a choice each, and the prompt counted in tokens."""
    prompt, count, tokens = PROMPTS[form]
    completion = checked(wire.json(wire.reply(ask(prompt=prompt)).script))
    assert [choice.index for choice in completion.choices] == list(range(count))
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == tokens


def test_sixteen_tokens_are_the_default(wire: type[Wire]) -> None:
    """Without `max_tokens` an answer ends after 16 tokens, as with the real API."""
    choice = checked(wire.json(wire.reply(ask()).script)).choices[0]
    assert (len(choice.text), choice.finish_reason) == (64, "length")
    assert checked(wire.json(wire.reply(ask(), tokens=9).script)).choices[0].finish_reason == "stop"


def test_an_echo_is_the_prompt(wire: type[Wire]) -> None:
    """Every choice begins with its own prompt; token numbers are shown as words of the made-up vocabulary."""
    said = checked(wire.json(wire.reply(ask(prompt=["a", "b"], n=2)).script)).choices
    echoed = checked(wire.json(wire.reply(ask(prompt=["a", "b"], n=2, echo=True)).script)).choices
    assert [one.text for one in echoed] == [p + one.text for p, one in zip("aabb", said, strict=True)]
    numbers = checked(wire.json(wire.reply(ask(prompt=[7, 300], echo=True, max_tokens=0)).script))
    assert numbers.choices[0].text == TOKENS[7] + TOKENS[300 - 256]


def test_logprobs_have_offsets_that_fit(wire: type[Wire]) -> None:
    """Tokens lie at their offsets in the text, streamed or not, and an echoed prompt's first one has none."""
    for echo in (False, True):
        body = wire.json(wire.reply(ask(logprobs=2, echo=echo)).script)["choices"][0]
        found = body["logprobs"]
        for token, at in zip(found["tokens"], found["text_offset"], strict=True):
            assert body["text"][at : at + len(token)] == token
        assert (found["token_logprobs"][0] is None) == (found["top_logprobs"][0] is None) == echo
        assert all(len(best) == 2 for best in found["top_logprobs"][1:])
        parts = [
            data for _, data in wire.events(wire.reply(ask(logprobs=2, echo=echo, stream=True)).script)[:-1]
        ]
        pieces = [part["choices"][0]["logprobs"] for part in parts]
        assert "".join(t for piece in pieces if piece for t in piece["tokens"]) == body["text"]
        assert pieces[1]["text_offset"][0] == len(parts[0]["choices"][0]["text"])


def test_the_best_of_several_is_sent(wire: type[Wire]) -> None:
    """`best_of` generates and bills more than it sends."""
    one = wire.json(wire.reply(ask(n=2, max_tokens=5)).script)
    best = wire.json(wire.reply(ask(n=2, max_tokens=5, best_of=5)).script)
    assert len(best["choices"]) == 2
    assert (one["usage"]["completion_tokens"], best["usage"]["completion_tokens"]) == (10, 25)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, None, None),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"prompt": 1}, "prompt", "invalid_type"),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": ["a", 1]}, "prompt", "invalid_type"),
        ({"prompt": ["a"] * 2049}, "prompt", "array_above_max_length"),
        ({"n": 3, "best_of": 2}, "best_of", None),
        ({"best_of": 2, "stream": True}, "best_of", None),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"suffix": 1}, "suffix", "invalid_type"),
    ],
)
def test_bad_bodies_are_refused(body: dict[str, Any], param: str | None, code: str | None) -> None:
    """A 400 names the field that is wrong."""
    status, error = refusal(ask(**body))
    assert (status, error["param"], error["code"]) == (400, param, code)


async def test_the_sdk_gets_completions() -> None:
    """Sync and async, whole and streamed, the SDK reads the same text."""
    mock = in_process()
    asked: dict[str, Any] = {
        "model": "gpt-3.5-turbo-instruct",
        "prompt": "Once",
        "extra_headers": {"x-windtunnel-call": "c1", "x-windtunnel-step": "0"},
    }
    with sdk(mock) as client:
        text = client.completions.create(**asked).choices[0].text
        with client.completions.create(**asked, stream=True) as stream:
            assert "".join(part.choices[0].text for part in stream) == text
    async with async_sdk(mock) as other:
        assert (await other.completions.create(**asked)).choices[0].text == text
        parts = [part.choices[0].text async for part in await other.completions.create(**asked, stream=True)]
        assert "".join(parts) == text
        with pytest.raises(openai.BadRequestError):
            await other.completions.create(**asked, logprobs=6)
