"""Faults of what an answer says: everything in it agrees, and the SDK's types accept what should be well-formed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import orjson
import pytest

from tests.mock_server.api.conftest import Wire
from tests.mock_server.faults.answer_content import says
from windtunnel.mock_server.faults import FAULTS, FaultContext
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 30}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
OTHER = {"type": "function", "function": {"name": "tides", "parameters": PARAMETERS}}
CUSTOM = {"type": "custom", "custom": {"name": "shell"}}
SCHEMA = {"name": "answer", "strict": True, "schema": PARAMETERS}
FORCED = {"tool_choice": "required"}
SHAPES: dict[str, dict[str, dict[str, Any]]] = {
    "chat": {
        "prose": {},
        "choices": {"n": 3},
        "schema": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        "tool": {"tools": [TOOL], **FORCED},
        "custom": {"tools": [CUSTOM], **FORCED},
        "legacy": {"functions": [{"name": "f", "parameters": PARAMETERS}], "function_call": {"name": "f"}},
        "logprobs": {"logprobs": True, "top_logprobs": 2},
        "several tools": {"tools": [TOOL, OTHER], **FORCED, "parallel_tool_calls": True},
        "reasoning": {"reasoning_effort": "low"},
        "citations": {"web_search_options": {}},
        "sound": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
    },
    "responses": {
        "prose": {},
        "schema": {"text": {"format": {"type": "json_schema", **SCHEMA}}},
        "tool": {"tools": [{"type": "function", **TOOL["function"], "strict": True}], **FORCED},
        "custom": {"tools": [{"type": "custom", "name": "shell"}], **FORCED},
        "several tools": {
            "tools": [{"type": "function", **it["function"]} for it in (TOOL, OTHER)],
            **FORCED,
            "parallel_tool_calls": True,
        },
        "reasoning": {"reasoning": {"effort": "low", "summary": "auto"}},
        "logprobs": {"include": ["message.output_text.logprobs"]},
    },
}
CASES = [(api, shape) for api, shapes in SHAPES.items() for shape in shapes]
CALLS = ("tool", "custom", "legacy", "several tools")
TOLD = (
    "refusal",
    "content_filter",
    "length_cutoff",
    "non_json_content",
    "schema_violation",
    "bad_tool_arguments",
    "unknown_tool",
)
REFUSED = "I'm sorry, but I can't assist with that request."


def healthy(api: str, shape: str, *, stream: bool) -> Script:
    """The healthy answer to a request of this shape."""
    asked = {**SHAPES[api][shape], "stream": stream}
    if stream and api == "chat":
        asked["stream_options"] = {"include_usage": True}
    return Wire.reply(Wire.ask(api, **asked)).script


def faulty(name: str, script: Script, api: str, *, stream: bool, **params: Any) -> Script:
    kind = FAULTS[name]
    assert kind.acts_on(api, stream)
    return kind.apply(script, kind.params.model_validate(params), FaultContext(api=api, stream=stream))


def told(name: str, api: str, shape: str, *, stream: bool, **params: Any) -> Script:
    """The answer to a request of this shape after a fault."""
    return faulty(name, healthy(api, shape, stream=stream), api, stream=stream, **params)


def every(name: str) -> Iterator[tuple[str, str, bool, list[dict[str, Any]], list[dict[str, Any]]]]:
    """Every case streamed and not: what the healthy answer says, and what the faulty one does."""
    for api, shape in CASES:
        for stream in (False, True):
            before = says(healthy(api, shape, stream=stream), api, stream=stream)
            before = [{key: value for key, value in old.items() if key != "more"} for old in before]
            yield api, shape, stream, before, says(told(name, api, shape, stream=stream), api, stream=stream)


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_satisfies_the_sdks_types(name: str) -> None:
    """Whole answers and every event of a stream validate strictly, agree with themselves, and say the same."""
    for api, shape in CASES:
        whole = says(told(name, api, shape, stream=False), api, stream=False)
        streamed = says(told(name, api, shape, stream=True), api, stream=True)
        assert whole == streamed, (api, shape)
        assert all("more" not in choice for choice in whole), "of several calls the first one is made"


@pytest.mark.parametrize("name", TOLD)
def test_no_answer_escapes(name: str) -> None:
    """Whatever the healthy answer is, every choice of the faulty one says something else."""
    for *case, before, after in every(name):
        assert len(before) == len(after), case
        assert all(old != new for old, new in zip(before, after, strict=True)), case


def test_a_refusal_is_a_refusal_and_nothing_else() -> None:
    """The words of the refusal stand where refusals stand, without content and without a tool call."""
    for api, _, _, _, after in every("refusal"):
        finish = "stop" if api == "chat" else None
        assert all(choice == {"kind": "refusal", "text": REFUSED, "finish": finish} for choice in after)


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("length_cutoff", {"chat": "length", "responses": "max_output_tokens"}),
        ("content_filter", {"chat": "content_filter", "responses": "content_filter"}),
    ],
)
def test_what_is_cut_is_a_beginning_and_says_why(name: str, reasons: dict[str, str]) -> None:
    """Content and arguments are a proper prefix of the healthy ones, with the reason where the API states it."""
    for api, _, _, before, after in every(name):
        for old, new in zip(before, after, strict=True):
            assert old["text"].startswith(new["text"])
            assert 0 < len(new["text"]) < len(old["text"])
            assert new == {**old, "text": new["text"], "finish": reasons[api]}


@pytest.mark.parametrize("keep", [0, 0.1, 0.9])
def test_how_much_is_left(keep: float) -> None:
    """`keep` is a part of the tokens; the filter may strike before the first, a limit leaves one."""
    for stream in (False, True):
        (old,) = says(healthy("chat", "prose", stream=stream), "chat", stream=stream)
        for name, least in (("content_filter", 0), ("length_cutoff", 1)):
            (new,) = says(told(name, "chat", "prose", stream=stream, keep=keep), "chat", stream=stream)
            assert len(new["text"]) == 4 * max(least, int(keep * len(old["text"]) / 4))


def test_a_cut_answer_is_less_work_and_keeps_the_pace_of_the_rest() -> None:
    """The chunks that are left come after the same work as ever, and the work of the others is gone."""
    for api in SHAPES:
        before = healthy(api, "prose", stream=True).steps
        after = told("length_cutoff", api, "prose", stream=True).steps
        kept = [step for step in after if isinstance(step, Tokens | FirstToken)]
        old = [step for step in before if isinstance(step, Tokens | FirstToken)]
        assert kept[:-1] == old[: len(kept) - 1]
        assert len(kept) < len(old)
        roles = [role for role, _ in groupby(step.role for step in after if isinstance(step, Send))]
        assert sorted(roles) == ["body", "content", "terminal"]
        assert (type(after[0]), after[-1]) == (Head, End())


def test_content_that_is_no_json() -> None:
    """The content does not parse, the healthy content is in it, and a tool call has become words."""
    for *case, before, after in every("non_json_content"):
        for old, new in zip(before, after, strict=True):
            assert new["kind"] == "text", case
            assert f"```json\n{old['text']}\n```" in new["text"]
            with pytest.raises(ValueError, match="unexpected"):
                orjson.loads(new["text"])


def test_content_of_another_schema() -> None:
    """The content is a JSON object with a key too many, and each value of the healthy one has another type."""
    for _, shape, _, before, after in every("schema_violation"):
        for old, new in zip(before, after, strict=True):
            found = orjson.loads(new["text"])
            assert "unexpected" in found
            assert new["kind"] == old["kind"]
            if shape in ("schema", "tool", "legacy", "several tools"):
                was = orjson.loads(old["text"])
                assert {key: type(value) for key, value in found.items()} == {
                    **{key: {str: list, int: str}[type(value)] for key, value in was.items()},
                    "unexpected": bool,
                }


def test_arguments_that_do_not_parse() -> None:
    """Every answer is a tool call whose arguments are no JSON; the tool is the one that was called, if there was."""
    for _, shape, _, before, after in every("bad_tool_arguments"):
        for old, new in zip(before, after, strict=True):
            assert new["kind"] == (old["kind"] if shape in CALLS else "function")
            assert new["name"] == old.get("name", "lookup")
            assert new["finish"] in ("tool_calls", "function_call", None)
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(new["text"])


def test_a_tool_that_nobody_offered() -> None:
    """The healthy call goes to another tool with its arguments as they were; words become such a call."""
    for _, shape, _, before, after in every("unknown_tool"):
        for old, new in zip(before, after, strict=True):
            assert new["name"] == "undefined_tool"
            if shape in CALLS:
                assert new == {**old, "name": "undefined_tool"}
            else:
                assert orjson.loads(new["text"]) == {"text": old["text"]}


@pytest.mark.parametrize("api", list(SHAPES))
def test_the_longest_words_come_with_the_last_chunk(api: str) -> None:
    """What is longer than the healthy answer is still said, whole, at no further token."""
    message = "No. " * 200
    for stream in (False, True):
        before = healthy(api, "prose", stream=stream)
        after = faulty("refusal", before, api, stream=stream, message=message)
        assert says(after, api, stream=stream)[0]["text"] == message
        assert Wire.work(after) == Wire.work(before)


def completions(*, stream: bool) -> Script:
    """A legacy completion of two choices, whose finish_reason comes with the last text in a stream."""
    texts = (["one two three ", "four five six"], ["un deux trois ", "quatre cinq six"])
    head = Head(200, (("content-type", "text/event-stream" if stream else "application/json"),), "chunked")

    def choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
        return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}

    if not stream:
        choices = [choice(i, "".join(text), "stop") for i, text in enumerate(texts)]
        usage = {"prompt_tokens": 1, "completion_tokens": 16, "total_tokens": 17}
        body = orjson.dumps({"id": "cmpl-1", "choices": choices, "usage": usage})
        return Script((head, FirstToken(), Tokens(15), Send(body, 16, "terminal"), End()))
    steps: list[Step] = [head, FirstToken()]
    for place in range(2):
        for i, text in enumerate(texts):
            data = {"id": "cmpl-1", "choices": [choice(i, text[place], "stop" if place else None)]}
            steps += (Tokens(4), Send(b"data: " + orjson.dumps(data) + b"\n\n", 4, "content"))
    return Script((*steps, Send(b"data: [DONE]\n\n", 0, "terminal"), End()))


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_completions_are_cut_as_well(stream: bool) -> None:
    """Every choice's text is a beginning, and its finish_reason comes with the end of it."""
    script = faulty("length_cutoff", completions(stream=stream), "completions", stream=stream)
    datas = [data for _, data in Wire.events(script)[:-1]] if stream else [Wire.json(script)]
    choices = [choice for data in datas for choice in data["choices"]]
    for index, text in ((0, "one two three four five six"), (1, "un deux trois quatre cinq six")):
        own = [choice for choice in choices if choice["index"] == index]
        said = "".join(choice["text"] for choice in own)
        assert text.startswith(said)
        assert 0 < len(said) < len(text)
        assert [choice["finish_reason"] for choice in own] == [None] * (len(own) - 1) + ["length"]


def test_an_answer_of_another_form_is_left_alone() -> None:
    """What is no JSON, has no choices, or is torn stays as it is."""
    for data in (b"<html>", b"{}", b'{"choices":{}}', b"data: {\n\n", b"data: [DONE]\n\n", b"[1]"):
        for api in ("chat", "responses"):
            for stream in (False, True):
                script = Script((Head(200), Send(data, 1, "content"), End()))
                for name in TOLD:
                    assert faulty(name, script, api, stream=stream) == script
